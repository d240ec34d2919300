/**
 * Private clusters from few releases: people are counted and summed by public micro-clusters (about 256 seeds from the
 * item space) in one release; everything else here, from weak cells to the choice of k, is post-processing of it and
 * free. One more release refines the result.
 */

import { type Matrix, matrixFromRows, normalised } from "./matrix.ts";
import { checkRelease, type NoisyRelease, shrunkSums } from "./shrinkage.ts";
import {
  type ClusterChoice,
  type ClusterCriterion,
  chooseClusters,
  weightedKMeans,
} from "./weighted-kmeans.ts";

/** People by which a whole one may count less, because sums come out of rounding. */
const ROUNDING = 0.05;

/** A cluster whose size and direction may be published. */
export interface ReleasedCluster {
  /** Noisy number of people. */
  readonly count: number;
  /** Standard deviation of the noise on `count`. */
  readonly deviation: number;
  /**
   * How alike its people's vectors are: the norm of their mean, 0 (no direction in common) to 1 (all the same), as far as
   * the noise lets one tell.
   */
  readonly concentration: number;
  /** Ascending indices of the release's cells that it is made of. */
  readonly cells: readonly number[];
}

/** Why a cell or cluster did not stand by itself. */
export interface ClusterChange {
  /** `merged` into another cluster, or `suppressed`: it has no part in the result. */
  readonly kind: "merged" | "suppressed";
  /**
   * `below-noise`: the count does not stand out of its noise. `no-direction`: the sum is zero or not finite.
   * `below-minimum-size`: too few people for sure. `not-diverse`: its description would tell something sensitive.
   */
  readonly reason: "below-noise" | "no-direction" | "below-minimum-size" | "not-diverse";
  readonly cells: readonly number[];
  readonly count: number;
  readonly deviation: number;
  /** What `count` would have had to reach; infinite where no count would do. */
  readonly threshold: number;
  /** Index of the cluster that took it in, or `null`. */
  readonly into: number | null;
}

export interface ReleasedClusters {
  /** k × d, rows of norm 1; no rows when nothing may be published. */
  readonly centroids: Matrix;
  /** One per row of `centroids`. */
  readonly clusters: readonly ReleasedCluster[];
  /** In the order in which they happened. */
  readonly changes: readonly ClusterChange[];
}

export interface PublicationRules {
  /** A cell whose count is below this many deviations of its noise is dropped; ≥ 0, default 3. */
  readonly significance?: number;
  /**
   * Fewest people in a published cluster, surely: the count less `significance` deviations must reach it; ≥ 0,
   * default 100.
   */
  readonly minimumSize?: number;
  /**
   * Whether a centroid, of norm 1, may be published as it is, such as {@link describesDiversely} says; every one by
   * default.
   * @param clusters with how many, itself counted, it would be published
   */
  readonly isDiverse?: (centroid: Float32Array, clusters: number) => boolean;
}

/**
 * How many micro-clusters a population carries: so many that the mean count lies one deviation above the threshold of
 * significance, at the most 256 and at the least 2. More cells describe smaller shapes, but their people disappear in
 * the noise.
 *
 * @param options.users expected number of contributions, ≥ 1
 * @param options.countDeviation standard deviation of the noise on a count, ≥ 0
 * @param options.significance as in {@link PublicationRules}, default 3
 * @throws {RangeError} when an option is outside its bounds
 */
export function microClusterCount(options: {
  readonly users: number;
  readonly countDeviation: number;
  readonly significance?: number;
}): number {
  const { users, countDeviation, significance = 3 } = options;
  if (!(users >= 1 && countDeviation >= 0 && significance >= 0))
    throw new RangeError(
      `${users} users, deviation ${countDeviation} and significance ${significance} give no number of micro-clusters.`,
    );
  const perCell = Math.max(1, (significance + 1) * countDeviation);
  return Math.max(2, Math.min(256, Math.floor(users / perCell)));
}

/**
 * Clusters from one release over public seeds: drops cells under the noise, estimates the others' sums
 * ({@link shrunkSums}), runs weighted k-means over them, and merges clusters under the minimum size upward, the smallest
 * first, each into the nearest one. A single cluster that is still too small is suppressed.
 *
 * @param options.clusters k, or a range and the criterion that chooses; what exceeds the number of cells left is taken
 *   as that number
 * @param options.seed integer in [0, 2⁵³); public
 * @returns the clusters, and in `choice` how k was chosen (`null` when it was given or fewer than three cells are left)
 * @throws {RangeError} on a malformed release or options outside their bounds
 */
