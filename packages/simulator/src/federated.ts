/**
 * Federated training in one process, without sockets, masks and integers: the same local training, clipping, server
 * optimiser and clustering as a round, with the noise of a *noise cohort*. It answers what a private round of
 * N people does to quality where N devices do not fit into one machine: the mean update is that of few simulated
 * devices, the noise on it that of N ("simulate few and scale the noise", as pfl-research does). It is a
 * simulation, not a private release.
 */
import {
  centroidsFromAggregate,
  type Matrix,
  normaliseRows,
  publicRandom,
  sufficientStatistics,
} from "@kindred/clustering";
import type { InterestEncoder, Sequence } from "@kindred/encoder";
import {
  blockDeviation,
  initialOptimiserState,
  type OptimiserState,
  resolvePlan,
  serverStep,
} from "@kindred/engine";
import { clipNorm, clipToNorm, l2Norm } from "@kindred/privacy";
import { type PlanInput, parsePlanInput, type VectorBlock } from "@kindred/protocol";

export interface FederatedSimulationOptions {
  /** Training, server optimiser, clipping and rounds are taken from it. */
  readonly plan: PlanInput;
  /** Created from the plan's shape and training; it holds the global weights and is trained in place. */
  readonly encoder: InterestEncoder;
  /** One sequence per person. */
  readonly sequences: readonly Sequence[];
  /** Initial centroids, k × d. */
  readonly centroids: Matrix;
  /** People simulated per round. */
  readonly cohort: number;
  /** People whose noise is on the mean; 0 = no noise. */
  readonly noiseCohort: number;
  readonly seed: number;
  readonly onRound?: (report: FederatedRoundReport) => void | Promise<void>;
}

export interface FederatedRoundReport {
  readonly round: number;
  /** Mean loss of the cohort before its update, nats, without noise. */
  readonly loss: number;
  /** Mean L2 norm of the local updates before clipping. */
  readonly updateNorm: number;
}

export interface FederatedSimulationResult {
  readonly centroids: Matrix;
  /** Deviation of the noise on each entry of a block's mean. */
  readonly deviation: Readonly<Record<Exclude<VectorBlock["name"], "clipping">, number>>;
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
    privacy: { ...plan.privacy, mechanism: "distributed-discrete-gaussian", modulusBits: 32 },
  });
}

/**
 * Runs `plan.rounds` rounds.
 * @throws KindredError `plan-invalid` if the noise cohort admits no mechanism
 */
export async function simulateFederated(
  options: FederatedSimulationOptions,
): Promise<FederatedSimulationResult> {
  const { plan, encoder, sequences, cohort } = options;
  const random = publicRandom(options.seed);
  const noise = noiseDeviations(options);
  const clip = clipNorm(plan.privacy.blocks.model.clip);
  let optimiser = initialOptimiserState(encoder.trainable.length);
  let centroids = options.centroids;
  const eligible = sequences.map((_, index) => index).filter((index) => sequences[index]!.items.length >= 2);
  for (let round = 1; round <= plan.rounds; round++) {
    const members = draw(eligible, Math.min(cohort, eligible.length), random);
    const mean = new Float64Array(encoder.trainable.length);
    const counts = new Float64Array(centroids.rows);
    const sums = new Float64Array(centroids.data.length);
    let loss = 0;
    let updateNorm = 0;
    const vectors = encoder.userVectors(members.map((index) => sequences[index]!));
    for (const [position, index] of members.entries()) {
      const result = await encoder.train({ sequences: [sequences[index]!], options: plan.training, random });
      const clipped = clipToNorm(result.delta, clip);
      updateNorm += l2Norm(result.delta) / members.length;
      loss += result.loss / members.length;
      for (let i = 0; i < mean.length; i++) mean[i]! += clipped.vector[i]! / members.length;
      const own = vectors.subarray(position * centroids.columns, (position + 1) * centroids.columns);
      const statistics = sufficientStatistics({ rows: 1, columns: centroids.columns, data: own }, centroids);
      for (let i = 0; i < counts.length; i++) counts[i]! += statistics.counts[i]! / members.length;
      for (let i = 0; i < sums.length; i++) sums[i]! += statistics.sums[i]! / members.length;
    }
    for (const [values, name] of [
      [mean, "model"],
      [counts, "counts"],
      [sums, "sums"],
    ] as const)
      addGaussian(values, noise.deviation[name], random);
    const next = step({ optimiser, mean, deviation: noise.deviation.model, plan, encoder });
    optimiser = next;
    const floor = Math.max(plan.clustering.floor, 3 * noise.deviation.counts);
    centroids = centroidsFromAggregate({ counts, sums, previous: centroids, floor }).centroids;
    await options.onRound?.({ round, loss, updateNorm });
  }
  return { centroids: normaliseRows(centroids), deviation: noise.deviation, epsilon: noise.epsilon };
}

function noiseDeviations({
  plan,
  encoder,
  noiseCohort,
}: FederatedSimulationOptions): Pick<FederatedSimulationResult, "deviation" | "epsilon"> {
  if (noiseCohort === 0) return { deviation: { model: 0, counts: 0, sums: 0, evaluation: 0 }, epsilon: null };
  const resolved = resolvePlan(noisePlan(plan, noiseCohort), {
    coordinatorKey: "0".repeat(64),
    catalogueHash: "0".repeat(64),
    itemCount: encoder.itemCount,
    modelLength: encoder.trainable.length,
  }).resolved;
  const deviation = Object.fromEntries(
    resolved.blocks.map((block) => [
      block.name,
      blockDeviation(resolved.mechanism, { block, survivors: noiseCohort }),
    ]),
  ) as FederatedSimulationResult["deviation"];
  return { deviation, epsilon: plan.privacy.epsilon };
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
  const weights = encoder.getWeights();
  for (const { offset, deltaOffset, length } of tensors)
    for (let i = 0; i < length; i++) weights[offset + i]! += update[deltaOffset + i]!;
  encoder.setWeights(weights);
  return state;
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
