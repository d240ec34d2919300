import { bytesToHex, hexToBytes } from "@kindred/protocol";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { randomFrom } from "../test/cohort.ts";
import vectors from "../test/vectors/shamir.json" with { type: "json" };
import {
  combineShares,
  combineWith,
  interpolateShare,
  isShare,
  lagrangeCoefficients,
  SHARE_PRIME,
  shareLength,
  splitSecret,
} from "./shamir.ts";

const PRIME = BigInt(SHARE_PRIME);

/** The readable twin: reconstruction with exact integers. */
function combineExactly(shares: readonly { x: number; share: Uint8Array }[], length: number): string {
  const chunks = Array.from({ length: shareLength(length) / 4 }, (_, c) => {
    const points = shares.map(({ x, share }) => [
      BigInt(x),
      BigInt(new DataView(share.buffer).getUint32(4 * c)),
    ]);
    let secret = 0n;
    points.forEach(([xi, yi], i) => {
      let term = yi!;
      points.forEach(([xj], j) => {
        if (i !== j) term = (term * xj! * power(((xj! - xi!) % PRIME) + PRIME, PRIME - 2n)) % PRIME;
      });
      secret = (secret + term) % PRIME;
    });
    return secret;
  });
  const bits = chunks.map((chunk, c) =>
    chunk.toString(2).padStart(c < chunks.length - 1 ? 31 : 8 * length - 31 * (chunks.length - 1), "0"),
  );
  return BigInt(`0b${bits.join("")}`)
    .toString(16)
    .padStart(2 * length, "0");
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let b = base % PRIME, e = exponent; e > 0n; e >>= 1n, b = (b * b) % PRIME)
    if (e & 1n) result = (result * b) % PRIME;
  return result;
}

/** Answers with the recorded draws; what is asked beyond them is rejected by the sampler. */
function recorded(draws: readonly number[]): (length: number) => Uint8Array {
  return (length) => {
    const bytes = new Uint8Array(length).fill(0xff);
    const view = new DataView(bytes.buffer);
    draws.forEach((draw, i) => {
      if (4 * i + 4 <= length) view.setUint32(4 * i, draw);
    });
    return bytes;
  };
}

describe("vectors", () => {
  test.each(vectors.valid)("$name", ({ secret, threshold, xs, draws, shares }) => {
    expect(vectors.prime).toBe(SHARE_PRIME);
    // The sampler asks for 8 bytes per element and 32 more: double what it needs, as about every other draw counts.
    const split = splitSecret({ secret: hexToBytes(secret), threshold, xs, random: recorded(draws) });
    expect(split.map(bytesToHex)).toEqual(shares);
    const last = xs.map((x, i) => ({ x, share: hexToBytes(shares[i]!) })).slice(-threshold);
    const combined = combineShares({ shares: last, threshold, length: secret.length / 2 });
    expect(combined && bytesToHex(combined)).toBe(secret);
  });

  test.each(vectors.invalid)("refused: $name", ({ shares, threshold, length }) => {
    const parsed = shares.map(({ x, share }) => ({ x, share: hexToBytes(share) }));
    expect(combineShares({ shares: parsed, threshold, length })).toBeUndefined();
  });
});

const deals = fc
  .record({
    n: fc.integer({ min: 1, max: 12 }),
    secret: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    seed: fc.string(),
  })
  .chain(({ n, secret, seed }) =>
    fc.record({
      secret: fc.constant(secret),
      random: fc.constant(randomFrom(seed)),
      xs: fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 21 - 1 }), { minLength: n, maxLength: n }),
      threshold: fc.integer({ min: 1, max: n }),
    }),
  );

test("any threshold shares reconstruct, as exact integers do", () => {
  fc.assert(
    fc.property(deals, fc.infiniteStream(fc.nat()), ({ secret, random, xs, threshold }, order) => {
      const shares = splitSecret({ secret, threshold, xs, random }).map((share, i) => ({ x: xs[i]!, share }));
      const shuffled = shares
        .map((share) => ({ share, rank: order.next().value as number }))
        .sort((a, b) => a.rank - b.rank)
        .map(({ share }) => share);
      const combined = combineShares({ shares: shuffled, threshold, length: secret.length });
      expect(combined).toEqual(secret);
      expect(combineExactly(shuffled.slice(0, threshold), secret.length)).toBe(bytesToHex(secret));
    }),
    { numRuns: 60 },
  );
});

