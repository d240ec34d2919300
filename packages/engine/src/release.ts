/** From the plain sum of a cohort to the next model version. All of it is post-processing of the noisy sum. */
import {
  compressWeights,
  KindredError,
  type Model,
  type Plan,
  type PlanInput,
  type SignalName,
} from "@kindred/protocol";
import { type ClippingRecord, nextClip } from "./adaptive-clip.ts";
import type { DescribedItems } from "./cluster-description.ts";
import { releaseClusters } from "./cluster-release.ts";
import { type HeldOutResult, heldOutEntries, heldOutRecord } from "./held-out.ts";
import { type Contribution, decodeAggregate, decodeSignal, type MeanContribution } from "./pipeline.ts";
import { type OptimiserState, type Segment, serverStep } from "./server-optimiser.ts";
import { contentOfRound } from "./signals/round-content.ts";
import { releaseSignal } from "./signals/signal-release.ts";
import type { ReleaseFigures } from "./task-state.ts";

/** A trained tensor: where it stands in the flat delta and in the flat weights. */
export interface TrainedSegment {
  readonly offset: number;
  readonly deltaOffset: number;
  readonly length: number;
}

export interface ReleaseInput {
  readonly plan: Plan;
  /** Session id of the round, 32 bytes. */
  readonly sid: Uint8Array;
  readonly round: number;
  readonly survivors: number;
  /** Survivors whose surplus noise could not be removed; 0 by default. */
  readonly kept?: number;
  /** Sum of the survivors' encoded vectors modulo 2^b, without masks. */
  readonly sum: Uint32Array;
  readonly parent: Model;
  readonly parentHash: string;
  readonly optimiser: OptimiserState;
  readonly segments: readonly TrainedSegment[];
  /** The public items under given weights, by which clusters are seeded, described and named. */
  readonly describe: (weights: Float32Array) => DescribedItems;
}

export interface ReleaseOutput extends ReleaseFigures {
  readonly model: Model;
  readonly optimiser: OptimiserState;
}

/** What a release says of its round, without the model and the state that are stored apart. */
export function releaseFigures({ model: _, optimiser: __, ...figures }: ReleaseOutput): ReleaseFigures {
  return figures;
}

/** Losses are reported as a share of this bound, a quarter above the loss of a uniform guess, and clipped there. */
export function lossBound(itemCount: number): number {
  return 1.25 * Math.log(itemCount);
}

/**
 * The evaluation block of one contribution.
 * @param found.heldOut where the plan holds an interaction out and this device has one
 */
export function evaluationBlock(
  found: { readonly loss: number; readonly silhouette: number; readonly heldOut?: HeldOutResult | undefined },
  plan: Plan,
): Contribution["evaluation"] {
  const clamp = (value: number): number => Math.max(-1, Math.min(1, value));
  const bound = lossBound(plan.resolved.itemCount);
  return [
    clamp(found.loss / bound),
    clamp(found.silhouette),
    ...heldOutEntries(plan, { result: found.heldOut, lossBound: bound }),
  ];
}

/**
 * Decodes the sum. A round that trains takes the server optimiser's step and makes the clusters ({@link releaseClusters});
 * one that collects a signal adds it to the model, which else stays as it was.
 * @throws KindredError `model-invalid` if the step leaves a weight that is not finite in 32 bits
 */
export function computeRelease(input: ReleaseInput): ReleaseOutput {
  const content = contentOfRound(input.plan, { round: input.round, model: input.parent });
  return content === "training" ? trainingRelease(input) : signalRelease(input, content);
}

function signalRelease(input: ReleaseInput, signal: SignalName): ReleaseOutput {
  const { plan, sid, round, survivors, parent } = input;
  const mean = decodeSignal(input.sum, { plan, sid, survivors, kept: input.kept, signal });
  const clipping = clippingOf(plan, { norm: parent.clip, fraction: mean.withinClip });
  const { signals, outcome, carried } = releaseSignal({
    ...{ plan, parent, signal, mean, round, people: survivors },
    carried: input.optimiser.carried,
  });
  return {
    model: {
      ...parent,
      round,
      parent: input.parentHash,
      clustering: { ...parent.clustering, events: [], changes: [] },
      signals,
      ...(clipping === undefined ? {} : { clip: clipping.next }),
    },
    optimiser: carried === undefined ? input.optimiser : { ...input.optimiser, carried },
    ...evaluationOf(plan, mean),
    clusters: null,
    signal: outcome,
    ...(clipping === undefined ? {} : { clipping }),
  };
}

