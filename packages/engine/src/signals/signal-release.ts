/** From the noisy sum of a round that collected a signal to what the model file keeps of it. Free post-processing. */
import type {
  MechanismParameters,
  Model,
  ModelSignals,
  Plan,
  ReleasedSignal,
  SignalName,
} from "@kindred/protocol";
import type { MeanSignal } from "../pipeline.ts";
import { type CarriedCounts, type CarriedSignals, carriedOn } from "./carried-signals.ts";
import { signalBlocks } from "./round-content.ts";
import { countedItems } from "./signal-matrix.ts";

/** What a round did to its signal. */
export interface SignalOutcome {
  readonly signal: SignalName;
  /** Entries of its block that stood out of the noise, and are published. */
  readonly kept: number;
  /** Entries of its block. */
  readonly entries: number;
  /** Deviation of the noise on each published count. */
  readonly deviation: number;
}

/**
 * The signals of the model version after `parent`: those it has, with what the round collected in place of the older
 * release, to which it is added as far as the plan carries that on.
 *
 * @param options.carried what earlier rounds collected, where the plan has `carry`
 * @returns `carried` for the next release; as it was where the plan carries nothing of this signal
 */
export function releaseSignal(options: {
  readonly plan: Plan;
  readonly parent: Pick<Model, "signals" | "clustering">;
  readonly signal: SignalName;
  readonly mean: Pick<MeanSignal, "signal" | "deviation">;
  readonly round: number;
  /** How many people the means are over. */
  readonly people: number;
  readonly carried?: CarriedSignals | undefined;
}): {
  readonly signals: ModelSignals;
  readonly carried: CarriedSignals | undefined;
  readonly outcome: SignalOutcome;
} {
  const { plan, parent, signal, mean, round, carried } = options;
  const { significance, carry = 0 } = plan.signals![signal]!;
  const latest: CarriedCounts = {
    sums: Float32Array.from(mean.signal, (value) => value * options.people),
    people: options.people,
    deviation: countDeviation(plan, { signal, people: options.people, ofMean: mean.deviation.signal }),
    counted: countedBy(plan, { signal, parent }),
  };
  const all = carry > 0 ? carriedOn(carried?.[signal], { latest, carry }) : latest;
  const { people, deviation, counted } = all;
  const released = { round, people, deviation, ...standingOut(all.sums, significance * deviation) };
  return {
    signals: {
      ...parent.signals,
      ...(signal === "transitions"
        ? { transitions: { ...released, items: counted } }
        : { popularity: { ...released, clusters: [...counted] } }),
    },
    carried: carry > 0 ? { ...carried, [signal]: all } : carried,
    outcome: { signal, kept: released.entries.length, entries: all.sums.length, deviation },
  };
}

/**
 * What rows and columns of a round's counts stand for: the counted items, or the identities of the fine clusters that have
 * rows of their own, after everybody's.
 * @param options.parent the model that the round starts from
 */
export function countedBy(
  plan: Plan,
  { signal, parent }: { readonly signal: SignalName; readonly parent: Pick<Model, "signals" | "clustering"> },
): Uint32Array {
  if (signal === "transitions") return countedItems(plan, parent);
  const rows = signalBlocks(plan, signal)[0]!.length / plan.resolved.itemCount;
  return Uint32Array.from(parent.clustering.layers.at(-1)!.ids.slice(0, rows - 1));
}

/**
 * Standard deviation of the noise on a count, in people: what devices add, and what rounding leaves.
 * @param options.ofMean that of the noise on an entry of the block's mean, as `blockDeviation` gives it
 */
export function countDeviation(
  plan: Plan,
  {
    signal,
    people,
    ofMean,
  }: { readonly signal: SignalName; readonly people: number; readonly ofMean: number },
): number {
  const { clip, weight } = signalBlocks(plan, signal)[0]!;
  const rounding = roundingDeviation(plan.resolved.mechanism, { people, unit: clip / weight });
  return Math.hypot(ofMean * people, rounding);
}

/**
 * Deviation that rounding leaves on an entry of the sum: each person rounds each coordinate at random to a neighbouring
 * integer, with a variance of at most 1/4, and the rotation keeps it.
 */
function roundingDeviation(
  { scale }: MechanismParameters,
  { people, unit }: { readonly people: number; readonly unit: number },
): number {
  return (Math.sqrt(people / 4) / scale) * unit;
}

/** The entries of at least that size, above 0 as counts are. */
function standingOut(sums: Float32Array, least: number): Pick<ReleasedSignal, "entries" | "counts"> {
  const kept: number[] = [];
  for (const [entry, sum] of sums.entries()) if (sum > 0 && sum >= least) kept.push(entry);
  return { entries: Uint32Array.from(kept), counts: Float32Array.from(kept, (entry) => sums[entry]!) };
}
