/** From a person's interactions to the contribution of one round. */
import { type Matrix, simplifiedSilhouette, sufficientStatistics } from "@kindred/clustering";
import { type Sequence, seededRandom } from "@kindred/encoder";
import {
  type Contribution,
  checkSignals,
  clipOf,
  contentOfRound,
  countedItems,
  countInterests,
  encodeContribution,
  evaluationBlock,
  popularityCounts,
  type RoundContent,
  signalBlocks,
  transitionCounts,
} from "@kindred/engine";
import { AesCtrRandom, type KeystreamFactory } from "@kindred/privacy";
import { KindredError, type Model, type Plan, weightsHash } from "@kindred/protocol";
import type { EncoderRuntime } from "./encoder-runtime.ts";
import { evaluateHeldOut } from "./held-out-evaluation.ts";
import { prefix } from "./interest-history.ts";
import { centroidMatrix } from "./interests.ts";
import { type PersonalVectors, personalVectors } from "./personal-vectors.ts";
import type { LoadedModel } from "./task-source.ts";

/** A contribution whose numbers can be overwritten. */
export interface WipeableContribution extends Contribution {
  readonly model: Float32Array;
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly evaluation: Float64Array;
  /** Clip norm of the model block in the round whose model it was made from. */
  readonly clip: number;
  /** What the round carries. */
  readonly content: RoundContent;
  /** The signal's block, in a round that collects one; empty otherwise. */
  readonly signal: Float64Array;
}

/** @throws KindredError `model-invalid` if the model does not have the plan's clusters, dimension and first weights */
export function checkModelShape(loaded: LoadedModel, plan: Plan): void {
  const { model } = loaded;
  const { dimension } = plan.encoder;
  const { weightsHash: initial } = plan.resolved;
  const most = plan.clustering.clusters;
  const refuse = (field: string, rule: string): never => {
    throw new KindredError({ code: "model-invalid", field, rule, fix: "publish a model of this task" });
  };
  if (model.clusters > most || model.centroids.length !== model.clusters * dimension)
    refuse("model.centroids", `must be at most ${most} × ${dimension} as the plan says`);
  if (model.round === 0 && initial !== undefined && weightsHash(model.weights) !== initial)
    refuse("model.weights", "must be the pre-trained weights that the plan names");
  const cells = plan.resolved.blocks[1]!.length;
  if (model.cells.length > cells * dimension)
    refuse("model.cells", `must be at most ${cells} × ${dimension} as the plan says`);
  const signals = checkSignals(plan, model);
  if (!signals.ok) throw new KindredError(signals.rejection);
}

/**
 * Trains from the round's model and computes the cluster statistics.
 *
 * Taking part must not depend on what a person did, or a cohort's membership would tell about it. So a device with
 * fewer than two known interactions contributes no model update, and one with none contributes zeros throughout;
 * noise and masks are added to all alike. Means over a cohort (the loss too) are pulled towards zero by such
 * devices, which nobody can tell from others. For the same reason a device whose training fails contributes zeros:
 * a coordinator could choose a model on which it fails for those who know a certain item.
 *
 * With `evaluation` in the plan the last interaction is kept out of the training, and the model is judged by it.
 * In a round that collects a signal the training is for the evaluation only, and its update stays on the device.
 * @throws KindredError `model-invalid` if the model does not have the plan's shape, or a clip norm or signals that the
 *   plan does not allow, whoever the person is
 */
export async function computeContribution(options: {
  readonly plan: Plan;
  readonly loaded: LoadedModel;
  readonly round: number;
  readonly sequence: Sequence;
  readonly encoder: EncoderRuntime;
  readonly random: (length: number) => Uint8Array;
}): Promise<WipeableContribution> {
  const { plan, loaded, round, sequence } = options;
  checkModelShape(loaded, plan);
  const clip = clipOf(plan, loaded.model);
  if (!clip.ok) throw new KindredError(clip.rejection);
  const { model } = loaded;
  const carried = { clip: clip.value, content: contentOfRound(plan, { round, model }) };
  if (sequence.items.length === 0) return noContribution(plan, carried);
  try {
    return { ...(await personalContribution(options, carried.content)), ...carried };
  } catch {
    return noContribution(plan, carried);
  }
}

type Carried = Pick<WipeableContribution, "clip" | "content">;

