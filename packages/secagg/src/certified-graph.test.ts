import { sha256Bytes } from "@kindred/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { certifiedGraphParameters, fewestInTwoWindows } from "./certified-graph.ts";
import { drawGraph } from "./graph.ts";

function choose(n: number, k: number): bigint {
  let result = 1n;
  for (let i = 0; i < k; i++) result = (result * BigInt(n - i)) / BigInt(i + 1);
  return result;
}

/** Whether Pr[from ≤ Hyp(n, marked, k) ≤ to] < 2^−bits/count, in exact integers. */
function isBelow(
  { n, marked, k, from, to }: { n: number; marked: number; k: number; from: number; to: number },
  { bits, count }: { bits: number; count: number },
): boolean {
  let ways = 0n;
  for (let x = Math.max(from, 0); x <= Math.min(to, marked, k); x++)
    if (k - x <= n - marked) ways += choose(marked, x) * choose(n - marked, k - x);
  return ways * 2n ** BigInt(bits) * BigInt(count) < choose(n, k);
}

describe("degree, threshold and floor", () => {
  test.each([
    [257, 0.05, 0.1],
    [300, 0.1, 0.3],
    [1000, 0.05, 0.1],
    [1000, 0.05, 0.3],
  ])(
    "n = %i, γ = %f, δ = %f meet the four conditions in exact integers, the next smaller degree does not",
    (n, corruption, dropout) => {
      const found = certifiedGraphParameters({ n, corruption, dropout, security: 80, correctness: 30 });
      if (!found.ok) throw new Error(found.rejection.rule);
      const { degree, threshold, windowFloor } = found.value;
      const corrupt = Math.floor(corruption * n + 1e-9);
      const staying = n - Math.floor(dropout * n + 1e-9);
      const holds = (k: number, t: number, w: number) => {
        const pairs = (n * (n - k + 1)) / 2;
        const many = (from: number) => ({ n, marked: corrupt, k, from, to: k });
        const few = (below: number) => ({ n, marked: staying, k, from: 0, to: below - 1 });
        return [
          isBelow(many(t), { bits: 81, count: n }),
          isBelow(many(w), { bits: 81, count: pairs }),
          isBelow(few(t), { bits: 31, count: n }),
          isBelow(few(w), { bits: 31, count: pairs }),
        ];
      };
      expect(holds(degree, threshold, windowFloor)).toEqual([true, true, true, true]);
      expect(holds(degree, threshold - 1, windowFloor - 1).slice(0, 2)).toEqual([false, false]);
      const smaller = degree - 2;
      for (let t = 2; t <= smaller; t++) {
        const [secret, hidden, alive, whole] = holds(smaller, t, t);
        if (secret && alive) expect(hidden && whole).toBe(false);
      }
    },
  );
});

describe("the fewest survivors in two windows", () => {
  const rings = fc.integer({ min: 5, max: 26 }).chain((n) =>
    fc.record({
      n: fc.constant(n),
      width: fc.integer({ min: 1, max: Math.floor((n - 2) / 2) }),
      seed: fc.nat(),
      gone: fc.uniqueArray(fc.nat(n - 1)),
      corrupt: fc.uniqueArray(fc.nat(n - 1), { maxLength: 4 }),
    }),
  );
  const setUp = ({ n, width, seed, gone }: { n: number; width: number; seed: number; gone: number[] }) => {
    const graph = drawGraph({ n, degree: 2 * width, kind: "regular", seed: sha256Bytes(`${seed}`) });
    const survivors = Array.from({ length: n }, (_, i) => i).filter((member) => !gone.includes(member));
    return { ...graph, survivors };
  };

  test("are those of every two windows that do not overlap", () => {
    fc.assert(
      fc.property(rings, (round) => {
        const { n, width } = round;
        const { ring, survivors } = setUp(round);
        const alive = new Set(survivors);
        const window = (start: number) =>
          Array.from({ length: width }, (_, i) => (start + i) % n).map((place) => ring[place]!);
        let fewest = Number.POSITIVE_INFINITY;
        for (let a = 0; a < n; a++)
          for (let b = 0; b < n; b++) {
            const members = [...window(a), ...window(b)];
            if (new Set(members).size < 2 * width) continue;
            fewest = Math.min(fewest, members.filter((member) => alive.has(member)).length);
          }
        expect(fewestInTwoWindows(ring, { survivors, width })).toBe(fewest);
      }),
    );
  });

  test("while they exceed the corrupt members, the honest survivors are connected, whoever was left out", () => {
    let connected = 0;
    fc.assert(
      fc.property(rings, (round) => {
        const { ring, survivors, neighbours } = setUp(round);
        const honest = new Set(survivors.filter((member) => !round.corrupt.includes(member)));
        if (fewestInTwoWindows(ring, { survivors, width: round.width }) <= round.corrupt.length) return;
        connected++;
        const reached = new Set([...honest].slice(0, 1));
        for (const member of reached)
          for (const other of neighbours(member)) if (honest.has(other)) reached.add(other);
        expect(reached.size).toBe(honest.size);
      }),
      { seed: 3, numRuns: 300 },
    );
    expect(connected).toBeGreaterThan(30);
  });
});
