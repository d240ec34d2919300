/**
 * A small deterministic generator for everything that is public or need not be secret: initial weights,
 * dropout, shuffling, negatives. Never use it for keys, masks or privacy noise.
 */

/** Finaliser of MurmurHash3: a bijection of 32-bit integers with full avalanche. */
export function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Weyl sequence with step 0x9e3779b9 through {@link mix32} (the construction of SplitMix, Steele, Lea and
 * Flood 2014, in 32 bits). Period 2^32; only integer arithmetic, so equal on every platform.
 *
 * @param seed any 32-bit integer
 * @returns a function that yields numbers in [0, 1) with 32 random bits
 */
export function seededRandom(seed: number): () => number {
  let state = mix32(seed ^ 0x6b696e64);
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return mix32(state) / 4294967296;
  };
}

/** Fisher–Yates shuffle in place. */
export function shuffle<T>(values: T[], random: () => number): T[] {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const kept = values[i]!;
    values[i] = values[j]!;
    values[j] = kept;
  }
  return values;
}
