/**
 * Every key and digest of a round that the wire format does not define, by HKDF-SHA256 (RFC 5869) with the session id
 * as salt. All integers are big-endian u32.
 */
import { concatBytes, hashParts } from "@kindred/protocol";
import type { CryptoSuite } from "./crypto.ts";

/** Nonce of every share box: zero, because a box key seals exactly one box (see `shareKey`). */
export const BOX_NONCE = new Uint8Array(24);

/** The joint vector is the only vector of a round; the label leaves room for more. */
const VECTOR_ID = 0;

/** What keys are derived with. */
export type KeyDerivation = Pick<CryptoSuite, "deriveKey">;

/** What a mask is for: entries modulo 2^bits, `length` of them. */
export interface MaskShape {
  readonly bits: number;
  readonly length: number;
}

/** H(b_u), the commitment to a self-mask seed that R0 carries; 32 bytes. */
export function seedCommitment(seed: Uint8Array): Uint8Array {
  return hashParts("kindred.seed/1", [seed]);
}

/** Seed of the neighbourhood graph: H("kindred.graph/1", sid), 32 bytes. */
export function graphSeed(sid: Uint8Array): Uint8Array {
  return hashParts("kindred.graph/1", [sid]);
}

/**
 * Key of the box that carries shares from `sender` to `addressee`:
 * HKDF(ECDH(c_u, c_v), salt = sid, info = "share" ‖ sender ‖ addressee), 32 bytes.
 *
 * Divergence: Bonawitz et al. (2017) encrypt with associated data. Secretbox has none, so the same binding sits in
 * the key: a box that is moved to another session, sender or addressee does not open. The key is used for one box
 * only (the c keys live for one round, a member seals once, and the two directions differ), hence the fixed nonce.
 */
export function shareKey(
  agreement: Uint8Array,
  { sid, sender, addressee }: { sid: Uint8Array; sender: number; addressee: number },
  suite: KeyDerivation,
): Uint8Array {
  return derive(agreement, { sid, label: "share", numbers: [sender, addressee] }, suite);
}

/** k_uv = HKDF(ECDH(s_u, s_v), salt = sid, info = "mask" ‖ min ‖ max ‖ vectorId ‖ bits ‖ length), 32 bytes. */
export function pairwiseMaskKey(
  agreement: Uint8Array,
  { sid, between, shape }: { sid: Uint8Array; between: readonly [number, number]; shape: MaskShape },
  suite: KeyDerivation,
): Uint8Array {
  const numbers = [Math.min(...between), Math.max(...between), VECTOR_ID, shape.bits, shape.length];
  return derive(agreement, { sid, label: "mask", numbers }, suite);
}

/**
 * Key of the self mask: HKDF(b_u, salt = sid, info = "self" ‖ u ‖ vectorId ‖ bits ‖ length), 32 bytes.
 * Divergence: the paper feeds b_u to the generator itself; deriving binds it to the session as the pairwise keys are.
 */
export function selfMaskKey(
  seed: Uint8Array,
  { sid, owner, shape }: { sid: Uint8Array; owner: number; shape: MaskShape },
  suite: KeyDerivation,
): Uint8Array {
  const numbers = [owner, VECTOR_ID, shape.bits, shape.length];
  return derive(seed, { sid, label: "self", numbers }, suite);
}

/** a_{j−1} of a member's chain of noise seeds: the first 16 bytes of HKDF(a_j, salt = sid, info = "noise-next" ‖ u ‖ j). */
export function noiseSeedBefore(
  seed: Uint8Array,
  { sid, owner, component }: { sid: Uint8Array; owner: number; component: number },
  suite: KeyDerivation,
): Uint8Array {
  return derive(seed, { sid, label: "noise-next", numbers: [owner, component] }, suite);
}

/** Key of a component of noise: HKDF(a_j, salt = sid, info = "noise" ‖ u ‖ vectorId ‖ j ‖ bits ‖ length), 32 bytes. */
export function noiseKey(
  seed: Uint8Array,
  { sid, owner, component, shape }: { sid: Uint8Array; owner: number; component: number; shape: MaskShape },
  suite: KeyDerivation,
): Uint8Array {
  const numbers = [owner, VECTOR_ID, component, shape.bits, shape.length];
  return derive(seed, { sid, label: "noise", numbers }, suite);
}

/** Of which the first 16 bytes go with a_j: HKDF(b_u ‖ a_j, salt = sid, info = "noise-tag" ‖ u ‖ j), 32 bytes. */
export function noiseTag(
  seed: Uint8Array,
  {
    sid,
    owner,
    component,
    selfMaskSeed,
  }: { sid: Uint8Array; owner: number; component: number; selfMaskSeed: Uint8Array },
  suite: KeyDerivation,
): Uint8Array {
  const key = concatBytes(selfMaskSeed, seed);
  const tag = derive(key, { sid, label: "noise-tag", numbers: [owner, component] }, suite);
  key.fill(0);
  return tag;
}

function derive(
  key: Uint8Array,
  { sid, label, numbers }: { sid: Uint8Array; label: string; numbers: readonly number[] },
  suite: KeyDerivation,
): Uint8Array {
  const info = new Uint8Array(label.length + 4 * numbers.length);
  // The labels are ASCII.
  for (let i = 0; i < label.length; i++) info[i] = label.charCodeAt(i);
  const view = new DataView(info.buffer, label.length);
  for (let i = 0; i < numbers.length; i++) view.setUint32(4 * i, numbers[i]!);
  return suite.deriveKey(key, { salt: sid, info });
}
