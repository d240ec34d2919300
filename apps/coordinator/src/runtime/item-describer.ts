/** The public items as clusters are seeded, described and named by them: their vectors under given weights, and tags. */
import { normaliseRows } from "@kindred/clustering";
import { itemVectors } from "@kindred/encoder/features";
import type { DescribedItems } from "@kindred/engine";
import type { Catalogue, Plan } from "@kindred/protocol";

/** @param features text vectors of the catalogue, items × d, as `itemFeatures` gives them */
export function itemDescriber({
  plan,
  catalogue: { items },
  features,
}: {
  readonly plan: Pick<Plan, "encoder" | "training">;
  readonly catalogue: Pick<Catalogue, "items">;
  readonly features: Float32Array;
}): (weights: Float32Array) => DescribedItems {
  const { encoder: shape, training } = plan;
  return (weights) => {
    const data = itemVectors(weights, { features, shape, training });
    return { items, units: normaliseRows({ rows: items.length, columns: shape.dimension, data }) };
  };
}
