/**
 * Server optimisers over the mean client update (Reddi et al. 2021, "Adaptive Federated Optimization"), with
 * positive-part James–Stein shrinkage of a noisy mean: post-processing, so free of privacy cost.
 */
import { KindredError, type ServerOptimiserOptions } from "@kindred/protocol";

/** Moments of the server optimiser; both empty before the first round. */
export interface OptimiserState {
  /** Steps taken. */
  readonly steps: number;
  readonly firstMoment: Float64Array;
  readonly secondMoment: Float64Array;
}

export function initialOptimiserState(length: number): OptimiserState {
  return { steps: 0, firstMoment: new Float64Array(length), secondMoment: new Float64Array(length) };
}

/** A contiguous tensor within the update. */
export interface Segment {
  readonly offset: number;
  readonly length: number;
}

/**
 * Factor in [0, 1] that shrinks a noisy tensor towards zero: max(0, 1 − (n − 2)·σ²/‖u‖²) (James & Stein 1961,
 * positive part). Without noise it is 1.
 * @param deviation σ of the noise on each entry
 */
export function jamesSteinFactor(values: Float64Array, deviation: number): number {
  if (deviation === 0 || values.length < 3) return 1;
  let square = 0;
  for (const value of values) square += value * value;
  if (square === 0) return 0;
  return Math.max(0, 1 - ((values.length - 2) * deviation * deviation) / square);
}

/** Learning rate of a step: linear warm-up, then constant or half a cosine to zero at `rounds`. */
export function scheduledRate(
  options: ServerOptimiserOptions,
  { step, rounds }: { step: number; rounds: number },
): number {
  const { learningRate, warmupRounds, schedule } = options;
  if (step <= warmupRounds) return (learningRate * step) / warmupRounds;
  if (schedule === "constant") return learningRate;
  const progress = (step - warmupRounds - 1) / Math.max(1, rounds - warmupRounds);
  return (learningRate * (1 + Math.cos(Math.PI * Math.min(1, progress)))) / 2;
}

interface StepInput {
  /** Mean update Δ over the cohort, after decoding. */
  readonly mean: Float64Array;
  /** σ of the noise on each entry of the mean. */
  readonly deviation: number;
  /** Tensors of the update, for shrinkage. */
  readonly segments: readonly Segment[];
  readonly options: ServerOptimiserOptions;
  /** Rounds of the plan, for the schedule. */
  readonly rounds: number;
}

/**
 * One server step.
 * @returns the step to add to the trainable weights, and the next state
 * @throws KindredError `model-invalid` if the mean is not finite or has another length than the state
 */
export function serverStep(
  state: OptimiserState,
  { mean, deviation, segments, options, rounds }: StepInput,
): { step: Float64Array; state: OptimiserState } {
  if (mean.length !== state.firstMoment.length || !mean.every(Number.isFinite))
    throw new KindredError({
      code: "model-invalid",
      field: "update",
      rule: `must be ${state.firstMoment.length} finite values`,
      fix: "discard the round; the model stays as it was",
    });
  const steps = state.steps + 1;
  const rate = scheduledRate(options, { step: steps, rounds });
  const shrink = shrinkageFactors({ mean, deviation, segments, options });
  const first = new Float64Array(mean.length);
  const second = new Float64Array(mean.length);
  const step = new Float64Array(mean.length);
  const { momentum, beta1, beta2, adaptivity } = options;
  const correction1 = 1 - beta1 ** steps;
  const correction2 = 1 - beta2 ** steps;
  for (let i = 0; i < mean.length; i++) {
    const update = mean[i]!;
    switch (options.optimiser) {
      case "fedavg":
        step[i] = rate * shrink[i]! * update;
        break;
      case "fedavgm":
        first[i] = momentum * state.firstMoment[i]! + shrink[i]! * update;
        step[i] = rate * first[i]!;
        break;
      case "fedadam":
        // The moments see the plain update and the *step* is shrunk: Adam divides any factor on the update away.
        first[i] = beta1 * state.firstMoment[i]! + (1 - beta1) * update;
        second[i] = beta2 * state.secondMoment[i]! + (1 - beta2) * update * update;
        step[i] =
          (rate * shrink[i]! * (first[i]! / correction1)) /
          (Math.sqrt(second[i]! / correction2) + adaptivity);
        break;
    }
  }
  return { step, state: { steps, firstMoment: first, secondMoment: second } };
}

function shrinkageFactors({ mean, deviation, segments, options }: Omit<StepInput, "rounds">): Float64Array {
  const factors = new Float64Array(mean.length).fill(1);
  if (options.shrinkage === "none" || deviation === 0) return factors;
  for (const { offset, length } of segments) {
    factors.fill(
      jamesSteinFactor(mean.subarray(offset, offset + length), deviation),
      offset,
      offset + length,
    );
  }
  return factors;
}
