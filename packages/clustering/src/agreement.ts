/** External validation: how far two labellings of the same points agree, whatever the labels are called. */

/** The contingency table of two labellings. */
interface Contingency {
  readonly n: number;
  readonly cells: { readonly row: number; readonly column: number; readonly count: number }[];
  readonly rowTotals: number[];
  readonly columnTotals: number[];
}

/**
 * The adjusted Rand index of Hubert & Arabie ("Comparing partitions", Journal of Classification 2, 1985): 1 for
 * equal partitions, 0 in expectation for independent ones, negative below chance. Symmetric. Two partitions that
 * leave nothing to compare (both one cluster, or both all singletons) score 1.
 *
 * @param a labels of n ≥ 1 points, any integers
 * @param b labels of the same points
 * @throws {RangeError} when the lengths differ or are 0
 */
export function adjustedRandIndex(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const { n, cells, rowTotals, columnTotals } = contingency(a, b);
  const together = cells.reduce((sum, { count }) => sum + pairs(count), 0);
  const inA = rowTotals.reduce((sum, count) => sum + pairs(count), 0);
  const inB = columnTotals.reduce((sum, count) => sum + pairs(count), 0);
  const expected = n > 1 ? (inA * inB) / pairs(n) : 0;
  const largest = (inA + inB) / 2;
  return largest === expected ? 1 : (together - expected) / (largest - expected);
}

/**
 * The adjusted mutual information of Vinh, Epps & Bailey ("Information theoretic measures for clusterings
 * comparison", JMLR 11, 2010), normalised by the arithmetic mean of the entropies: 1 for equal partitions, 0 in
 * expectation for independent ones. Symmetric. Time O(clusters of a · n).
 *
 * @param a labels of n ≥ 1 points, any integers
 * @param b labels of the same points
 * @throws {RangeError} when the lengths differ or are 0
 */
export function adjustedMutualInformation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const table = contingency(a, b);
  const { n, rowTotals, columnTotals } = table;
  const trivial =
    rowTotals.length === columnTotals.length && (rowTotals.length === 1 || rowTotals.length === n);
  if (trivial) return 1;
  const information = mutualInformation(table);
  const expected = expectedInformation(table);
  const meanEntropy = (entropy(rowTotals, n) + entropy(columnTotals, n)) / 2;
  const range = meanEntropy - expected;
  // A range of exactly zero would divide by zero; the sign-preserving epsilon follows scikit-learn.
  const divisor = range < 0 ? Math.min(range, -Number.EPSILON) : Math.max(range, Number.EPSILON);
  return (information - expected) / divisor;
}

/**
 * The Fowlkes–Mallows index ("A method for comparing two hierarchical clusterings", JASA 78, 1983): the geometric mean
 * of the pairwise precision and recall. 1 for equal partitions; 0 when no pair is together in both (so also when a
 * partition is all singletons, even against itself). Symmetric.
 *
 * @param a labels of n ≥ 1 points, any integers
 * @param b labels of the same points
 * @throws {RangeError} when the lengths differ or are 0
 */
export function fowlkesMallowsIndex(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const { cells, rowTotals, columnTotals } = contingency(a, b);
  const together = cells.reduce((sum, { count }) => sum + pairs(count), 0);
  if (together === 0) return 0;
  const inA = rowTotals.reduce((sum, count) => sum + pairs(count), 0);
  const inB = columnTotals.reduce((sum, count) => sum + pairs(count), 0);
  return Math.sqrt(together / inA) * Math.sqrt(together / inB);
}

/** Conditional-entropy measures of a labelling against the truth, each in [0, 1]. */
export interface VMeasure {
  /** 1 when every cluster holds points of one class only. */
  readonly homogeneity: number;
  /** 1 when all points of a class are in one cluster. */
  readonly completeness: number;
  /** Their harmonic mean; symmetric in the two labellings. */
  readonly vMeasure: number;
}

/**
 * Homogeneity, completeness and V-measure with β = 1 (Rosenberg & Hirschberg, "V-measure: a conditional entropy-based
 * external cluster evaluation measure", EMNLP 2007). Not adjusted for chance: many small clusters score high.
 *
 * @param classes the truth for n ≥ 1 points, any integers
 * @param clusters labels of the same points
 * @throws {RangeError} when the lengths differ or are 0
 */
