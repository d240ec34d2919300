/** What a plan promises and costs, by the functions that the round itself uses. */
import {
  accountDevices,
  blockDeviation,
  type CarriedCounts,
  carriedOn,
  countDeviation,
  heldOutLength,
  planMechanism,
  resolvePlan,
  signalBlocks,
} from "@kindred/engine";
import {
  type AccountedEpsilon,
  delta,
  largestLocalDeviation,
  type Mechanism,
  modulusCost,
  noiseOvershoot,
  planGuarantees,
  planTruePositiveRate,
  wrapProbability,
} from "@kindred/privacy";
import { type Plan, packedLength, SIGNALS, type SignalName } from "@kindred/protocol";
import { EVALUATION_LENGTH, namingFlags, type PlanQuestion } from "./options.ts";

/** Share of people who did not take part that the attacker of the plain sentence accuses. */
const FALSE_POSITIVE_RATE = 0.01;

/** Components of the design that a plan does not have and is compared with: the default of plans. */
const COMPARED_LEVELS = 4;

/** Keys and hashes that a plan has once a coordinator accepts it; nothing here depends on them. */
const UNRESOLVED = "0".repeat(64);

/** One block of the mean that a round releases, at the plan's fewest survivors. */
export interface BlockFigures {
  readonly name: string;
  readonly length: number;
  /** Largest L2 norm of one person's block. */
  readonly clip: number;
  /** Share of the joint norm; the squares sum to 1. */
  readonly weight: number;
  /** Standard deviation of the noise on one entry of the mean. */
  readonly deviation: number;
  /** ‖mean‖/‖noise‖ when all updates agree and have the clip norm: the most that can be expected. */
  readonly signalToNoise: number;
}

/** What the evaluation block holds, and what it costs. */
export interface EvaluationFigures {
  readonly entries: number;
  /** Of them, those of held-out interactions; 0 of a plan that holds nothing out. */
  readonly heldOut: number;
  /** Deviation of the noise on every other block over what it would be without this one, at the same ε. */
  readonly costOthers: number;
  /** Deviation of the noise on loss and silhouette over what it would be without held-out interactions. */
  readonly costLoss: number;
}

/** A signal that rounds of their own collect: counts of people, summed over a cohort. */
export interface SignalFigures {
  readonly name: SignalName;
  /** Rounds that the plan names for it. */
  readonly rounds: readonly number[];
  /** Counts of its block. */
  readonly entries: number;
  /** Largest L2 norm of one person's counts. */
  readonly clip: number;
  /** Standard deviation of the noise on a count in people, at the fewest survivors and at the whole cohort. */
  readonly deviation: { readonly fewest: number; readonly cohort: number };
  /** A count is kept from so many deviations on. */
  readonly significance: number;
  /** So many people must have done it for that, each counting whole, in expectation. */
  readonly keptFrom: { readonly fewest: number; readonly cohort: number };
  /**
   * So many different things one person may have done for each to count whole: the square of the clip norm; half of it where
   * popularity is also counted by clusters, among which a person's shares, of sum 1, have a norm of 1 at the most.
   */
  readonly whole: number;
  /** The sum over all its rounds; only where the plan carries it on and names several. */
  readonly carried?: CarriedFigures;
}

/** What a carried sum is after all rounds that the plan names for it, if none fails and all count the same. */
export interface CarriedFigures {
  readonly rounds: number;
  /** Whose sum it is; those carried by a share by that share. */
  readonly people: { readonly fewest: number; readonly cohort: number };
  /** Standard deviation of the noise on a count, in people. */
  readonly deviation: { readonly fewest: number; readonly cohort: number };
  /** The same for each person in the sum. */
  readonly perPerson: { readonly fewest: number; readonly cohort: number };
  readonly keptFrom: { readonly fewest: number; readonly cohort: number };
}

/** Noise in the sum of a round over the noise that the guarantee counts on, in deviations, by noise design. */
export interface OvershootFigures {
  readonly survivors: number;
  readonly worstCase: number;
  readonly addThenRemove: number;
}

/** ε of the person who takes part whenever the plan lets them, after a number of rounds. */
export interface RoundFigures {
  readonly round: number;
  readonly participations: number;
  readonly coordinator: AccountedEpsilon;
  readonly observer: AccountedEpsilon;
}

