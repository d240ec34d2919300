/** From an operator's documents to a task that can be stored: resolved plan, public catalogue, initial model. */
import { itemFeatures } from "@kindred/encoder/features";
import { encoderLayout, trainableLayout } from "@kindred/encoder/layout";
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
import { readFeatures, readInitialWeights } from "./initial-files.ts";
import { itemDescriber } from "./item-describer.ts";

export interface NewTask {
  readonly plan: Plan;
  /** Canonical JSON, the bytes that the plan's catalogue hash names. */
  readonly catalogue: Uint8Array;
  /** Model file of round 0. */
  readonly model: Uint8Array;
  /** Manifest and segments of the items' features, where they were built beforehand. */
  readonly features: readonly Uint8Array[];
}

/** What an operator hands over. */
export interface TaskDocuments {
  /** The plan as written. */
  readonly plan: unknown;
  /** The public catalogue. */
  readonly catalogue: unknown;
  /** Bundle that `kindred catalogue build` wrote for this catalogue; without, features are hashed n-grams. */
  readonly features?: Uint8Array;
  /** Weights that `kindred model pretrain` wrote for this plan and catalogue; without, they are drawn. */
  readonly weights?: Uint8Array;
}

/**
 * Validates the documents and makes everything that follows from them.
 * @param coordinatorKey Ed25519 public key, hexadecimal
 * @throws KindredError `plan-invalid`, `catalogue-invalid` or `model-invalid`, naming field, rule and fix
 */
export function prepareTask(documents: TaskDocuments, coordinatorKey: string): NewTask {
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
  const built = readFeatures(documents.features, { catalogue, shape: input.encoder });
  const initial = readInitialWeights(documents.weights, { plan: input, catalogue, features: built });
  const plan = resolvePlan(input, {
    coordinatorKey,
    catalogueHash: catalogueHash(catalogue),
    itemCount,
    ...(built === undefined ? {} : { featuresHash: built.hash }),
    ...(initial.hash === undefined ? {} : { weightsHash: initial.hash }),
    modelLength: trainableLayout(layout, input.training).length,
  });
  const { weights } = initial;
  const features = built?.features ?? itemFeatures(catalogue.items, plan.encoder);
  const describe = itemDescriber({ plan, catalogue, features });
  const model = encodeModel({
    task: plan.task,
    round: 0,
    parent: "",
    weights,
    ...(plan.model === undefined ? {} : { compressed: true as const }),
    ...publicClusters({
      options: plan.clustering,
      seed: plan.encoder.seed,
      cells: plan.resolved.blocks[1]!.length,
      items: describe(weights),
    }),
    ...(plan.privacy.blocks.model.adaptive === undefined ? {} : { clip: initialClip(plan) }),
  });
  return {
    plan,
    catalogue: utf8ToBytes(canonicalJson(catalogue)),
    model,
    features: built?.files ?? [],
  };
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
