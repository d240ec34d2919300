/** From what an operator wrote to the plan that clients are shown, and the checks a client makes of it. */
import { microClusterCount } from "@kindred/clustering";
import {
  calibrateMechanism,
  coordinatorEpsilon,
  delta,
  epsilon,
  isFrugal,
  MAXIMUM_DEVIATION,
  MAXIMUM_SCALE,
  type Mechanism,
  MINIMUM_DEVIATION,
  mechanismWithoutNoise,
  modulusCost,
  noiseMultiplier,
  paddedLength,
  ROUNDING_BETA,
  ROUNDING_SHARE,
  roundedSensitivity,
  WRAP_BOUND,
} from "@kindred/privacy";
import {
  accepted,
  hexToBytes,
  KindredError,
  type MechanismParameters,
  type Plan,
  type PlanInput,
  planSigningText,
  type Result,
  rejected,
  SIGNALS,
  type SignalBlock,
  type SignedPlan,
  utf8ToBytes,
  type VectorBlock,
} from "@kindred/protocol";
import { heldOutLength } from "./held-out.ts";
import { blockDeviation } from "./pipeline.ts";
import { checkSignalOrder, lengthOf, longestLayout, signalLayouts } from "./signals/signal-layout.ts";

/** The entry that says whether an update was within the clip norm is +1/2 or −1/2. */
const CLIPPING_BOUND = 0.5;

/** Loss and silhouette; held-out interactions add theirs. Each entry of the evaluation block lies within [−1, 1]. */
const EVALUATION_LENGTH = 2;

/** What a plan is resolved against. */
export interface PlanContext {
  /** Ed25519 public key of the coordinator, 64 hexadecimal digits. */
  readonly coordinatorKey: string;
  readonly catalogueHash: string;
  readonly itemCount: number;
  /** Content hash of the items' features, where they were built beforehand. */
  readonly featuresHash?: string;
  /** SHA-256 of the initial weights, where they were pre-trained. */
  readonly weightsHash?: string;
  /** Number of trainable weights. */
  readonly modelLength: number;
}

/**
 * The blocks of the joint vector with weights normalised to Σ a² = 1.
 * @param cells directions at the most by which a round counts people
 */
function vectorBlocks(
  input: PlanInput,
  { modelLength, cells }: { modelLength: number; cells: number },
): VectorBlock[] {
  const { blocks } = input.privacy;
  const evaluated = EVALUATION_LENGTH + heldOutLength(input);
  const raw: VectorBlock[] = [
    { name: "model", length: modelLength, clip: blocks.model.clip, weight: blocks.model.weight },
    { name: "counts", length: cells, clip: 1, weight: blocks.counts.weight },
    { name: "sums", length: cells * input.encoder.dimension, clip: 1, weight: blocks.sums.weight },
    {
      name: "evaluation",
      length: evaluated,
      clip: Math.sqrt(evaluated),
      weight: blocks.evaluation.weight,
    },
  ];
  const { adaptive } = blocks.model;
  if (adaptive !== undefined)
    raw.push({ name: "clipping", length: 1, clip: CLIPPING_BOUND, weight: adaptive.weight });
  const norm = Math.hypot(...raw.map((block) => block.weight));
  return raw.map((block) => ({ ...block, weight: block.weight / norm }));
}

/**
 * Lays out the joint vector and calibrates the mechanism. Micro-clusters are as many as a cohort carries: so few that
 * their counts stand out of the noise, and no fewer than clusters.
 * @throws KindredError `plan-invalid` if no mechanism within the modulus meets the promised (ε, δ)
 */
export function resolvePlan(input: PlanInput, context: PlanContext): Plan {
  const { clusters, microClusters, significance } = input.clustering;
  const most = Math.max(clusters, Math.min(microClusters, context.itemCount));
  const widest = layOut(input, { ...context, cells: most });
  if (most === clusters) return widest;
  const { blocks, mechanism } = widest.resolved;
  const survivors = input.cohort.target;
  const countDeviation = survivors * blockDeviation(mechanism, { block: blocks[1]!, survivors });
  const carried = microClusterCount({ users: survivors, countDeviation, significance });
  return layOut(input, { ...context, cells: Math.max(clusters, Math.min(most, carried)) });
}