/** Everything that `kindred privacy plan` says; the JSON is this, unrounded. */
export interface PlanFigures {
  readonly schema: "kindred.privacy-plan/1";
  readonly promised: { readonly epsilon: number; readonly delta: number };
  /** c: devices of one person, all of which the noise covers. */
  readonly devices: number;
  readonly rounds: number;
  readonly participations: number;
  readonly minimumSeparation: number;
  readonly cohort: {
    readonly maximum: number;
    readonly minSurvivors: number;
    readonly corruption: number;
    /** Survivors whose noise is counted on. */
    readonly honest: number;
  };
  /** z: guaranteed deviation of the noise of the sum, over the joint clip norm. */
  readonly noiseMultiplier: number;
  /** σ of one device's noise that always stays, an integer in quantised units. */
  readonly localDeviation: number;
  readonly noise: {
    readonly design: "worst-case" | "add-then-remove";
    /** Components that are removed once so many survive; none in the worst-case design. */
    readonly surplus: readonly { readonly survivors: number; readonly deviation: number }[];
    /** At the fewest survivors, at the whole cohort, and half-way between them. */
    readonly overshoot: readonly OvershootFigures[];
  };
  /** Quantised units per unit of the joint vector. */
  readonly scale: number;
  readonly modulusBits: number;
  /** Entries of a round that trains. */
  readonly length: number;
  /** Entries that every round sends: those of the longest one. */
  readonly paddedLength: number;
  /** Bytes of one masked vector. */
  readonly bytesPerClient: number;
  /** Probability that a coordinate wraps, and expected number of them in a round, at the whole cohort. */
  readonly overflow: { readonly coordinate: number; readonly perRound: number };
  /** What rounding costs: with noise, the share by which it makes the noise larger (`modulusCost`). */
  readonly rounding: number;
  readonly blocks: readonly BlockFigures[];
  readonly evaluation: EvaluationFigures;
  /** In the order in which they are first due; none where the plan collects none. */
  readonly signals: readonly SignalFigures[];
  /** Over all rounds. */
  readonly guarantees: { readonly coordinator: AccountedEpsilon; readonly observer: AccountedEpsilon };
  /** Share of participants found by an attacker who accuses one in a hundred who did not take part. */
  readonly detection: { readonly falsePositiveRate: number; readonly truePositiveRate: number };
  readonly byRound: readonly RoundFigures[];
}

/**
 * Resolves the plan as a coordinator would and reads everything from it.
 * @throws KindredError naming flag or field when no mechanism fits
 */
export function planFigures(question: PlanQuestion): PlanFigures {
  const { input, itemCount, modelLength } = question;
  const plan = namingFlags(() =>
    resolvePlan(input, {
      coordinatorKey: UNRESOLVED,
      catalogueHash: UNRESOLVED,
      itemCount,
      modelLength,
    }),
  );
  const { resolved, cohort, privacy, participation } = plan;
  const devices = accountDevices(plan);
  const mechanism = planMechanism(resolved.mechanism);
  const { modulusBits, paddedLength, scale, localDeviation } = mechanism;
  const byRound = roundFigures(plan, { mechanism, devices });
  const coordinate = wrapProbability({
    modulusBits,
    cohort: cohort.maximum,
    dimension: paddedLength,
    localDeviation: largestLocalDeviation(mechanism, cohort.maximum),
    scale,
  });
  const last = byRound[byRound.length - 1]!; // a plan has at least one round
  return {
    schema: "kindred.privacy-plan/1",
    promised: { epsilon: privacy.epsilon, delta: privacy.delta },
    devices,
    rounds: plan.rounds,
    participations: participation.maximum,
    minimumSeparation: participation.minimumSeparation,
    cohort: {
      maximum: cohort.maximum,
      minSurvivors: cohort.minSurvivors,
      corruption: cohort.corruption,
      honest: mechanism.honest,
    },
    noiseMultiplier: mechanism.noiseMultiplier,
    localDeviation,
    noise: {
      design: privacy.noise?.design ?? "worst-case",
      surplus: (mechanism.surplus ?? []).map(({ survivors, deviation }) => ({ survivors, deviation })),
      overshoot: overshootFigures(question),
    },
    scale,
    modulusBits,
    length: resolved.blocks.reduce((total, block) => total + block.length, 0),
    paddedLength,
    bytesPerClient: packedLength(paddedLength, modulusBits),
    overflow: { coordinate, perRound: coordinate * paddedLength },
    rounding: modulusCost(mechanism, cohort.maximum).rounding,
    blocks: resolved.blocks.map((block) => {
      const deviation = blockDeviation(resolved.mechanism, { block, survivors: cohort.minSurvivors });
      const signalToNoise = block.clip / (deviation * Math.sqrt(block.length));
      return { ...block, deviation, signalToNoise };
    }),
    evaluation: evaluationFigures(plan),
    signals: signalFigures(plan),
    guarantees: { coordinator: last.coordinator, observer: last.observer },
    detection: {
      falsePositiveRate: FALSE_POSITIVE_RATE,
      truePositiveRate: planTruePositiveRate(mechanism, {
        participations: last.participations,
        devices,
        falsePositiveRate: FALSE_POSITIVE_RATE,
      }),
    },
    byRound,
  };
}

/**
 * The squares of the blocks' weights sum to 1, and the noise on a block is in inverse proportion to its weight: without the
 * evaluation block, of weight a, the others' would be larger by 1 / √(1 − a²). Its clip norm is the root of its length.
 */
