/** Reads one member's input as if it were a sum: what the coordinator could do with what a device sends it. */
import { decodeAggregate, initialClip } from "@kindred/engine";
import { applyMasks, type CryptoSuite } from "@kindred/secagg";
import {
  type Chance,
  contributionOf,
  cosine,
  encodeAs,
  type MechanismUnderAttack,
  randomDirection,
} from "./mechanism-under-attack.ts";

/** Cosines between what a device contributed and what was read out of its input; 1 is everything, 0 nothing. */
export interface Reconstruction {
  /** Of the masked input, as it is sent; its noise is off, so that the mask alone protects it. */
  readonly masked: number;
  /** Of the input before masking, noise off: shows that the attack itself works. */
  readonly unmasked: number;
  /** Of the input before masking, with this one device's share of the noise. */
  readonly unmaskedWithNoise: number;
  /** What unrelated directions reach with probability below 10⁻⁶: 5/√d. */
  readonly chanceLevel: number;
}

/** Tries it. */
export function attemptReconstruction(
  { plan, deviationShare }: MechanismUnderAttack,
  { chance, suite }: { chance: Chance; suite: Pick<CryptoSuite, "addMasks"> },
): Reconstruction {
  const random = chance.stream("reconstruction");
  const sid = chance.bytes("reconstruction session");
  const truth = contributionOf(plan, (length, norm) => randomDirection(length, { norm, random }));
  const read = (vector: Uint32Array): number =>
    cosine(decodeAggregate(vector, { plan, sid, survivors: 1, clip: initialClip(plan) }).model, truth.model);
  const plain = encodeAs(truth, { plan, share: 0, sid, random });
  const masked = plain.slice();
  const { modulusBits: bits, paddedLength: length } = plan.resolved.mechanism;
  applyMasks(masked, { bits, length, terms: [{ key: chance.bytes("mask"), sign: 1 }] }, suite);
  return {
    masked: read(masked),
    unmasked: read(plain),
    unmaskedWithNoise: read(encodeAs(truth, { plan, share: deviationShare, sid, random })),
    chanceLevel: 5 / Math.sqrt(truth.model.length),
  };
}
