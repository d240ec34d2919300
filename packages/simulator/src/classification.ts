/** How well labels are foretold. */

/** Measures of a classification. */
export interface ClassificationQuality {
  /** Share that is right, 0 to 1. */
  readonly accuracy: number;
  /** Means over the labels that occur in truth, each counted alike; a label that is never foretold has precision 0. */
  readonly macroPrecision: number;
  readonly macroRecall: number;
  /** Mean of the labels' F1 = 2 · precision · recall / (precision + recall), not the F1 of the means. */
  readonly macroF1: number;
}

/**
 * @param truth one label per case
 * @param foretold as many
 * @throws {RangeError} when the lengths differ or are 0
 */
export function classificationQuality(
  truth: readonly number[],
  foretold: readonly number[],
): ClassificationQuality {
  const n = truth.length;
  if (n === 0 || foretold.length !== n)
    throw new RangeError(`As many labels must be foretold as there are: ${foretold.length} of ${n}.`);
  const labels = new Map([...new Set(truth)].map((label) => [label, { actual: 0, foretold: 0, right: 0 }]));
  let right = 0;
  for (let i = 0; i < n; i++) {
    const counts = labels.get(truth[i]!)!;
    const guess = labels.get(foretold[i]!);
    counts.actual++;
    if (guess !== undefined) guess.foretold++;
    if (truth[i] !== foretold[i]) continue;
    right++;
    counts.right++;
  }
  let [precision, recall, f1] = [0, 0, 0];
  for (const counts of labels.values()) {
    precision += counts.right / Math.max(1, counts.foretold) / labels.size;
    recall += counts.right / counts.actual / labels.size;
    f1 += (2 * counts.right) / (counts.foretold + counts.actual) / labels.size;
  }
  return { accuracy: right / n, macroPrecision: precision, macroRecall: recall, macroF1: f1 };
}