export function clusterMicroRelease(
  release: NoisyRelease,
  options: PublicationRules & {
    readonly clusters:
      | number
      | { readonly minimum: number; readonly maximum: number; readonly criterion: ClusterCriterion };
    readonly seed: number;
  },
): ReleasedClusters & { readonly choice: ClusterChoice | null } {
  const rules = checkedRules(options);
  const { cells, sums, changes } = standingCells(release, rules);
  const d = release.directions.columns;
  if (cells.length === 0) return { ...nothing(d, changes), choice: null };
  const data = { points: matrixFromRows(sums), weights: Float64Array.from(sums, normOf) };
  const { clusters, seed } = options;
  let choice: ClusterChoice | null = null;
  if (typeof clusters !== "number" && cells.length > Math.max(2, clusters.minimum))
    choice = chooseClusters(data, { ...clusters, seed });
  const wanted = choice?.clusters ?? (typeof clusters === "number" ? clusters : clusters.minimum);
  if (!Number.isInteger(wanted) || wanted < 1)
    throw new RangeError(`The number of clusters must be a whole number of at least 1, not ${wanted}.`);
  const { assignments } = weightedKMeans(data, { clusters: Math.min(wanted, cells.length), seed });
  const groups = new Map<number, Group>();
  cells.forEach((cell, r) => {
    const group = groups.get(assignments[r]!) ?? { cells: [], count: 0, sum: new Float64Array(d) };
    groups.set(
      assignments[r]!,
      joined(group, { cells: [cell], count: release.counts[cell]!, sum: sums[r]! }),
    );
  });
  return { ...published([...groups.values()], { release, rules, changes }), choice };
}

/**
 * One Lloyd step from an aggregate over the clusters that {@link clusterMicroRelease} (or this function) returned: the
 * people are counted anew by the nearest centroid, and each centroid moves as far as its noise allows
 * ({@link shrunkSums}). The same rules of publication apply; `cells` are the previous clusters' indices.
 *
 * @throws {RangeError} on a malformed release or options outside their bounds
 */
export function refineClusters(release: NoisyRelease, options: PublicationRules): ReleasedClusters {
  const rules = checkedRules(options);
  const { cells, sums, changes } = standingCells(release, rules);
  const groups = cells.map((cell, r) => ({ cells: [cell], count: release.counts[cell]!, sum: sums[r]! }));
  return published(groups, { release, rules, changes });
}

/** Cells that belong together, their noisy count and the estimate of their sum. */
interface Group {
  readonly cells: readonly number[];
  readonly count: number;
  readonly sum: Float64Array;
}

function joined(a: Group, b: Group): Group {
  return {
    cells: [...a.cells, ...b.cells].sort((x, y) => x - y),
    count: a.count + b.count,
    sum: a.sum.map((value, i) => value + b.sum[i]!),
  };
}

/** The cells that stand out of their noise with the estimates of their sums, and why the others do not. */
function standingCells(
  release: NoisyRelease,
  { significance }: Required<PublicationRules>,
): { cells: number[]; sums: Float64Array[]; changes: ClusterChange[] } {
  checkRelease(release);
  const { directions, counts, sums, countDeviation: deviation } = release;
  const threshold = significance * deviation;
  const cells: number[] = [];
  const changes: ClusterChange[] = [];
  const suppress = (cell: number, reason: ClusterChange["reason"]): void => {
    const count = counts[cell]!;
    changes.push({ kind: "suppressed", cells: [cell], count, deviation, threshold, into: null, reason });
  };
  const isDirected = (sum: Float64Array): boolean =>
    sum.every(Number.isFinite) && sum.some((value) => value !== 0);
  counts.forEach((count, cell) => {
    const sum = sums.subarray(cell * directions.columns, (cell + 1) * directions.columns);
    if (!(count > 0 && count >= threshold && Number.isFinite(count))) suppress(cell, "below-noise");
    else if (!isDirected(sum)) suppress(cell, "no-direction");
    else cells.push(cell);
  });
  // Where neither the sums nor the directions can be believed, the estimates are zero.
  const estimates = shrunkSums(release, cells);
  const believed = cells
    .map((cell, r) => ({ cell, sum: estimates[r]! }))
    .filter(({ cell, sum }) => {
      const directed = isDirected(sum);
      if (!directed) suppress(cell, "no-direction");
      return directed;
    });
  return { cells: believed.map(({ cell }) => cell), sums: believed.map(({ sum }) => sum), changes };
}

