/** Stable identities: cluster 12 of one version is cluster 12 of the next, and what became of the others is recorded. */

import { optimalAssignment } from "./assignment.ts";
import { distance, preparedRows } from "./geometry.ts";
import type { Matrix } from "./matrix.ts";

/** Names of a version's clusters that outlive their positions. */
export interface ClusterIdentities {
  /** Row of the centroids → identity; all different. */
  readonly ids: readonly number[];
  /** The next identity to be given; larger than any ever given, so that a dead one does not come back. */
  readonly nextId: number;
}

/** What happened to identities between two versions. */
export type ClusterEvent =
  /** A cluster with no near relative in the version before. */
  | { readonly kind: "birth"; readonly id: number }
  /** A cluster with no near relative in the version after. */
  | { readonly kind: "death"; readonly id: number }
  /** Identities of the version before whose place is now taken by one; `into` is among `from`. */
  | { readonly kind: "merge"; readonly from: readonly number[]; readonly into: number }
  /** Identities of the version after in the place of one before; `from` is among `into`. */
  | { readonly kind: "split"; readonly from: number; readonly into: readonly number[] };

export interface MatchedClusters extends ClusterIdentities {
  /** Row → cosine to the centroid that bore this identity before; `null` where the identity is new. */
  readonly similarities: readonly (number | null)[];
  /** Merges, splits, deaths, births, each in ascending order of identity. */
  readonly events: readonly ClusterEvent[];
}

/** The identities of a first version: 0 to `clusters` − 1. */
export function firstIdentities(clusters: number): ClusterIdentities {
  return { ids: Array.from({ length: clusters }, (_, id) => id), nextId: clusters };
}

/** Cosine from which two centroids of neighbouring versions may be the same cluster. */
const THRESHOLD = 0.8;

/**
 * Carries identities over to a new version. Of all one-to-one pairings the one with the largest total similarity above
 * the threshold is taken (optimal assignment), so the order of the rows and the order of the matching play no part.
 * What finds no partner has merged into, or split from, its nearest centroid of the other version when that is within
 * the threshold too; otherwise it has died or been born.
 *
 * @param previous identities and centroids (k × d) of the version before
 * @param centroids k' × d of the new version; rows of both are normalised here
 * @param threshold cosine in (−1, 1], default .8
 * @throws {RangeError} on a mismatch of shapes, a value that is not finite or a threshold outside its bounds
 */
export function matchClusters(
  previous: ClusterIdentities & { readonly centroids: Matrix },
  centroids: Matrix,
  threshold = THRESHOLD,
): MatchedClusters {
  if (!(threshold > -1 && threshold <= 1))
    throw new RangeError(`The threshold must be a cosine in (−1, 1], not ${threshold}.`);
  checkVersions(previous, centroids);
  const before = preparedRows(previous.centroids, "cosine");
  const after = preparedRows(centroids, "cosine");
  const similarity = before.map((a) => after.map((b) => 1 - distance(a, b, "cosine")));
  // float32 centroids that have not moved at all may show a cosine a hair under 1.
  const within = (cosine: number) => cosine >= threshold - 1e-6;
  // A pair at the threshold itself still gains a little over no pair.
  const cost = Float64Array.from(
    similarity.flatMap((row) =>
      row.map((cosine) => (within(cosine) ? -(Math.max(0, cosine - threshold) + 1e-9) : 0)),
    ),
  );
  const columnOf = optimalAssignment(cost, { rows: before.length, columns: after.length });
  const rowOfColumn = new Int32Array(after.length).fill(-1);
  columnOf.forEach((column, row) => {
    if (column >= 0 && within(similarity[row]![column]!)) rowOfColumn[column] = row;
  });
  let { nextId } = previous;
  const ids = Array.from(rowOfColumn, (row) => (row >= 0 ? previous.ids[row]! : nextId++));
  const similarities = Array.from(rowOfColumn, (row, column) =>
    row >= 0 ? similarity[row]![column]! : null,
  );

  const merges = new Map<number, number[]>();
  const splits = new Map<number, number[]>();
  const deaths: number[] = [];
  const births: number[] = [];
  const kept = new Set(rowOfColumn);
  before.forEach((_, row) => {
    if (kept.has(row)) return;
    const id = previous.ids[row]!;
    const nearest = indexOfLargest(similarity[row]!);
    if (nearest < 0 || !within(similarity[row]![nearest]!)) deaths.push(id);
    else append(merges, { key: ids[nearest]!, value: id });
  });
  rowOfColumn.forEach((partner, column) => {
    if (partner >= 0) return;
    const cosines = similarity.map((row) => row[column]!);
    const nearest = indexOfLargest(cosines);
    if (nearest < 0 || !within(cosines[nearest]!)) births.push(ids[column]!);
    else append(splits, { key: previous.ids[nearest]!, value: ids[column]! });
  });
  const ascending = (values: readonly number[]) => values.slice().sort((a, b) => a - b);
  const groups = (of: Map<number, number[]>) =>
    ascending([...of.keys()]).map((id) => ({ id, all: ascending([id, ...of.get(id)!]) }));
  return {
    ids,
    nextId,
    similarities,
    events: [
      ...groups(merges).map(({ id, all }) => ({ kind: "merge" as const, from: all, into: id })),
      ...groups(splits).map(({ id, all }) => ({ kind: "split" as const, from: id, into: all })),
      ...ascending(deaths).map((id) => ({ kind: "death" as const, id })),
      ...ascending(births).map((id) => ({ kind: "birth" as const, id })),
    ],
  };
}

function checkVersions(
  { ids, nextId, centroids }: ClusterIdentities & { readonly centroids: Matrix },
  next: Matrix,
): void {
  if (ids.length !== centroids.rows)
    throw new RangeError(`${ids.length} identities do not fit ${centroids.rows} centroids.`);
  if (new Set(ids).size !== ids.length || ids.some((id) => !(id < nextId)))
    throw new RangeError("Identities must differ from each other and be below the next one.");
  if (centroids.columns !== next.columns)
    throw new RangeError(`Centroids of dimension ${centroids.columns} meet those of ${next.columns}.`);
}

function indexOfLargest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (best < 0 || value > values[best]! ? i : best), -1);
}

function append(to: Map<number, number[]>, { key, value }: { key: number; value: number }): void {
  const list = to.get(key);
  if (list) list.push(value);
  else to.set(key, [value]);
}
