/** Several interests of one person, found on the device. */

import { agglomerate, cutByHeight } from "./dendrogram.ts";
import { type Matrix, matrixFromRows, normalised, rowOf } from "./matrix.ts";

/** A person's interests, the strongest first. */
export interface InterestVectors {
  /** m × d, rows of norm 1; no rows when nothing has a direction. */
  readonly vectors: Matrix;
  /** Length m, of sum 1. */
  readonly weights: Float64Array;
  /** Length m: per interest the ascending rows of the points that make it up. */
  readonly members: readonly (readonly number[])[];
}

/** Mean cosine distance up to which items are one interest. */
const DISTANCE = 0.5;

/**
 * Splits what a person did into interests: average linkage over the vectors of their items, cut at a cosine distance,
 * of which the heaviest are kept (the approach of PinnerSage, Pal et al., KDD 2020, there with Ward's linkage). For
 * `sufficientStatistics`, which holds the person's contribution at norm 1 however many interests there are.
 *
 * @param points n × d, vectors of the person's items; those without direction are left out
 * @param options.maximum interests at the most, ≥ 1
 * @param options.weights length n, ≥ 0, such as recency; all 1 when absent
 * @param options.distance cosine distance up to which items are one interest, > 0, default .5
 * @throws {RangeError} on a mismatch of shapes, a value that is not finite or options outside their bounds
 */
export function interestVectors(
  points: Matrix,
  options: {
    readonly maximum: number;
    readonly weights?: ArrayLike<number>;
    readonly distance?: number;
  },
): InterestVectors {
  const { maximum, weights, distance = DISTANCE } = options;
  if (!Number.isInteger(maximum) || maximum < 1)
    throw new RangeError(`The number of interests must be a whole number of at least 1, not ${maximum}.`);
  if (!(distance > 0)) throw new RangeError(`The distance must be above 0, not ${distance}.`);
  if (weights && weights.length !== points.rows)
    throw new RangeError(`${weights.length} weights do not fit ${points.rows} points.`);
  const used: { readonly row: number; readonly unit: Float64Array; readonly weight: number }[] = [];
  for (let r = 0; r < points.rows; r++) {
    const unit = normalised(rowOf(points, r));
    const weight = weights?.[r] ?? 1;
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY))
      throw new RangeError(`Weight ${r} must be a finite number of at least 0, not ${weight}.`);
    if (weight > 0 && unit.some((value) => value !== 0)) used.push({ row: r, unit, weight });
  }
  const none = { rows: 0, columns: points.columns, data: new Float32Array() };
  if (used.length === 0) return { vectors: none, weights: new Float64Array(), members: [] };
  const tree = agglomerate(matrixFromRows(used.map(({ unit }) => unit)), {
    linkage: "average",
    weights: used.map(({ weight }) => weight),
  });
  const groups = new Map<number, { sum: Float64Array; weight: number; rows: number[] }>();
  cutByHeight(tree, distance).forEach((label, r) => {
    const { row, unit, weight } = used[r]!;
    const group = groups.get(label) ?? { sum: new Float64Array(points.columns), weight: 0, rows: [] };
    group.rows.push(row);
    for (let i = 0; i < unit.length; i++) group.sum[i]! += weight * unit[i]!;
    group.weight += weight;
    groups.set(label, group);
  });
  // The sort is stable: of equal weights the interest met first comes first.
  const kept = [...groups.values()].sort((a, b) => b.weight - a.weight).slice(0, maximum);
  const total = kept.reduce((sum, { weight }) => sum + weight, 0);
  return {
    vectors: matrixFromRows(kept.map(({ sum }) => normalised(sum))),
    weights: Float64Array.from(kept, ({ weight }) => weight / total),
    members: kept.map(({ rows }) => rows),
  };
}
