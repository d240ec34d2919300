/**
 * What an attacker faces: the release of the real client pipeline in the worst case that the promise covers. Everybody
 * but the honest members colludes and adds no noise; the honest ones have no data, and their noise is all there is.
 */
import {
  type Contribution,
  decodeAggregate,
  encodeContribution,
  initialClip,
  type MeanContribution,
  resolvePlan,
} from "@kindred/engine";
import { AesCtrRandom, type KeystreamFactory, sampleDiscreteGaussian, toModulus } from "@kindred/privacy";
import { type Plan, type PlanInput, sha256Bytes } from "@kindred/protocol";
import { addInto } from "@kindred/secagg";

/** Honest members of an attacked cohort. */
const HONEST = 2;

/**
 * A plan of the same promise (ε, δ, participations, weights of the blocks, modulus) that thousands of releases can be made
 * of: a short vector, and a cohort of which two members are honest. However many they are, the noise of the sum is
 * calibrated to the promise; with two each of them adds the more.
 * @param options.members at the most, canaries included
 */
export function attackPlan(
  input: PlanInput,
  { modelLength, members }: { modelLength: number; members: number },
): Plan {
  const small: PlanInput = {
    ...input,
    encoder: { ...input.encoder, dimension: 2, heads: 1 },
    clustering: { ...input.clustering, clusters: 4 },
    cohort: { ...input.cohort, minSurvivors: HONEST, maximum: members, corruption: 0 },
  };
  return resolvePlan(small, {
    coordinatorKey: "0".repeat(64),
    catalogueHash: "0".repeat(64),
    itemCount: 1,
    modelLength,
  });
}

/** Named streams of randomness that follow from one seed. */
export class Chance {
  readonly #seed: string;
  readonly #keystream: KeystreamFactory | undefined;

  /** @param keystream The platform's AES-256-CTR, where there is a faster one than pure JavaScript. */
  constructor(seed: string, keystream?: KeystreamFactory) {
    this.#seed = seed;
    this.#keystream = keystream;
  }

  /** The stream of this name; the same name gives the same draws again. */
  stream(name: string): AesCtrRandom {
    const keystream = this.#keystream;
    return new AesCtrRandom(this.bytes(name), keystream === undefined ? {} : { keystream });
  }

  /** 32 bytes of this name. */
  bytes(name: string): Uint8Array {
    return sha256Bytes(`kindred attack ${this.#seed} ${name}`);
  }
}

/** A plan, and how much of the promised noise its members really add. */
export interface MechanismUnderAttack {
  readonly plan: Plan;
  /** 1: as promised; 0: none; 0.5: a deviation half as large. */
  readonly deviationShare: number;
}

/** The plan that members follow whose noise has another deviation than the promised one. */
function withDeviation(plan: Plan, localDeviation: number): Plan {
  const { resolved } = plan;
  return { ...plan, resolved: { ...resolved, mechanism: { ...resolved.mechanism, localDeviation } } };
}

/** Encodes a contribution as a member does whose noise has `share` of the promised deviation. */
export function encodeAs(
  contribution: Contribution,
  { plan, share, sid, random }: { plan: Plan; share: number; sid: Uint8Array; random: AesCtrRandom },
): Uint32Array {
  const localDeviation = Math.round(plan.resolved.mechanism.localDeviation * share);
  const clip = initialClip(plan);
  return encodeContribution(contribution, { plan: withDeviation(plan, localDeviation), sid, random, clip });
}

/**
 * One release: the sum of the canaries, which add no noise, and of the honest members' noise, as it is decoded.
 * @param name of the release; another name is another session with other noise
 */
export function releaseOf(
  canaries: readonly Contribution[],
  { mechanism, chance, name }: { mechanism: MechanismUnderAttack; chance: Chance; name: string },
): MeanContribution {
  const { plan, deviationShare } = mechanism;
  const { paddedLength, modulusBits, honest, surplus = [] } = plan.resolved.mechanism;
  const sid = chance.bytes(`${name} session`);
  const random = chance.stream(`${name} noise`);
  const sum = new Uint32Array(paddedLength);
  for (const canary of canaries) addInto(sum, encodeAs(canary, { plan, share: 0, sid, random }), modulusBits);
  if (deviationShare > 0) {
    const nothing = contributionOf(plan, (length) => new Float64Array(length));
    for (let i = 0; i < honest; i++) {
      addInto(sum, encodeAs(nothing, { plan, share: deviationShare, sid, random }), modulusBits);
      // With so few survivors nothing of the noise that can be removed is.
      for (const { deviation } of surplus) {
        const sigma = Math.max(1, Math.round(deviation * deviationShare));
        const noise = sampleDiscreteGaussian({ sigma, length: paddedLength, random });
        addInto(sum, toModulus(noise, modulusBits), modulusBits);
      }
    }
  }
  return decodeAggregate(sum, { plan, sid, survivors: 1, clip: initialClip(plan) });
}

/** A contribution from the blocks' lengths and clip norms. */
export function contributionOf(
  plan: Plan,
  values: (length: number, clip: number) => Float64Array,
): Contribution {
  const [model, counts, sums, evaluation] = plan.resolved.blocks.map(({ length, clip }) =>
    values(length, clip),
  );
  return { model: model!, counts: counts!, sums: sums!, evaluation: evaluation! };
}

/** A random direction of L2 norm `norm`, uniform on the sphere (Muller 1959). */
export function randomDirection(
  length: number,
  { norm, random }: { norm: number; random: AesCtrRandom },
): Float64Array {
  const direction = new Float64Array(length);
  for (let i = 0; i < length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
    const angle = 2 * Math.PI * random.uniform();
    direction[i] = radius * Math.cos(angle);
    if (i + 1 < length) direction[i + 1] = radius * Math.sin(angle);
  }
  const scale = norm / Math.hypot(...direction);
  return direction.map((value) => value * scale);
}

/** Inner product. */
function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Cosine of the angle between two vectors; 0 where one has no length. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const norms = Math.sqrt(dot(a, a) * dot(b, b));
  return norms === 0 ? 0 : dot(a, b) / norms;
}

/**
 * Inner product of a release with a canary in the joint vector, whose norm is 1 for a canary at every clip norm: the best
 * statistic there is against Gaussian noise (Neyman–Pearson).
 */
export function matchedFilter(plan: Plan, released: Contribution, canary: Contribution): number {
  return plan.resolved.blocks.reduce(
    (sum, { name, clip, weight }) =>
      name === "clipping" ? sum : sum + (weight / clip) ** 2 * dot(released[name], canary[name]),
    0,
  );
}