export function vMeasure(classes: ArrayLike<number>, clusters: ArrayLike<number>): VMeasure {
  const table = contingency(classes, clusters);
  const information = mutualInformation(table);
  const classEntropy = entropy(table.rowTotals, table.n);
  const clusterEntropy = entropy(table.columnTotals, table.n);
  const homogeneity = classEntropy === 0 ? 1 : information / classEntropy;
  const completeness = clusterEntropy === 0 ? 1 : information / clusterEntropy;
  const sum = homogeneity + completeness;
  return { homogeneity, completeness, vMeasure: sum === 0 ? 0 : (2 * homogeneity * completeness) / sum };
}

/**
 * Purity (Zhao & Karypis, "Criterion functions for document clustering", 2001): the share of points that are in the
 * most frequent class of their cluster, in (0, 1]. Not symmetric, and 1 for singletons.
 *
 * @param classes the truth for n ≥ 1 points, any integers
 * @param clusters labels of the same points
 * @throws {RangeError} when the lengths differ or are 0
 */
export function purity(classes: ArrayLike<number>, clusters: ArrayLike<number>): number {
  const { n, cells, columnTotals } = contingency(classes, clusters);
  const largest = new Array<number>(columnTotals.length).fill(0);
  for (const { column, count } of cells) largest[column] = Math.max(largest[column]!, count);
  return largest.reduce((sum, count) => sum + count, 0) / n;
}

function pairs(count: number): number {
  return (count * (count - 1)) / 2;
}

/** Mutual information in nats. */
function mutualInformation({ n, cells, rowTotals, columnTotals }: Contingency): number {
  let information = 0;
  for (const { row, column, count } of cells) {
    information += (count / n) * Math.log((n * count) / (rowTotals[row]! * columnTotals[column]!));
  }
  // Independent labellings sum to zero up to rounding, which may fall on the wrong side.
  return Math.max(0, information);
}

function entropy(totals: readonly number[], n: number): number {
  return -totals.reduce((sum, count) => sum + (count / n) * Math.log(count / n), 0);
}

/** Expected mutual information under the hypergeometric model (Vinh et al. 2010, equation 24a). */
function expectedInformation({ n, rowTotals, columnTotals }: Contingency): number {
  const logFactorial = new Float64Array(n + 1);
  for (let i = 1; i <= n; i++) logFactorial[i] = logFactorial[i - 1]! + Math.log(i);
  const factorial = (i: number): number => logFactorial[i]!;
  let expected = 0;
  for (const x of rowTotals) {
    for (const y of columnTotals) {
      const fixed = factorial(x) + factorial(y) + factorial(n - x) + factorial(n - y) - factorial(n);
      for (let count = Math.max(1, x + y - n); count <= Math.min(x, y); count++) {
        const probability = Math.exp(
          fixed -
            factorial(count) -
            factorial(x - count) -
            factorial(y - count) -
            factorial(n - x - y + count),
        );
        expected += (count / n) * Math.log((n * count) / (x * y)) * probability;
      }
    }
  }
  return expected;
}

function contingency(a: ArrayLike<number>, b: ArrayLike<number>): Contingency {
  if (a.length !== b.length) throw new RangeError(`${a.length} labels do not fit ${b.length} labels.`);
  if (a.length === 0) throw new RangeError("The agreement of no labels is undefined.");
  const rowIndex = new Map<number, number>();
  const columnIndex = new Map<number, number>();
  const rowTotals: number[] = [];
  const columnTotals: number[] = [];
  const rows: Map<number, number>[] = [];
  for (let i = 0; i < a.length; i++) {
    const row = indexOf(rowIndex, a[i]!);
    const column = indexOf(columnIndex, b[i]!);
    rowTotals[row] = (rowTotals[row] ?? 0) + 1;
    columnTotals[column] = (columnTotals[column] ?? 0) + 1;
    rows[row] ??= new Map();
    rows[row].set(column, (rows[row].get(column) ?? 0) + 1);
  }
  const cells = rows.flatMap((columns, row) =>
    Array.from(columns, ([column, count]) => ({ row, column, count })),
  );
  return { n: a.length, cells, rowTotals, columnTotals };
}

function indexOf(index: Map<number, number>, label: number): number {
  const known = index.get(label);
  if (known !== undefined) return known;
  index.set(label, index.size);
  return index.size - 1;
}