test("one share less than the threshold is consistent with any secret", () => {
  const secret = new Uint8Array(4).fill(7);
  const [first, second] = splitSecret({ secret, threshold: 3, xs: [1, 2, 3], random: randomFrom("privacy") });
  const known = [
    { x: 1, share: first! },
    { x: 2, share: second! },
  ];
  for (const claimed of [0, 1, 12345, 2 ** 31 - 1]) {
    // The polynomial through (0, claimed) and both shares exists, so some third share reconstructs `claimed`.
    const zero = new Uint8Array(8);
    new DataView(zero.buffer).setUint32(0, claimed);
    const third = interpolateShare(lagrangeThrough([0, 1, 2], 3), [{ x: 0, share: zero }, ...known]);
    const combined = combineShares({ shares: [...known, { x: 3, share: third }], threshold: 3, length: 4 });
    const bits = new DataView(combined!.buffer).getUint32(0);
    expect(bits >>> 1).toBe(claimed);
  }
});

/** Coefficients for points that include x = 0, by the field's own definition. */
function lagrangeThrough(xs: readonly number[], at: number): Float64Array {
  return Float64Array.from(xs, (xi, i) => {
    let value = 1n;
    xs.forEach((xj, j) => {
      if (i === j) return;
      const numerator = BigInt(at - xj) + PRIME;
      const denominator = BigInt(xi - xj) + PRIME;
      value = (((value * numerator) % PRIME) * power(denominator, PRIME - 2n)) % PRIME;
    });
    return Number(value);
  });
}

test("interpolation at another x gives the share dealt there", () => {
  const xs = [1, 5, 9, 2 ** 21 - 1];
  const shares = splitSecret({
    secret: new Uint8Array(32).fill(200),
    threshold: 3,
    xs,
    random: randomFrom("i"),
  });
  const first = xs.slice(0, 3).map((x, i) => ({ x, share: shares[i]! }));
  expect(interpolateShare(lagrangeCoefficients(xs.slice(0, 3), xs[3]), first)).toEqual(shares[3]);
});

test("a wrong share gives a wrong secret, not an error", () => {
  const xs = [1, 2, 3];
  const secret = new Uint8Array(32);
  const shares = splitSecret({ secret, threshold: 2, xs, random: randomFrom("w") }).map((share, i) => ({
    x: xs[i]!,
    share,
  }));
  shares[0]!.share[35]! ^= 1;
  expect(combineShares({ shares, threshold: 2, length: 32 })).not.toEqual(secret);
});

test.each([
  ["threshold 0", 0, [1, 2]],
  ["threshold above the number of shares", 3, [1, 2]],
  ["x = 0", 1, [0, 1]],
  ["a repeated x", 1, [2, 2]],
  ["x of 2^21", 1, [1, 2 ** 21]],
])("splitting refuses %s", (_, threshold, xs) => {
  const random = randomFrom("never");
  expect(() => splitSecret({ secret: new Uint8Array(32), threshold, xs, random })).toThrow(RangeError);
});

test("a share is 4 bytes per 31 bits and holds field elements only", () => {
  expect(shareLength(32)).toBe(36);
  expect(isShare(new Uint8Array(36), 32)).toBe(true);
  expect(isShare(new Uint8Array(35), 32)).toBe(false);
  expect(isShare(new Uint8Array(36).fill(0xff), 32)).toBe(false);
});

test("no chunk of a secret and no coefficient is left in memory", () => {
  const made: Float64Array[] = [];
  class Watched extends Float64Array {
    constructor(length: number) {
      super(length);
      made.push(this);
    }
  }
  const secret = new Uint8Array(32).fill(201);
  const deal = { secret, threshold: 2, xs: [1, 2, 3], random: randomFrom("memory") };
  vi.stubGlobal("Float64Array", Watched);
  try {
    splitSecret(deal);
  } finally {
    vi.unstubAllGlobals();
  }
  // The secret's chunks, and a coefficient for each.
  expect(made.map(({ length }) => length)).toEqual([9, 9]);
  for (const elements of made) expect([...elements]).toEqual(new Array(9).fill(0));
  const shares = splitSecret(deal).map((share, i) => ({ x: deal.xs[i]!, share }));
  const coefficients = lagrangeCoefficients([1, 2]);
  made.length = 0;
  vi.stubGlobal("Float64Array", Watched);
  try {
    expect(combineWith(coefficients, shares.slice(0, 2), 32)).toEqual(secret);
  } finally {
    vi.unstubAllGlobals();
  }
  expect(made.map((elements) => [...elements])).toEqual([new Array(9).fill(0)]);
});