function layOut(input: PlanInput, context: PlanContext & { readonly cells: number }): Plan {
  const blocks = vectorBlocks(input, context);
  const signals = signalLayouts(input, {
    itemCount: context.itemCount,
    training: blocks,
    vectorLength: lengthOf(blocks),
  });
  checkSignalOrder(input, { layouts: signals, itemCount: context.itemCount });
  const length = longestLayout(blocks, signals);
  const { privacy, cohort, participation } = input;
  const modulusBits = privacy.modulusBits === "auto" ? undefined : privacy.modulusBits;
  let mechanism: Mechanism;
  try {
    mechanism =
      privacy.mechanism === "none"
        ? mechanismWithoutNoise({ cohortMaximum: cohort.maximum, length, modulusBits })
        : calibrateMechanism({
            epsilon: epsilon(privacy.epsilon),
            delta: delta(privacy.delta),
            participations: participation.maximum,
            devices: accountDevices({ participation }),
            cohortMaximum: cohort.maximum,
            minSurvivors: cohort.minSurvivors,
            corruption: cohort.corruption,
            length,
            modulusBits,
            surplusLevels: privacy.noise?.design === "add-then-remove" ? privacy.noise.levels : 0,
          });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new KindredError({
      code: "plan-invalid",
      field: "plan.privacy",
      rule: `admits no mechanism: ${error.message}`,
      fix: "raise modulusBits or epsilon, or lower participation.maximum, participation.devices or cohort.maximum",
    });
  }
  return {
    ...input,
    resolved: {
      coordinatorKey: context.coordinatorKey,
      catalogueHash: context.catalogueHash,
      itemCount: context.itemCount,
      ...(context.featuresHash === undefined ? {} : { featuresHash: context.featuresHash }),
      ...(context.weightsHash === undefined ? {} : { weightsHash: context.weightsHash }),
      blocks,
      ...(signals === undefined ? {} : { signals }),
      mechanism: parametersOf(mechanism),
    },
  };
}

/** The mechanism as the plan's document has it. */
function parametersOf({ surplus, rotation, ...mechanism }: Mechanism): MechanismParameters {
  const named = rotation === undefined ? {} : { rotation };
  const parameters = { ...named, ...mechanism, sensitivity: { ...mechanism.sensitivity } };
  return surplus === undefined || surplus.length === 0
    ? parameters
    : { ...parameters, surplus: surplus.map((component) => ({ ...component })) };
}

/** What a device accepts at the most, whatever a plan says. */
export interface PrivacyFloors {
  /** Largest ε against the coordinator over all participations; `Infinity` accepts plans without noise. */
  readonly maximumEpsilon: number;
  readonly maximumDelta: number;
  /** Smallest minSurvivors. */
  readonly minimumSurvivors: number;
  /** Hexadecimal Ed25519 key of the coordinator, if the app pins it. */
  readonly coordinatorKey?: string;
}

export const DEFAULT_PRIVACY_FLOORS: PrivacyFloors = {
  maximumEpsilon: 10,
  maximumDelta: 1e-5,
  minimumSurvivors: 10,
};

interface SignatureCheck {
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
}

/** The mechanism of a resolved plan with its units restored. */
export function planMechanism(parameters: MechanismParameters): Mechanism {
  return { ...parameters, noiseMultiplier: noiseMultiplier(parameters.noiseMultiplier) };
}

/** c, devices of one account that the plan lets take part. */
export function accountDevices({ participation }: Pick<Plan, "participation">): number {
  return participation.devices ?? 1;
}

/**
 * ε against the coordinator of a person each of whose devices takes part `participations` times, as many of them as the
 * plan allows, all in the same rounds; `Infinity` without noise.
 */
export function planEpsilon(plan: Plan, participations: number): number {
  if (participations === 0) return 0;
  return coordinatorEpsilon(planMechanism(plan.resolved.mechanism), {
    participations,
    devices: accountDevices(plan),
    delta: delta(plan.privacy.delta),
  });
}

/**
 * Everything a device checks before it trusts a plan: the coordinator's signature, the layout, the number of honest
 * survivors, the bound of the rounding, and ε recomputed by its own accountant against both the plan's promise and the
 * device's floors.
 * @param signed as `parseSignedPlan` of @kindred/protocol gives it
 * @returns the plan; or `signature-invalid`, `plan-invalid`, `privacy-floor`
 */