function evaluationFigures(plan: Plan): EvaluationFigures {
  const { length, weight } = plan.resolved.blocks.find(({ name }) => name === "evaluation")!; // every plan has it
  return {
    entries: length,
    heldOut: heldOutLength(plan),
    costOthers: 1 / Math.sqrt(1 - weight ** 2),
    costLoss: Math.sqrt(length / EVALUATION_LENGTH),
  };
}

/** What the rounds of signals collect, and how many people a count takes. */
function signalFigures(plan: Plan): SignalFigures[] {
  const { resolved, cohort, signals } = plan;
  const figures = SIGNALS.flatMap((name): SignalFigures[] => {
    const options = signals?.[name];
    if (options === undefined) return [];
    const block = signalBlocks(plan, name)[0]!; // the signal's own comes first
    const at = (survivors: number): number =>
      countDeviation(plan, {
        signal: name,
        people: survivors,
        ofMean: blockDeviation(resolved.mechanism, { block, survivors }),
      });
    const { significance, carry = 0, rounds } = options;
    const isByCluster = name === "popularity" && block.length > resolved.itemCount;
    const deviation = { fewest: at(cohort.minSurvivors), cohort: at(cohort.maximum) };
    const least = (noise: number): number => Math.max(1, Math.ceil(significance * noise));
    const after = (survivors: number) =>
      carriedSum({ people: survivors, deviation: at(survivors) }, { carry, rounds });
    const [fewest, all] = [after(cohort.minSurvivors), after(cohort.maximum)];
    const carried: CarriedFigures = {
      rounds: rounds.length,
      people: { fewest: fewest.people, cohort: all.people },
      deviation: { fewest: fewest.deviation, cohort: all.deviation },
      perPerson: { fewest: fewest.deviation / fewest.people, cohort: all.deviation / all.people },
      keptFrom: { fewest: least(fewest.deviation), cohort: least(all.deviation) },
    };
    return [
      {
        name,
        rounds,
        entries: block.length,
        clip: block.clip,
        deviation,
        significance,
        keptFrom: { fewest: least(deviation.fewest), cohort: least(deviation.cohort) },
        whole: Math.floor(block.clip ** 2 / (isByCluster ? 2 : 1)),
        ...(carry > 0 && rounds.length > 1 ? { carried } : {}),
      },
    ];
  });
  return figures.sort((a, b) => Math.min(...a.rounds) - Math.min(...b.rounds));
}

/** The sum of a signal after all its rounds, each like the first: only its people and its noise. */
function carriedSum(
  one: Pick<CarriedCounts, "people" | "deviation">,
  { carry, rounds }: { readonly carry: number; readonly rounds: readonly number[] },
): Pick<CarriedCounts, "people" | "deviation"> {
  const latest = { ...one, sums: new Float32Array(), counted: new Uint32Array() };
  return (
    rounds.reduce<CarriedCounts | undefined>((sum) => carriedOn(sum, { latest, carry }), undefined) ?? one
  );
}

/** Both noise designs for the same question; none without noise. */
function overshootFigures({ input, itemCount, modelLength }: PlanQuestion): OvershootFigures[] {
  const { privacy, cohort } = input;
  if (privacy.mechanism === "none") return [];
  const of = (noise: NonNullable<typeof privacy.noise>): Mechanism => {
    const context = { coordinatorKey: UNRESOLVED, catalogueHash: UNRESOLVED, itemCount, modelLength };
    return planMechanism(
      resolvePlan({ ...input, privacy: { ...privacy, noise } }, context).resolved.mechanism,
    );
  };
  const levels = privacy.noise?.design === "add-then-remove" ? privacy.noise.levels : COMPARED_LEVELS;
  const worstCase = of({ design: "worst-case" });
  const addThenRemove = of({ design: "add-then-remove", levels });
  const { minSurvivors, maximum } = cohort;
  const counts = new Set([minSurvivors, Math.round((minSurvivors + maximum) / 2), maximum]);
  return [...counts].map((survivors) => ({
    survivors,
    worstCase: noiseOvershoot(worstCase, { survivors }),
    addThenRemove: noiseOvershoot(addThenRemove, { survivors }),
  }));
}

/** Both epsilons round by round, for a person who takes part as early and as often as the plan lets them. */
function roundFigures(
  { rounds, participation, privacy }: Plan,
  { mechanism, devices }: { mechanism: Mechanism; devices: number },
): RoundFigures[] {
  const known = new Map<number, Pick<RoundFigures, "coordinator" | "observer">>();
  return Array.from({ length: rounds }, (_, i) => {
    const round = i + 1;
    const participations = Math.min(
      participation.maximum,
      Math.ceil(round / participation.minimumSeparation),
    );
    const guarantees =
      known.get(participations) ??
      planGuarantees(mechanism, { participations, releases: round, devices, delta: delta(privacy.delta) });
    known.set(participations, guarantees);
    return { round, participations, ...guarantees };
  });
}
