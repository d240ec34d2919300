/**
 * Federated training in one process, without sockets, masks and integers: the same local training, clipping, server
 * optimiser and clustering as a round, with the noise of a *noise cohort*. It answers what a private round of
 * N people does to quality where N devices do not fit into one machine: the mean update is that of few simulated
 * devices, the noise on it that of N ("simulate few and scale the noise", as pfl-research does). It is a
 * simulation, not a private release.
 */

import { personalVectors } from "@kindred/client";
import { normaliseRows, publicRandom } from "@kindred/clustering";
import type { InterestEncoder, Sequence } from "@kindred/encoder";
import {
  blockDeviation,
  type ClusterModel,
  type ClusterOutcome,
  countInterests,
  type DescribedItems,
  downloadable,
  type HeldOutRecord,
  initialOptimiserState,
  type OptimiserState,
  planMechanism,
  publicClusters,
  releaseClusters,
  resolvePlan,
  serverStep,
} from "@kindred/engine";
import { l2Norm, type Mechanism } from "@kindred/privacy";
import {
  type PlanInput,
  parsePlanInput,
  type ResolvedPlan,
  SIGNALS,
  type VectorBlock,
} from "@kindred/protocol";
import { HeldOutJudge } from "./held-out-judge.ts";

export interface FederatedSimulationOptions {
  /**
   * Training, server optimiser, clipping and rounds are taken from it. Rounds that collect a signal leave model and
   * clusters as they are; the signal itself is not made ({@link simulateSignals}).
   */
  readonly plan: PlanInput;
  /** Created from the plan's shape and training; it holds the global weights and is trained in place. */
  readonly encoder: InterestEncoder;
  /** One sequence per person. */
  readonly sequences: readonly Sequence[];
  /** The public items, in the order of item indices. */
  readonly items: DescribedItems["items"];
  /** People simulated per round. */
  readonly cohort: number;
  /** People whose noise is on the mean; 0 = no noise. */
  readonly noiseCohort: number;
  /** Devices of each cohort that have no data and contribute zeros, as they do in a round; 0 by default. */
  readonly idle?: number;
  /**
   * Noise that is really added, and that the server reckons with, as a share of the deviation that the plan promises; 1 by
   * default. For attacks.
   */
  readonly noiseShare?: number;
  /**
   * The first round that counts people into clusters, 1 by default. Clusters cost a simulated device as much as its training;
   * a run that wants those of its last models only begins them late. The noise is that of the whole plan.
   */
  readonly clusterFrom?: number;
  readonly seed: number;
  readonly onRound?: (report: FederatedRoundReport) => void | Promise<void>;
}

export interface FederatedRoundReport {
  readonly round: number;
  /** Mean loss of the cohort before its update, nats, without noise. */
  readonly loss: number;
  /**
   * How well the model of the round, before its update, foresaw what the cohort held out, with the noise of the noise
   * cohort, as the record of a round has it. Only of a plan with `evaluation`, whose devices train on all but that.
   */
  readonly heldOut?: HeldOutRecord | undefined;
  /** Mean L2 norm of the local updates before clipping. */
  readonly updateNorm: number;
}

export interface FederatedSimulationResult {
  /** As in a model file. */
  readonly clusters: ClusterModel;
  /** What each round did to the clusters. */
  readonly outcomes: readonly ClusterOutcome[];
  /** Deviation of the noise on each entry of a block's mean. */
  readonly deviation: Readonly<Record<Exclude<VectorBlock["name"], "clipping">, number>>;
  /** The joint vector: numbers of a round that trains, those that every round sends, and bits of each for the noise cohort. */
  readonly vector: { readonly length: number; readonly padded: number; readonly bits: number };
  /** ε against the coordinator that the noise cohort's mechanism gives over `participation.maximum` rounds; `null` without noise. */
  readonly epsilon: number | null;
}

/** The plan with its cohort replaced by the noise cohort, everything else alike. */
function noisePlan(plan: PlanInput, noiseCohort: number): PlanInput {
  const target = noiseCohort;
  return parsePlanInput({
    ...plan,
    cohort: {
      ...plan.cohort,
      minimum: Math.ceil(target * 0.9),
      target,
      maximum: Math.ceil(target * 1.1),
      minSurvivors: Math.ceil(target * 0.8),
    },
    privacy: { ...plan.privacy, mechanism: "distributed-discrete-gaussian", modulusBits: "auto" },
  });
}

