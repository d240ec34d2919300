/**
 * Seeds of the noise that is added in R2 and removed in part after R4 (Jiang et al. 2024, "Dordis", XNoise; see
 * surplus-noise.ts of @kindred/privacy for what is added and why).
 *
 * A member's seeds a_0 … a_{L−1}, one for each component, are a hash chain: a_{L−1} is drawn and a_{j−1} follows from a_j,
 * so that a_{l−1} gives away the components 0 … l − 1 that level l removes, and nothing of the others. It deals shares of
 * every seed with those of its two secrets, and the holders reveal that of one level only, which |U3| decides.
 *
 * What is shared of a_j is a_j with a tag under the member's self-mask seed b: only the member could make it, and the
 * coordinator, who learns b in any case, tells a seed from what wrong shares add up to. No message needs a further field.
 */
import {
  AesCtrRandom,
  type Keystream,
  noiseLevel,
  type SurplusComponent,
  sampleDiscreteGaussian,
} from "@kindred/privacy";
import { concatBytes, equalBytes } from "@kindred/protocol";
import { type KeyDerivation, type MaskShape, noiseKey, noiseSeedBefore, noiseTag } from "./keys.ts";

/** A component of noise that can be removed: its deviation, and how many have to survive for that. */
export type SurplusNoise = Pick<SurplusComponent, "survivors" | "deviation">;

/** Bytes of a seed, and of the tag behind it in the shared secret. */
const NOISE_SEED_BYTES = 16;

/** Whose seeds, in which session. */
export interface SeedOwner {
  readonly sid: Uint8Array;
  readonly owner: number;
}

/** Noise to be added to a vector, or taken off it. */
export interface NoiseTerm {
  /** 32 bytes, for this one use. */
  readonly key: Uint8Array;
  /** Integer deviation σ of the discrete Gaussian. */
  readonly deviation: number;
  readonly sign: 1 | -1;
}

/** a_0 … a_{count−1}, the last one fresh and each of the others from the one behind it. */
export function drawNoiseSeeds(
  count: number,
  {
    random,
    suite,
    ...of
  }: SeedOwner & { readonly random: (length: number) => Uint8Array; readonly suite: KeyDerivation },
): Uint8Array[] {
  if (count === 0) return [];
  return seedsUpTo(random(NOISE_SEED_BYTES), count, { ...of, suite });
}

/** What shares are dealt of: a_j ‖ tag, 32 bytes. */
export function noiseSecret(
  seed: Uint8Array,
  of: SeedOwner & { readonly component: number; readonly selfMaskSeed: Uint8Array },
  suite: KeyDerivation,
): Uint8Array {
  const tag = noiseTag(seed, of, suite);
  const secret = concatBytes(seed, tag.subarray(0, NOISE_SEED_BYTES));
  tag.fill(0);
  return secret;
}

/** Whether a reconstructed secret is one that its owner dealt. */
export function isNoiseSecret(
  secret: Uint8Array,
  of: Parameters<typeof noiseSecret>[1],
  suite: KeyDerivation,
): boolean {
  const dealt = noiseSecret(secret.subarray(0, NOISE_SEED_BYTES), of, suite);
  const isDealt = equalBytes(dealt, secret);
  dealt.fill(0);
  return isDealt;
}

/** What a member adds: all components, from its seeds in order. */
export function addedNoise(
  seeds: readonly Uint8Array[],
  { surplus, ...of }: SeedOwner & { readonly surplus: readonly SurplusNoise[]; readonly shape: MaskShape },
  suite: KeyDerivation,
): NoiseTerm[] {
  return surplus.map(({ deviation }, component) => ({
    key: noiseKey(seeds[component]!, { ...of, component }, suite),
    deviation,
    sign: 1,
  }));
}

/**
 * What the coordinator removes of a member: the components up to that of the secret.
 * @param deviations of the components that the level removes, in order
 * @param secret that of the last of them
 */
export function removedNoise(
  secret: Uint8Array,
  { deviations, ...of }: SeedOwner & { readonly deviations: readonly number[]; readonly shape: MaskShape },
  suite: KeyDerivation,
): NoiseTerm[] {
  const seeds = seedsUpTo(secret.slice(0, NOISE_SEED_BYTES), deviations.length, { ...of, suite });
  const terms = seeds.map((seed, component): NoiseTerm => {
    const key = noiseKey(seed, { ...of, component }, suite);
    return { key, deviation: deviations[component]!, sign: -1 };
  });
  for (const seed of seeds) seed.fill(0);
  return terms;
}

/** The level that so many survivors warrant, 0 where nothing is removed: the position behind the last removed component. */
export function surplusLevel(surplus: readonly SurplusNoise[] | undefined, survivors: number): number {
  return noiseLevel(surplus, survivors);
}

/** Adds noise to `vector` in place, modulo 2^bits; the same key gives the same noise on every platform. */
export function applyNoise(
  vector: Uint32Array,
  terms: readonly NoiseTerm[],
  { bits, keystream }: { bits: number; keystream: (key: Uint8Array) => Keystream },
): void {
  const mask = 0xffffffff >>> (32 - bits);
  for (const { key, deviation: sigma, sign } of terms) {
    const random = new AesCtrRandom(key, { keystream });
    const noise = sampleDiscreteGaussian({ sigma, length: vector.length, random });
    for (let i = 0; i < vector.length; i++) vector[i] = (vector[i]! + sign * noise[i]!) & mask;
    noise.fill(0);
    random.wipe();
  }
}

/** The chain down from its last seed. */
function seedsUpTo(
  last: Uint8Array,
  count: number,
  { sid, owner, suite }: SeedOwner & { readonly suite: KeyDerivation },
): Uint8Array[] {
  const seeds = [last];
  for (let component = count - 1; component > 0; component--) {
    const before = noiseSeedBefore(seeds[0]!, { sid, owner, component }, suite);
    seeds.unshift(before.slice(0, NOISE_SEED_BYTES));
    before.fill(0);
  }
  return seeds;
}