export function verifyPlan(
  { plan, signature }: SignedPlan,
  { floors, suite }: { floors: PrivacyFloors; suite: SignatureCheck },
): Result<Plan> {
  const { resolved, cohort, privacy } = plan;
  const { mechanism } = resolved;
  if (floors.coordinatorKey !== undefined && floors.coordinatorKey !== resolved.coordinatorKey)
    return rejected("signature-invalid", "plan.resolved.coordinatorKey", {
      rule: "must be the key this app pins",
      fix: "connect to the coordinator the app was built for, or update the pinned key",
    });
  if (
    !suite.verify(
      hexToBytes(signature),
      utf8ToBytes(planSigningText(plan)),
      hexToBytes(resolved.coordinatorKey),
    )
  )
    return rejected("signature-invalid", "signedPlan.signature", {
      rule: "must be the coordinator's over the plan's digest",
      fix: "download the plan again",
    });
  const { clusters, microClusters } = plan.clustering;
  const cells = resolved.blocks[1]?.length ?? 0;
  const layout = vectorBlocks(plan, { modelLength: resolved.blocks[0]?.length ?? 0, cells });
  const { itemCount } = resolved;
  const vectorLengthOf = (length: number): number =>
    mechanism.rotation === undefined ? paddedLength(length) : length;
  // What follows from a false number of items or cells may be longer than any vector; the plan's own blocks are not.
  const followsFromPlan = (): boolean => {
    if (!isSameLayout(resolved.blocks, layout)) return false;
    const vectorLength = vectorLengthOf(lengthOf(layout));
    const signals = signalLayouts(plan, { itemCount, training: layout, vectorLength });
    return (
      SIGNALS.every((name) => isSameLayout(resolved.signals?.[name] ?? [], signals?.[name] ?? [])) &&
      mechanism.paddedLength === vectorLengthOf(longestLayout(layout, signals))
    );
  };
  const withinPlan = cells >= clusters && cells <= Math.max(clusters, microClusters);
  if (!withinPlan || !followsFromPlan())
    return rejected("plan-invalid", "plan.resolved.blocks", {
      rule: "must follow from the plan",
      fix: "resolve the plan again",
    });
  if (!(cohort.minSurvivors >= floors.minimumSurvivors))
    return rejected("privacy-floor", "plan.cohort.minSurvivors", {
      rule: `must be at least ${floors.minimumSurvivors} on this device, found ${cohort.minSurvivors}`,
      fix: "raise minSurvivors in the plan, or lower the app's floor",
    });
  // The margin is that of `calibrateMechanism`: 0.29 × 100 is 29 colluders, whatever the floating point says.
  const honest = cohort.minSurvivors - Math.floor(cohort.corruption * cohort.maximum + 1e-9);
  if (privacy.mechanism !== "none" && mechanism.honest !== honest)
    return rejected("plan-invalid", "plan.resolved.mechanism", {
      rule: `must assume ${honest} honest survivors`,
      fix: "resolve the plan again",
    });
  if (!encodesEverything(mechanism))
    return rejected("plan-invalid", "plan.resolved.mechanism.sensitivity", {
      rule: "must be that of the scale, the length of the vector and the rounding, within what 32 bits hold",
      fix: "resolve the plan again",
    });
  const modulus = verifyModulus(plan);
  return modulus.ok ? verifyGuarantee(plan, floors) : modulus;
}

/**
 * Share of a sum's entries that may wrap under a modulus that the operator chose: 4.5 deviations. Plans have always been
 * resolved to more, or to {@link WRAP_BOUND} entries; a sum within it loses about a hundredth to wrapping at the worst.
 */
const CHOSEN_WRAP_SHARE = 1e-4;

/**
 * The modulus is the operator's and holds the sum, or costs next to nothing: what would wrap or drown in rounding is not
 * worth an upload.
 */