/**
 * Runs `plan.rounds` rounds.
 * @throws KindredError `plan-invalid` if the noise cohort admits no mechanism
 */
export async function simulateFederated(
  options: FederatedSimulationOptions,
): Promise<FederatedSimulationResult> {
  const { plan, encoder, sequences, cohort, clusterFrom = 1 } = options;
  const random = publicRandom(options.seed);
  const evaluating = plan.evaluation !== undefined;
  const noise = noiseDeviations(options);
  const { clip } = plan.privacy.blocks.model;
  let optimiser = initialOptimiserState(encoder.trainable.length);
  const clustering = { options: plan.clustering, seed: plan.encoder.seed, cells: noise.cells };
  let clusters = publicClusters({ ...clustering, items: describedItems(options) });
  const outcomes: ClusterOutcome[] = [];
  let seeded = false;
  const eligible = sequences.map((_, index) => index).filter((index) => sequences[index]!.items.length >= 2);
  for (let round = 1; round <= plan.rounds; round++) {
    const members = draw(eligible, Math.min(cohort, eligible.length), random);
    const devices = members.length + (options.idle ?? 0);
    const mean = new Float64Array(encoder.trainable.length);
    const training = !collectsSignal(plan, round);
    const counting = training && round >= clusterFrom;
    const counts = new Float64Array(noise.cells);
    const sums = new Float64Array(noise.cells * plan.encoder.dimension);
    const items = counting || evaluating ? describedItems(options) : undefined;
    // The micro-clusters are public cells of the item space as it is when counting begins.
    if (items !== undefined && counting && !seeded) {
      clusters = publicClusters({ ...clustering, items });
      seeded = true;
    }
    const judge = items && evaluating ? new HeldOutJudge({ plan, encoder, clusters, ...items }) : undefined;
    const heldOut = new Float64Array(judge?.length ?? 0);
    let loss = 0;
    let updateNorm = 0;
    for (const index of members) {
      const sequence = sequences[index]!;
      if (judge !== undefined) addScaled(heldOut, judge.entries(sequence), 1 / devices);
      const learned = evaluating ? allButLast(sequence) : sequence;
      if (learned.items.length >= 2) {
        const result = await encoder.train({ sequences: [learned], options: plan.training, random });
        const norm = l2Norm(result.delta);
        updateNorm += norm / members.length;
        loss += result.loss / members.length;
        addScaled(mean, result.delta, Math.min(1, clip / norm) / devices);
      }
      if (items === undefined || !counting) continue;
      const statistics = await countedInterests(sequence, { encoder, plan, items, clusters });
      addScaled(counts, statistics.counts, 1 / devices);
      addScaled(sums, statistics.sums, 1 / devices);
    }
    if (training) {
      addGaussian(mean, noise.deviation.model, random);
      optimiser = step({ optimiser, mean, deviation: noise.deviation.model, plan, encoder });
    }
    if (counting) {
      addGaussian(counts, noise.deviation.counts, random);
      addGaussian(sums, noise.deviation.sums, random);
      const { released, outcome } = releaseClusters({
        ...clustering,
        parent: clusters,
        mean: { counts, sums, deviation: noise.deviation },
        people: options.noiseCohort || devices,
        items: describedItems(options),
      });
      clusters = released;
      outcomes.push(outcome);
    }
    addGaussian(heldOut, noise.deviation.evaluation, random);
    const record = judge?.record(heldOut, noise.deviation.evaluation);
    await options.onRound?.({ round, loss, updateNorm, ...(record && { heldOut: record }) });
  }
  const { deviation, epsilon, vector } = noise;
  return { clusters, outcomes, deviation, epsilon, vector };
}

/** Whether a round collects a signal in place of training: no round fails here, so each that the plan names does. */
function collectsSignal({ signals }: PlanInput, round: number): boolean {
  return SIGNALS.some((name) => signals?.[name]?.rounds.includes(round));
}

/** What a device trains on that holds its last interaction out. */
function allButLast({ items, actions, times, ratings }: Sequence): Sequence {
  const cut = (values: ArrayLike<number>): number[] => Array.prototype.slice.call(values, 0, -1);
  return {
    items: cut(items),
    actions: cut(actions),
    times: cut(times),
    ...(ratings === undefined ? {} : { ratings: cut(ratings) }),
  };
}

/** target += factor · values. On its own, because a loop between two awaits is not optimised: it took a third of the time. */
function addScaled(target: Float64Array, values: ArrayLike<number>, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * values[i]!;
}

