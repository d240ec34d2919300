/**
 * Server optimisers over the mean client update Δ, with positive-part James–Stein shrinkage of a noisy mean:
 * post-processing, so free of privacy cost.
 *
 * - FedAvg: x ← x + ηΔ.
 * - FedAvgM (Hsu, Qi & Brown 2019, equation 2): m ← βm + Δ, x ← x + ηm.
 * - FedAdam (Reddi et al. 2021, "Adaptive Federated Optimization", Algorithm 2): m ← β₁m + (1 − β₁)Δ,
 *   v ← β₂v + (1 − β₂)Δ², x ← x + ηm / (√v + τ).
 *
 * Divergence from Reddi et al.: the moments start at 0 and are corrected for it, m / (1 − β₁ᵗ) and v / (1 − β₂ᵗ), as in
 * Adam (Kingma & Ba 2015); the paper starts v at τ² or more and corrects nothing, which makes early steps small.
 * FedAvg is shrunk by the update, FedAvgM before it enters the momentum, FedAdam by the step.
 */
import { KindredError, type ServerOptimiserOptions } from "@kindred/protocol";
import type { CarriedSignals } from "./signals/carried-signals.ts";

/** Moments of the server optimiser; both empty before the first round. */
export interface OptimiserState {
  /** Steps taken. */
  readonly steps: number;
  readonly firstMoment: Float64Array;
  readonly secondMoment: Float64Array;
  /**
   * What the weights of the last model lack of the exact ones, in their order; there only where devices download compressed
   * ones.
   */
  readonly residual?: Float32Array;
  /** What a further round adds its counts to; there only where a plan has `carry` for a signal. */
  readonly carried?: CarriedSignals;
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

/**
 * Learning rate of a step, from 1: linear warm-up, then constant or half a cosine that begins at the full rate and would
 * reach zero one step after `rounds`, so that no round trains for nothing.
 */
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
 * One server step. Steps count released rounds: a failed round moves neither moments nor schedule.
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
