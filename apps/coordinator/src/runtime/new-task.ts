/** From an operator's documents to a task that can be stored: resolved plan, public catalogue, initial model. */
import { itemFeatures } from "@kindred/encoder/features";
import { encoderLayout, initialWeights, trainableLayout } from "@kindred/encoder/layout";
import { initialClip, publicClusters, resolvePlan } from "@kindred/engine";
import {
  type Catalogue,
  canonicalJson,
  catalogueHash,
  encodeModel,
  KindredError,
  type Plan,
  parseCatalogue,
  parsePlanInput,
  utf8ToBytes,
} from "@kindred/protocol";
import { itemDescriber } from "./item-describer.ts";

export interface NewTask {
  readonly plan: Plan;
  /** Canonical JSON, the bytes that the plan's catalogue hash names. */
  readonly catalogue: Uint8Array;
  /** Model file of round 0. */
  readonly model: Uint8Array;
}

/**
 * Validates the documents and makes everything that follows from them.
 * @param coordinatorKey Ed25519 public key, hexadecimal
 * @throws KindredError `plan-invalid` or `catalogue-invalid`, naming field, rule and fix
 */
export function prepareTask(
  documents: { readonly plan: unknown; readonly catalogue: unknown },
  coordinatorKey: string,
): NewTask {
  const input = parsePlanInput(documents.plan);
  const catalogue = parseCatalogue(documents.catalogue);
  const itemCount = catalogue.items.length;
  const { clusters } = input.clustering;
  if (clusters > itemCount)
    throw new KindredError({
      code: "plan-invalid",
      field: "plan.clustering.clusters",
      rule: `must not exceed the catalogue's ${itemCount} items`,
      fix: "ask for fewer clusters",
    });
  checkSensitive(input.clustering.sensitive, catalogue);
  const layout = encoderLayout(input.encoder, itemCount, input.training);
  const plan = resolvePlan(input, {
    coordinatorKey,
    catalogueHash: catalogueHash(catalogue),
    itemCount,
    modelLength: trainableLayout(layout, input.training).length,
  });
  const weights = initialWeights(plan.encoder, itemCount, plan.training);
  const describe = itemDescriber({ plan, catalogue, features: itemFeatures(catalogue.items, plan.encoder) });
  const model = encodeModel({
    task: plan.task,
    round: 0,
    parent: "",
    weights,
    ...publicClusters({
      options: plan.clustering,
      seed: plan.encoder.seed,
      cells: plan.resolved.blocks[1]!.length,
      items: describe(weights),
    }),
    ...(plan.privacy.blocks.model.adaptive === undefined ? {} : { clip: initialClip(plan) }),
  });
  return { plan, catalogue: utf8ToBytes(canonicalJson(catalogue)), model };
}

/** A tag that no item bears protects nobody: it is misspelt, or of another catalogue. */
function checkSensitive(sensitive: readonly string[], catalogue: Catalogue): void {
  const borne = new Set(catalogue.items.flatMap(({ tags }) => tags));
  const unknown = sensitive.findIndex((tag) => !borne.has(tag));
  if (unknown >= 0)
    throw new KindredError({
      code: "plan-invalid",
      field: `plan.clustering.sensitive[${unknown}]`,
      rule: `must be a tag of the catalogue, found "${sensitive[unknown]}"`,
      fix: "write it exactly as the items' tags have it",
    });
}