/** What one device counts into the clusters. */
async function countedInterests(
  sequence: Sequence,
  {
    encoder,
    plan,
    items,
    clusters,
  }: Pick<FederatedSimulationOptions, "encoder" | "plan"> & { items: DescribedItems; clusters: ClusterModel },
) {
  const own = await personalVectors({
    userVectors: async (own) => encoder.userVectors(own),
    items: async () => items.units,
    maximum: plan.clustering.interests,
    sequence,
  });
  return countInterests(clusters, own);
}

function describedItems({
  encoder,
  items,
}: Pick<FederatedSimulationOptions, "encoder" | "items">): DescribedItems {
  const units = normaliseRows({
    rows: encoder.itemCount,
    columns: encoder.shape.dimension,
    data: encoder.itemVectors(),
  });
  return { items, units };
}

/** What the plan resolves to for the noise cohort, or without noise where that is 0. */
function resolvedPlan({
  plan,
  encoder,
  noiseCohort,
}: Pick<FederatedSimulationOptions, "plan" | "encoder" | "noiseCohort">): ResolvedPlan {
  const input =
    noiseCohort > 0
      ? noisePlan(plan, noiseCohort)
      : parsePlanInput({ ...plan, privacy: { ...plan.privacy, mechanism: "none", modulusBits: "auto" } });
  const { resolved } = resolvePlan(input, {
    coordinatorKey: "0".repeat(64),
    catalogueHash: "0".repeat(64),
    itemCount: encoder.itemCount,
    modelLength: encoder.trainable.length,
  });
  return resolved;
}

/**
 * The mechanism whose noise a simulation bears, for what it costs together with others.
 * @throws KindredError `plan-invalid` if the noise cohort admits none
 */
export function simulatedMechanism(
  options: Pick<FederatedSimulationOptions, "plan" | "encoder" | "noiseCohort">,
): Mechanism {
  return planMechanism(resolvedPlan(options).mechanism);
}

function noiseDeviations(options: FederatedSimulationOptions): Pick<
  FederatedSimulationResult,
  "deviation" | "epsilon" | "vector"
> & {
  cells: number;
} {
  const { plan, noiseCohort, noiseShare = 1 } = options;
  const noisy = noiseCohort > 0;
  const resolved = resolvedPlan(options);
  const deviation = Object.fromEntries(
    resolved.blocks.map((block) => [
      block.name,
      noisy ? noiseShare * blockDeviation(resolved.mechanism, { block, survivors: noiseCohort }) : 0,
    ]),
  ) as FederatedSimulationResult["deviation"];
  const { paddedLength: padded, modulusBits: bits } = resolved.mechanism;
  const length = resolved.blocks.reduce((sum, block) => sum + block.length, 0);
  const vector = { length, padded, bits };
  return {
    deviation,
    vector,
    epsilon: noisy ? plan.privacy.epsilon : null,
    cells: resolved.blocks[1]!.length,
  };
}

/** Takes the server's step on the encoder's weights. */
function step(input: {
  optimiser: OptimiserState;
  mean: Float64Array;
  deviation: number;
  plan: PlanInput;
  encoder: InterestEncoder;
}): OptimiserState {
  const { encoder, plan } = input;
  const { tensors } = encoder.trainable;
  const { step: update, state } = serverStep(input.optimiser, {
    mean: input.mean,
    deviation: input.deviation,
    segments: tensors.map(({ deltaOffset, length }) => ({ offset: deltaOffset, length })),
    options: plan.server,
    rounds: plan.rounds,
  });
  const exact = encoder.getWeights();
  input.optimiser.residual?.forEach((missing, i) => {
    exact[i]! += missing;
  });
  for (const { offset, deltaOffset, length } of tensors)
    for (let i = 0; i < length; i++) exact[offset + i]! += update[deltaOffset + i]!;
  const { weights, residual } = downloadable(exact, plan);
  encoder.setWeights(weights);
  return residual === undefined ? state : { ...state, residual };
}

/** A uniform sample without replacement. */
function draw(from: readonly number[], count: number, random: () => number): number[] {
  const order = [...from];
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random() * (order.length - i));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order.slice(0, count);
}

/** Adds Gaussian noise by Box and Muller (1958). Simulation only: a release uses the exact discrete sampler. */
function addGaussian(values: Float64Array, deviation: number, random: () => number): void {
  if (deviation === 0) return;
  for (let i = 0; i < values.length; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    values[i]! += deviation * radius * Math.cos(2 * Math.PI * random());
  }
}
