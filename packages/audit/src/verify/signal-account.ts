/**
 * What a released signal says about itself, held to the ledger: whose sum it is and how much noise is on it follow from
 * the survivors of the rounds that collected it, the plan's noise, and what was carried on since the last roll-back
 * (PROTOCOL.md, section 8). What a sum was of the counts cannot be followed: those below the noise are not published.
 */
import { blockDeviation, type CarriedCounts, carriedOn, countDeviation, signalBlocks } from "@kindred/engine";
import { type Plan, SIGNALS, type SignalName } from "@kindred/protocol";
import type { ModelVersion } from "./task-account.ts";

/** What a model file says of a signal. */
export interface SignalClaim {
  /** Round that it says collected it. */
  readonly round: number;
  readonly people: number;
  /** Deviation of the noise on each count, in people. */
  readonly deviation: number;
  /** What rows and columns stand for: counted items, or identities of fine clusters. */
  readonly counted: Uint32Array;
}

export type SignalClaims = { readonly [name in SignalName]?: SignalClaim };

/** What is wrong, and what it would have to be. */
export interface Finding {
  readonly found: string;
  readonly expected: string;
}

/** People of a sum and the noise on it; the counts themselves are nothing to an auditor. */
type Sum = CarriedCounts;

/** Relative difference that floating point of different engines may cause. */
const ROUNDING = 1e-9;

const NO_COUNTS = new Float32Array();

/** Follows the signals of one task from release to release, in the order of the ledger. */
export class SignalAccount {
  readonly #plan: Plan;
  /** Entries of the roll-backs, at each of which sums begin anew. */
  readonly #rollBacks: readonly number[];
  #entry = 0;
  /** Sums so far. */
  #carried: { [name in SignalName]?: Sum } = {};
  /** What the sums would be if all rounds had collected this signal: the most that they can be. */
  #most: { [name in SignalName]?: Sum } = {};
  /** Signals of which a file that is not there may hold a sum. */
  readonly #uncertain = new Set<SignalName>();

  constructor(plan: Plan, rollBacks: readonly { readonly entry: number }[]) {
    this.#plan = plan;
    this.#rollBacks = rollBacks.map(({ entry }) => entry);
  }

  /**
   * Takes in one more release.
   * @param claims what its model file says; undefined where there is none to go by
   * @returns what does not follow from the ledger
   */
  follow(version: ModelVersion, claims: SignalClaims | undefined): Finding | undefined {
    this.#forget(version.entry);
    if (version.survivors === null) return undefined; // the initial model, in which there can be none
    const wrong: (Finding | undefined)[] = [];
    for (const name of SIGNALS) {
      if (this.#plan.signals?.[name] === undefined) continue;
      const own = this.#ownSum(name, version.survivors, version.kept);
      const claim = claims?.[name];
      const most = carriedOn(this.#most[name], { latest: own, carry: 1 });
      if (claims === undefined) this.#uncertain.add(name);
      else if (claim?.round === version.round) wrong.push(this.#released(name, { claim, own, most }));
      this.#most[name] = most;
    }
    return wrong.find((finding) => finding !== undefined);
  }

  /** A roll-back gives up what was carried on with the model. */
  #forget(entry: number): void {
    if (this.#rollBacks.some((rollBack) => rollBack > this.#entry && rollBack < entry)) {
      this.#carried = {};
      this.#most = {};
      this.#uncertain.clear();
    }
    this.#entry = entry;
  }

  /** The sum of one round by itself. */
  #ownSum(name: SignalName, survivors: number, kept: number): Sum {
    const block = signalBlocks(this.#plan, name)[0]!; // the signal's own comes first
    const ofMean = blockDeviation(this.#plan.resolved.mechanism, { block, survivors, kept });
    const deviation = countDeviation(this.#plan, { signal: name, people: survivors, ofMean });
    return { sums: NO_COUNTS, people: survivors, deviation, counted: new Uint32Array() };
  }

  #released(
    name: SignalName,
    { claim, own, most }: { readonly claim: SignalClaim; readonly own: Sum; readonly most: Sum },
  ): Finding | undefined {
    const carry = this.#plan.signals?.[name]?.carry ?? 0;
    const latest = { ...own, counted: claim.counted };
    if (carry > 0 && this.#uncertain.delete(name)) {
      this.#carried[name] = { ...latest, people: claim.people, deviation: claim.deviation };
      return outside(name, claim, { least: own, most });
    }
    const due = carry > 0 ? carriedOn(this.#carried[name], { latest, carry }) : latest;
    this.#carried[name] = due;
    return outside(name, claim, { least: due, most: due });
  }
}

function outside(
  name: SignalName,
  claim: SignalClaim,
  { least, most }: { readonly least: Sum; readonly most: Sum },
): Finding | undefined {
  const holds = (value: number, from: number, to: number) =>
    value >= from * (1 - ROUNDING) && value <= to * (1 + ROUNDING);
  if (
    holds(claim.people, least.people, most.people) &&
    holds(claim.deviation, least.deviation, most.deviation)
  )
    return undefined;
  const text = ({ people, deviation }: Pick<Sum, "people" | "deviation">) =>
    `${people} people with noise of deviation ${deviation}`;
  return {
    found: `${name} of ${text(claim)}`,
    expected:
      least === most
        ? `${text(least)}, by the survivors and the plan's noise`
        : `between ${text(least)} and ${text(most)}, by the survivors and the plan's noise`,
  };
}