function noContribution(plan: Plan, carried: Carried): WipeableContribution {
  const { resolved } = plan;
  const [model, counts, sums, evaluation] = resolved.blocks.map(({ length }) => length);
  const { content } = carried;
  return {
    signal: new Float64Array(content === "training" ? 0 : signalBlocks(plan, content)[0]!.length),
    model: new Float32Array(model!),
    counts: new Float64Array(counts!),
    sums: new Float64Array(sums!),
    evaluation: new Float64Array(evaluation!),
    ...carried,
  };
}

async function personalContribution(
  { plan, loaded, sequence, encoder, random }: Parameters<typeof computeContribution>[0],
  content: RoundContent,
): Promise<Omit<WipeableContribution, keyof Carried>> {
  const centroids = centroidMatrix(loaded.model);
  const weights = { hash: loaded.hash, weights: loaded.model.weights };
  const modelLength = plan.resolved.blocks[0]!.length;
  const vector = await encoder.userVectors(weights, [sequence]);
  const own = await personalVectors({
    userVectors: (sequences) => encoder.userVectors(weights, sequences),
    items: async () => itemMatrix(await encoder.itemVectors(weights), plan),
    maximum: plan.clustering.interests,
    sequence,
  });
  const held = plan.evaluation !== undefined;
  const heldOut = held ? await evaluateHeldOut(sequence, { plan, loaded, encoder }) : undefined;
  const learned = held ? prefix(sequence, sequence.items.length - 1) : sequence;
  const trained =
    learned.items.length < 2
      ? { delta: new Float32Array(modelLength), loss: 0 }
      : await encoder.train(weights, { sequence: learned, random: trainingRandom(random) });
  const statistics = countInterests(loaded.model, own);
  const silhouette = simplifiedSilhouette(vector, centroids);
  const signal = signalCounts(content, { plan, model: loaded.model, sequence, own });
  vector.fill(0);
  own.vectors.data.fill(0);
  return {
    signal,
    model: trained.delta,
    counts: padded(statistics.counts, plan.resolved.blocks[1]!.length),
    sums: padded(statistics.sums, plan.resolved.blocks[2]!.length),
    evaluation: Float64Array.from(
      evaluationBlock({ loss: trained.loss, silhouette, heldOut }, plan) as number[],
    ),
  };
}

/** What this person adds to the signal of the round; empty in a round that trains. */
function signalCounts(
  content: RoundContent,
  {
    plan,
    model,
    sequence: { items },
    own,
  }: { plan: Plan; model: Model; sequence: Sequence; own: PersonalVectors },
): Float64Array {
  if (content === "training") return new Float64Array();
  if (content === "transitions") {
    const { window } = plan.signals!.transitions!;
    return transitionCounts(items, { counted: countedItems(plan, model), window });
  }
  const { itemCount } = plan.resolved;
  const rows = signalBlocks(plan, content)[0]!.length / itemCount;
  const shares = sufficientStatistics(own.vectors, centroidMatrix(model), own.weights).counts;
  return popularityCounts(items, { itemCount, rows, shares });
}

function itemMatrix(data: Float32Array, { encoder, resolved }: Plan): Matrix {
  return { rows: resolved.itemCount, columns: encoder.dimension, data };
}

/** The values at the beginning of a block of the joint vector; the originals are overwritten. */
function padded(values: Float64Array, length: number): Float64Array {
  const block = new Float64Array(length);
  block.set(values);
  values.fill(0);
  return block;
}

/** Dropout, shuffling and negatives need no secrecy: one secure draw seeds a small generator. */
export function trainingRandom(random: (length: number) => Uint8Array): () => number {
  const bytes = random(4);
  return seededRandom(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
}

/** Overwrites a contribution that is not needed any more. */
export function wipeContribution({ model, counts, sums, evaluation, signal }: WipeableContribution): void {
  for (const values of [model, counts, sums, evaluation, signal]) values.fill(0);
}

/**
 * The contribution as integers modulo 2^b with this device's share of the noise, ready for masking; the contribution
 * itself is overwritten.
 * @param options.sid session id of the round, 32 bytes
 */
export function quantise(
  contribution: WipeableContribution,
  options: {
    readonly plan: Plan;
    readonly sid: Uint8Array;
    readonly random: (length: number) => Uint8Array;
    readonly keystream: KeystreamFactory | undefined;
  },
): Uint32Array {
  const { plan, sid, random, keystream } = options;
  const seed = random(32);
  const noise = new AesCtrRandom(seed, keystream === undefined ? {} : { keystream });
  try {
    const { clip, content } = contribution;
    return encodeContribution(contribution, { plan, sid, random: noise, clip, content });
  } finally {
    seed.fill(0);
    noise.wipe();
    wipeContribution(contribution);
  }
}