/** The cohort's mean loss and silhouette with the model that it was sent, and what it held out. */
function evaluationOf(
  plan: Plan,
  {
    evaluation,
    deviation,
  }: Pick<MeanContribution, "evaluation"> & { readonly deviation: { readonly evaluation: number } },
): Pick<ReleaseOutput, "loss" | "lossDeviation" | "silhouette" | "heldOut"> {
  const bound = lossBound(plan.resolved.itemCount);
  const heldOut = heldOutRecord(evaluation.subarray(2), {
    plan,
    deviation: deviation.evaluation,
    lossBound: bound,
  });
  return {
    ...(heldOut === undefined ? {} : { heldOut }),
    loss: evaluation[0]! * bound,
    lossDeviation: deviation.evaluation * bound,
    silhouette: evaluation[1]!,
  };
}

function trainingRelease(input: ReleaseInput): ReleaseOutput {
  const { plan, sid, survivors, parent } = input;
  const { carried } = input.optimiser;
  const mean = decodeAggregate(input.sum, { plan, sid, survivors, clip: parent.clip, kept: input.kept });
  const clipping = clippingOf(plan, { norm: parent.clip, fraction: mean.withinClip });
  const { step, state } = serverStep(input.optimiser, {
    mean: mean.model,
    deviation: mean.deviation.model,
    segments: input.segments.map(({ deltaOffset, length }): Segment => ({ offset: deltaOffset, length })),
    options: plan.server,
    rounds: plan.rounds,
  });
  const exact = Float32Array.from(parent.weights);
  input.optimiser.residual?.forEach((missing, i) => {
    exact[i]! += missing;
  });
  for (const { offset, deltaOffset, length } of input.segments) {
    for (let i = 0; i < length; i++) exact[offset + i]! += step[deltaOffset + i]!;
  }
  if (!exact.every(Number.isFinite))
    throw new KindredError({
      code: "model-invalid",
      field: "model.weights",
      rule: "must be finite after the server's step",
      fix: "lower server.learningRate; the model stays as it was",
    });
  const { weights, residual } = downloadable(exact, plan);
  const { released, outcome } = releaseClusters({
    options: plan.clustering,
    seed: plan.encoder.seed,
    cells: plan.resolved.blocks[1]!.length,
    parent,
    mean,
    people: survivors,
    items: input.describe(weights),
  });
  return {
    model: {
      task: parent.task,
      round: input.round,
      parent: input.parentHash,
      weights,
      ...(residual === undefined ? {} : { compressed: true as const }),
      ...released,
      ...(parent.signals === undefined ? {} : { signals: parent.signals }),
      ...(clipping === undefined ? {} : { clip: clipping.next }),
    },
    optimiser: { ...state, ...(residual && { residual }), ...(carried && { carried }) },
    ...evaluationOf(plan, mean),
    clusters: outcome,
    ...(clipping === undefined ? {} : { clipping }),
  };
}

/**
 * The weights that devices get, from which all of them start alike, and what these lack, which goes into the next release
 * (error feedback: Seide et al. 2014; Stich et al. 2018), so that steps smaller than a level add up.
 */
export function downloadable(
  exact: Float32Array,
  { model }: Pick<PlanInput, "model">,
): { readonly weights: Float32Array; readonly residual?: Float32Array } {
  if (model === undefined) return { weights: exact };
  const weights = compressWeights(exact, model.download);
  return { weights, residual: exact.map((value, i) => value - weights[i]!) };
}

function clippingOf(
  plan: Plan,
  { norm, fraction }: { norm: number | undefined; fraction: number | undefined },
): ClippingRecord | undefined {
  const { adaptive } = plan.privacy.blocks.model;
  if (adaptive === undefined || norm === undefined || fraction === undefined) return undefined;
  return { norm, fraction, next: nextClip(adaptive, { norm, fraction }) };
}
