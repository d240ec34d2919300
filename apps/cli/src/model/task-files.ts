/** Plan, catalogue and features of a task as files, before there is a task: what model tools work on. */
import { readFeatures } from "@kindred/coordinator";
import { itemFeatures } from "@kindred/encoder/features";
import {
  type Catalogue,
  catalogueHash,
  type EncoderShape,
  type PlanInput,
  parseCatalogue,
  parsePlanInput,
  type TrainingOptions,
} from "@kindred/protocol";
import { readBytes, readDocument } from "../input-files.ts";

export interface TaskFileFlags {
  readonly plan: string;
  readonly catalogue: string;
  readonly features?: string;
}

export interface TaskFiles {
  readonly plan: PlanInput;
  readonly shape: EncoderShape;
  /** As the plan has it, but all of the encoder is trained and nothing else: adapters and other heads come with a task. */
  readonly training: TrainingOptions;
  readonly catalogue: Catalogue;
  /** items × dimension. */
  readonly features: Float32Array;
  /** Hashes as a weights file names them. */
  readonly belongsTo: { readonly catalogue: string; readonly features: string };
}

/** @throws KindredError naming the flag, or the field of plan, catalogue or features */
export async function readTaskFiles(flags: TaskFileFlags): Promise<TaskFiles> {
  const plan = parsePlanInput(await readDocument("--plan", flags.plan));
  const catalogue = parseCatalogue(await readDocument("--catalogue", flags.catalogue));
  const bundle = flags.features === undefined ? undefined : await readBytes("--features", flags.features);
  const built = readFeatures(bundle, { catalogue, shape: plan.encoder });
  const { ratings: _ratings, interests: _interests, ...training } = plan.training;
  return {
    plan,
    shape: plan.encoder,
    training: { ...training, trainable: "full" },
    catalogue,
    features: built?.features ?? itemFeatures(catalogue.items, plan.encoder),
    belongsTo: { catalogue: catalogueHash(catalogue), features: built?.hash ?? "" },
  };
}