/** A group that may not be published by itself. */
interface Failing extends Pick<ClusterChange, "reason" | "threshold"> {
  readonly group: Group;
}

/** Merges what is too small, or tells too much, upward and orders the rest by its lowest cell. */
function published(
  start: readonly Group[],
  {
    release,
    rules,
    changes,
  }: { release: NoisyRelease; rules: Required<PublicationRules>; changes: readonly ClusterChange[] },
): ReleasedClusters {
  const { significance, minimumSize, isDiverse } = rules;
  const deviationOf = ({ cells }: Group) => release.countDeviation * Math.sqrt(cells.length);
  const surely = (group: Group) => group.count - significance * deviationOf(group);
  /** The group that cannot stand by itself and goes first, or `undefined`. */
  const failing = (groups: readonly Group[]): Failing | undefined => {
    const smallest = groups.reduce((a, b) => (surely(b) < surely(a) ? b : a));
    if (surely(smallest) < minimumSize - ROUNDING) {
      const threshold = minimumSize + significance * deviationOf(smallest);
      return { group: smallest, reason: "below-minimum-size", threshold };
    }
    const telling = groups.find(({ sum }) => !isDiverse(Float32Array.from(normalised(sum)), groups.length));
    return telling && { group: telling, reason: "not-diverse", threshold: Number.POSITIVE_INFINITY };
  };
  const record = ({ group, reason, threshold }: Failing) => ({
    reason,
    cells: group.cells,
    count: group.count,
    deviation: deviationOf(group),
    threshold,
  });
  const d = release.directions.columns;
  const groups = [...start];
  const moves: { readonly failed: Failing; readonly cell: number }[] = [];
  while (groups.length > 0) {
    const failed = failing(groups);
    if (failed === undefined) break;
    const { group } = failed;
    groups.splice(groups.indexOf(group), 1);
    if (groups.length === 0)
      return nothing(d, [
        ...changes,
        ...moves.map((move) => ({ kind: "merged" as const, into: null, ...record(move.failed) })),
        { kind: "suppressed", into: null, ...record(failed) },
      ]);
    const nearest = groups.reduce((a, b) =>
      cosineOf(b.sum, group.sum) > cosineOf(a.sum, group.sum) ? b : a,
    );
    moves.push({ failed, cell: group.cells[0]! });
    groups[groups.indexOf(nearest)] = joined(nearest, group);
  }
  if (groups.length === 0) return nothing(d, changes);
  groups.sort((a, b) => a.cells[0]! - b.cells[0]!);
  return {
    centroids: matrixFromRows(groups.map(({ sum }) => normalised(sum))),
    clusters: groups.map((group) => ({
      count: group.count,
      deviation: deviationOf(group),
      concentration: Math.min(1, normOf(group.sum) / group.count),
      cells: group.cells,
    })),
    changes: [
      ...changes,
      ...moves.map(({ failed, cell }) => ({
        kind: "merged" as const,
        into: groups.findIndex(({ cells }) => cells.includes(cell)),
        ...record(failed),
      })),
    ],
  };
}

function nothing(columns: number, changes: readonly ClusterChange[]): ReleasedClusters {
  return { centroids: { rows: 0, columns, data: new Float32Array() }, clusters: [], changes };
}

function checkedRules(rules: PublicationRules): Required<PublicationRules> {
  const { significance = 3, minimumSize = 100, isDiverse = () => true } = rules;
  for (const [name, value] of Object.entries({ significance, minimumSize }))
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY))
      throw new RangeError(`${name} must be finite and at least 0, not ${value}.`);
  return { significance, minimumSize, isDiverse };
}

function normOf(vector: Float64Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}

function cosineOf(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0) / (normOf(a) * normOf(b));
}