function verifyModulus(plan: Plan): Result<Plan> {
  const { mechanism } = plan.resolved;
  const { modulusBits } = plan.privacy;
  if (modulusBits !== "auto" && modulusBits !== mechanism.modulusBits)
    return rejected("plan-invalid", "plan.resolved.mechanism.modulusBits", {
      rule: `must be the plan's, ${modulusBits} bits, found ${mechanism.modulusBits}`,
      fix: "resolve the plan again",
    });
  const restored = planMechanism(mechanism);
  const { wraps, rounding } = modulusCost(restored, plan.cohort.maximum);
  if (modulusBits !== "auto") {
    const most = Math.max(WRAP_BOUND, CHOSEN_WRAP_SHARE * mechanism.paddedLength);
    if (wraps <= most * (1 + 1e-6)) return accepted(plan);
    return rejected("plan-invalid", "plan.resolved.mechanism.modulusBits", {
      rule: `must keep wrapped entries within ${most} a round, but ${modulusBits} bits at this scale and noise give ${wraps.toPrecision(2)}`,
      fix: "resolve the plan again",
    });
  }
  if (isFrugal(restored, plan.cohort.maximum)) return accepted(plan);
  return rejected("plan-invalid", "plan.resolved.mechanism.modulusBits", {
    rule: `must keep wrapped entries within ${WRAP_BOUND} a round and what rounding costs within ${ROUNDING_SHARE}, but ${mechanism.modulusBits} bits at this scale give ${wraps.toPrecision(2)} and ${rounding.toPrecision(2)}`,
    fix: "resolve the plan again, or set privacy.modulusBits",
  });
}

/** Whether the blocks of a plan are those due; weights may be rounded in the last place. */
function isSameLayout(
  blocks: readonly (VectorBlock | SignalBlock)[],
  due: readonly (VectorBlock | SignalBlock)[],
): boolean {
  return (
    blocks.length === due.length &&
    due.every(({ name, length, clip, weight }, i) => {
      const block = blocks[i]!;
      const isNear = Math.abs(block.weight - weight) < 1e-12;
      return block.name === name && block.length === length && block.clip === clip && isNear;
    })
  );
}

/**
 * Whether every clipped vector can be encoded. With a smaller bound or a larger scale the encoding of long updates only
 * would fail, and the coordinator would see whose.
 */
function encodesEverything({ scale, paddedLength: dimension, ...mechanism }: MechanismParameters): boolean {
  const { beta, sensitivity, localDeviation, surplus = [] } = mechanism;
  const deviations = [localDeviation, ...surplus.map(({ deviation }) => deviation)];
  if (!(scale <= MAXIMUM_SCALE && deviations.every((deviation) => deviation <= MAXIMUM_DEVIATION)))
    return false;
  // Below the least deviation sums of discrete Gaussians are no longer as good as one.
  if (surplus.length > 0 && deviations.some((deviation) => deviation < MINIMUM_DEVIATION)) return false;
  const due = roundedSensitivity({ scaledNorm: scale, dimension, beta: ROUNDING_BETA });
  // Engines may round exp and log differently in the last place.
  const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * b;
  return near(beta, ROUNDING_BETA) && near(sensitivity.l2, due.l2) && near(sensitivity.l1, due.l1);
}

function verifyGuarantee(plan: Plan, floors: PrivacyFloors): Result<Plan> {
  const spent = planEpsilon(plan, plan.participation.maximum);
  const noNoise = plan.privacy.mechanism === "none";
  if (!noNoise && !(spent <= plan.privacy.epsilon * (1 + 1e-9)))
    return rejected("plan-invalid", "plan.resolved.mechanism", {
      rule: `must keep ε within the promised ${plan.privacy.epsilon}, but gives ${spent}`,
      fix: "resolve the plan again with a current coordinator",
    });
  if (!(spent <= floors.maximumEpsilon))
    return rejected("privacy-floor", "plan.privacy.epsilon", {
      rule: `must be at most ${floors.maximumEpsilon} on this device, found ${spent === Number.POSITIVE_INFINITY ? "no guarantee (noise is off)" : spent.toFixed(3)}`,
      fix: "lower epsilon in the plan, or raise the app's maximumEpsilon",
    });
  if (!noNoise && !(plan.privacy.delta <= floors.maximumDelta))
    return rejected("privacy-floor", "plan.privacy.delta", {
      rule: `must be at most ${floors.maximumDelta} on this device, found ${plan.privacy.delta}`,
      fix: "lower delta in the plan",
    });
  return accepted(plan);
}
