/** Whether the description of a cluster would tell something sensitive about the people in it. */

import { checkShapes, type Matrix } from "./matrix.ts";
import { namingItems } from "./names.ts";
import { nearestItems } from "./nearest.ts";

/** A catalogue whose tags are public; row i of the item vectors is `items[i]`. */
interface DescribedCatalogue {
  readonly items: readonly { readonly tags: readonly string[] }[];
  /** Item vectors of norm 1, items × d. */
  readonly units: Matrix;
}

/**
 * l-diversity of a cluster's description (Machanavajjhala et al., "l-diversity", TKDD 2007, in its probabilistic form):
 * to be known to belong to a cluster must not be to be known for a sensitive category. Of the items nearest to a
 * centroid, which describe and name the cluster, at most one l-th may bear any one sensitive tag.
 *
 * @param catalogue the public items
 * @param options.sensitive tags of the sensitive categories
 * @param options.diversity l, ≥ 1
 * @returns whether a centroid, of norm 1, passes among so many clusters, which set how many items describe one (see
 *   `clusterTags`); it throws a RangeError on a mismatch of shapes
 * @throws {RangeError} when the items do not fit or l is below 1
 */
export function describesDiversely(
  { items, units }: DescribedCatalogue,
  options: {
    readonly sensitive: readonly string[];
    readonly diversity: number;
  },
): (centroid: Float32Array, clusters: number) => boolean {
  const { sensitive, diversity } = options;
  if (items.length !== units.rows)
    throw new RangeError(`${items.length} items do not fit ${units.rows} item vectors.`);
  if (!(diversity >= 1)) throw new RangeError(`l must be at least 1, not ${diversity}.`);
  const declared = new Set(sensitive);
  return (centroid, clusters) => {
    const centroids = { rows: 1, columns: centroid.length, data: centroid };
    checkShapes({ length: units.columns }, centroids);
    if (declared.size === 0) return true;
    const nearest = nearestItems(units, centroids, namingItems(units.rows, clusters))[0]!;
    const bearing = new Map<string, number>();
    for (const item of nearest)
      for (const tag of new Set(items[item]!.tags))
        if (declared.has(tag)) bearing.set(tag, (bearing.get(tag) ?? 0) + 1);
    return [...bearing.values()].every((count) => count * diversity <= nearest.length);
  };
}
