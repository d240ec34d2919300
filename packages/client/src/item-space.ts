/** The public items under one model, and whether the model's names are the catalogue's. */
import { type Matrix, nearestItems, normaliseRows } from "@kindred/clustering";
import { type Catalogue, KindredError, type Model } from "@kindred/protocol";
import type { EncoderRuntime } from "./encoder-runtime.ts";
import { centroidMatrix } from "./interests.ts";
import type { LoadedModel } from "./task-source.ts";

/** Vectors of the items under one model. */
export interface ItemSpace {
  /** Content hash of the model. */
  readonly hash: string;
  /** Rows of norm 1, items × d. */
  readonly units: Matrix;
  /** Fine cluster of each item, by the nearest centroid. */
  readonly clusterOf: Int32Array;
}

/** @throws KindredError `model-invalid` where the weights give an item a vector that is not finite */
export async function itemSpace(
  encoder: Pick<EncoderRuntime, "itemVectors">,
  { hash, model }: Pick<LoadedModel, "hash" | "model">,
): Promise<ItemSpace> {
  const data = await encoder.itemVectors({ hash, weights: model.weights });
  if (!data.every(Number.isFinite))
    throw new KindredError({
      code: "model-invalid",
      field: "model.weights",
      rule: "must give every item a finite vector",
      fix: "ask the operator to roll the task back to an earlier model",
    });
  const centroids = centroidMatrix(model);
  const { columns } = centroids;
  const units = normaliseRows({ rows: data.length / columns, columns, data });
  const clusterOf = Int32Array.from(nearestItems(centroids, units, 1), ([nearest]) => nearest!);
  return { hash, units, clusterOf };
}

/**
 * Names are shown to people, so a coordinator may only use words that the catalogue has.
 * @throws KindredError `model-invalid`
 */
export function checkNames({ clustering }: Pick<Model, "clustering">, { items }: Catalogue): void {
  const named = new Set(clustering.layers.flatMap(({ names }) => names.flat()));
  for (const { tags } of items) for (const tag of tags) named.delete(tag);
  if (named.size > 0)
    throw new KindredError({
      code: "model-invalid",
      field: "model.clustering.layers",
      rule: "must name clusters by tags of the catalogue",
      fix: "publish a model of this task",
    });
}
