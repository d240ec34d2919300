import fc from "fast-check";
import { expect, test } from "vitest";
import { locateErrors } from "./error-locator.ts";
import { SHARE_PRIME } from "./shamir.ts";

const element = fc.integer({ min: 0, max: SHARE_PRIME - 1 });

/** Exact integers. */
function valueAt(coefficients: readonly number[], x: number): number {
  const p = BigInt(SHARE_PRIME);
  return Number(coefficients.reduceRight((value, c) => (value * BigInt(x) + BigInt(c)) % p, 0n));
}

const codeword = fc
  .record({
    coefficients: fc.array(element, { minLength: 1, maxLength: 8 }),
    surplus: fc.integer({ min: 0, max: 9 }),
    shuffled: fc.shuffledSubarray(
      Array.from({ length: 17 }, (_, i) => i),
      { minLength: 17 },
    ),
    offsets: fc.array(fc.integer({ min: 1, max: SHARE_PRIME - 1 }), { minLength: 17, maxLength: 17 }),
  })
  .map(({ coefficients, surplus, shuffled, offsets }) => {
    const m = coefficients.length + surplus;
    const xs = Array.from({ length: m }, (_, i) => 3 * i + 1);
    const places = shuffled.filter((place) => place < m);
    return { coefficients, surplus, xs, places, offsets };
  });

function withErrors(
  {
    coefficients,
    xs,
    places,
    offsets,
  }: { coefficients: number[]; xs: number[]; places: number[]; offsets: number[] },
  count: number,
) {
  const ys = xs.map((x) => valueAt(coefficients, x));
  const wrong = places.slice(0, count).sort((a, b) => a - b);
  for (const place of wrong) ys[place] = (ys[place]! + offsets[place]!) % SHARE_PRIME;
  return { ys, wrong };
}

test("up to half of the surplus is found, whatever the pattern", () => {
  fc.assert(
    fc.property(codeword, (word) => {
      const { ys, wrong } = withErrors(word, Math.floor(word.surplus / 2));
      expect(locateErrors(word.xs, ys, word.coefficients.length)).toEqual(wrong);
    }),
    { seed: 1 },
  );
});

test("with more errors, whatever is found leaves a polynomial that fits all but half of the surplus", () => {
  fc.assert(
    fc.property(codeword, (word) => {
      const { ys } = withErrors(word, Math.floor(word.surplus / 2) + 1);
      const found = locateErrors(word.xs, ys, word.coefficients.length);
      expect(found === undefined || found.length <= word.surplus / 2).toBe(true);
    }),
    { seed: 1 },
  );
});

test("a cohort of 200 with 40 wrong shares is sorted out", () => {
  const coefficients = Array.from({ length: 110 }, (_, i) => (i * 48271 + 11) % SHARE_PRIME);
  const xs = Array.from({ length: 200 }, (_, i) => i + 1);
  const wrong = Array.from({ length: 40 }, (_, i) => 5 * i + 2);
  const ys = xs.map((x) => valueAt(coefficients, x));
  for (const place of wrong) ys[place] = (ys[place]! + 1) % SHARE_PRIME;
  expect(locateErrors(xs, ys, 110)).toEqual(wrong);
});
