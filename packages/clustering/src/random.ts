/**
 * A small seeded generator for PUBLIC randomness (seeding centroids from the public item space), where the same
 * seed must give the same result on every machine. It is predictable: never use it for masks, noise or keys.
 */

/** Draws uniform numbers in [0, 1) with 32 bits of resolution. */
export type PublicRandom = () => number;

/**
 * sfc32 ("small fast chaotic", Chris Doty-Humphrey, PractRand), a 128-bit state with a counter, started from the
 * integer seed as a = seed's low word, b = its high word, c = 0x9e3779b9 and warmed up by 15 steps.
 *
 * @param seed an integer in [0, 2⁵³)
 * @throws {RangeError} when the seed is not such an integer
 */
export function publicRandom(seed: number): PublicRandom {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new RangeError(`A seed is an integer from 0 to 2^53 − 1, not ${seed}.`);
  let a = seed | 0;
  let b = Math.floor(seed / 0x1_0000_0000) | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return (t >>> 0) / 0x1_0000_0000;
  };
  for (let i = 0; i < 15; i++) next();
  return next;
}
