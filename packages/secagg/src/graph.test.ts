import { sha256Bytes } from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { chooseGraph, drawGraph, type GraphOptions } from "./graph.ts";
import { regularGraphParameters } from "./graph-parameters.ts";

const seed = sha256Bytes("graph");

/** Rows: γ, δ, n, then k, t, the floor of two windows and the quorum. */
const CHOSEN = [
  [0.05, 0.1, 1000, 62, 31, 33, 526],
  [0.05, 0.2, 1000, 84, 34, 36, 526],
  [0.05, 0.3, 1000, 110, 38, 39, 526],
  [0.05, 0.1, 10_000, 78, 38, 41, 5251],
  [0.05, 0.2, 10_000, 108, 44, 47, 5251],
  [0.05, 0.3, 10_000, 148, 51, 54, 5251],
  [0.1, 0.1, 1000, 80, 45, 47, 551],
  [0.1, 0.2, 1000, 112, 52, 55, 551],
  [0.1, 0.3, 1000, 150, 60, 62, 551],
  [0.1, 0.1, 10_000, 102, 56, 59, 5501],
  [0.1, 0.2, 10_000, 146, 67, 71, 5501],
  [0.1, 0.3, 10_000, 204, 80, 85, 5501],
] as const;

describe("degree and threshold of the regular graph", () => {
  test.each([
    [1000, 0.05, 0.05, "semi-honest", 30, 17],
    [10_000, 0.05, 0.33, "semi-malicious", 746, 420],
  ] as const)(
    "published: n = %i, γ = %f, δ = %f, %s → (%i, %i)",
    (n, corruption, dropout, mode, degree, threshold) => {
      const found = regularGraphParameters({ n, corruption, dropout, mode, security: 40, correctness: 20 });
      expect(found).toEqual({ ok: true, value: { degree, threshold } });
    },
  );

  // Rows: γ, mode, n, then (k, t) at δ = 10 %, 20 %, 30 %; σ = 40, η = 30.
  const table = [
    [0.05, "semi-honest", 100, [16, 6], [22, 6], [28, 6]],
    [0.05, "semi-honest", 1000, [40, 19], [56, 22], [76, 25]],
    [0.05, "semi-honest", 10_000, [46, 22], [66, 26], [92, 30]],
    [0.1, "semi-honest", 100, [22, 11], [30, 11], [36, 11]],
    [0.1, "semi-honest", 1000, [52, 28], [74, 33], [102, 39]],
    [0.1, "semi-honest", 10_000, [60, 32], [90, 40], [126, 48]],
    [0.05, "semi-malicious", 100, [26, 16], [46, 26], [66, 36]],
    [0.05, "semi-malicious", 1000, [90, 58], [182, 109], [362, 204]],
    [0.05, "semi-malicious", 10_000, [114, 74], [248, 149], [630, 357]],
    [0.1, "semi-malicious", 100, [32, 22], [52, 32], [72, 42]],
    [0.1, "semi-malicious", 1000, [114, 78], [226, 142], [462, 273]],
    [0.1, "semi-malicious", 10_000, [144, 98], [332, 209], [936, 555]],
  ] as const;
  test.each(table)("γ = %f, %s, n = %i", (corruption, mode, n, ...pairs) => {
    [0.1, 0.2, 0.3].forEach((dropout, i) => {
      const [degree, threshold] = pairs[i]!;
      const found = regularGraphParameters({ n, corruption, dropout, mode, security: 40, correctness: 30 });
      expect(found).toEqual({ ok: true, value: { degree, threshold } });
    });
  });

  test("rates that leave no room are the plan's fault, too small a cohort is not", () => {
    const base = {
      n: 1000,
      corruption: 0.1,
      mode: "semi-malicious",
      security: 40,
      correctness: 30,
    } as const;
    expect(regularGraphParameters({ ...base, dropout: 0.41 })).toMatchObject({
      rejection: { code: "plan-invalid" },
    });
    expect(regularGraphParameters({ ...base, n: 3, dropout: 0.3 })).toMatchObject({
      rejection: { code: "cohort-too-small" },
    });
  });
});

describe("the graph of rounds above the complete graph's size", () => {
  const choose = (changes: Partial<GraphOptions>) =>
    chooseGraph({ n: 1000, corruption: 0.05, dropout: 0.1, graph: "regular", ...changes });

  // γ, δ, n, then (k, t), the floor of two windows and the quorum; σ = 40 + 40, η = 30.
  test.each(CHOSEN)(
    "γ = %f, δ = %f, n = %i",
    (corruption, dropout, n, degree, threshold, windowFloor, quorum) => {
      expect(choose({ n, corruption, dropout })).toEqual({
        ok: true,
        value: { kind: "regular", degree, threshold, windowFloor, quorum },
      });
    },
  );

  test("two quorums have an honest member in common, and the dropout leaves one", () => {
    for (let n = 257; n < 290; n++)
      for (const corruption of [0, 0.05, 0.1]) {
        const chosen = choose({ n, corruption });
        if (!chosen.ok) throw new Error(chosen.rejection.rule);
        const { quorum } = chosen.value;
        expect(2 * quorum - n).toBeGreaterThan(Math.floor(corruption * n));
        expect(2 * (quorum - 1) - n).toBeLessThanOrEqual(Math.floor(corruption * n));
        expect(quorum).toBeLessThanOrEqual(0.9 * n);
      }
  });

  test("refused where the dropout leaves no quorum, where the rates leave no room, and for small cohorts", () => {
    expect(choose({ dropout: 0.5 })).toMatchObject({ rejection: { code: "cohort-too-small" } });
    expect(choose({ corruption: -0.1 })).toMatchObject({ rejection: { code: "plan-invalid" } });
    expect(choose({ n: 3 })).toMatchObject({
      rejection: { code: "cohort-too-small" },
    });
  });
});

describe("complete graph", () => {
  const base: GraphOptions = {
    n: 100,
    corruption: 0.1,
    dropout: 0.2,
    graph: "complete",
  };
  test.each([
    [100, 0.1, 0.2, 56],
    [100, 0, 0.2, 51],
    [5, 0, 0.2, 4],
    [4, 0, 0.25, 3],
    [3, 0, 0, 3],
    [2, 0, 0, 2],
    [30, 0.1, 0.2, 18],
  ])("n = %i, γ = %f, δ = %f → t = %i", (n, corruption, dropout, threshold) => {
    expect(chooseGraph({ ...base, n, corruption, dropout })).toEqual({
      ok: true,
      value: { kind: "complete", degree: n - 1, threshold, quorum: threshold, windowFloor: 0 },
    });
  });

  test("t is the smallest above half of the cohort and the corrupt, and leaves room for the dropout", () => {
    for (let n = 2; n <= 300; n++) {
      for (const corruption of [0, 0.05, 0.1, 0.3]) {
        const half = Math.ceil((n + Math.floor(corruption * n + 1e-9)) / 2);
        const possible = half + 1 <= Math.floor(0.8 * n + 1e-9);
        const chosen = chooseGraph({ ...base, n, corruption });
        expect(chosen.ok, `${n} ${corruption}`).toBe(possible);
        if (chosen.ok) expect(chosen.value.threshold).toBe(half + 1);
      }
    }
  });

  test("refused where the survivors could not unmask, and for a cohort of one", () => {
    expect(chooseGraph({ ...base, n: 4, dropout: 0.3 })).toMatchObject({
      rejection: { code: "cohort-too-small" },
    });
    expect(chooseGraph({ ...base, n: 1, dropout: 0 })).toMatchObject({
      rejection: { code: "cohort-too-small" },
    });
  });

  test("auto turns regular above 256 members", () => {
    const kind = (n: number) => {
      const chosen = chooseGraph({ ...base, n, graph: "auto" });
      return chosen.ok ? chosen.value.kind : chosen.rejection;
    };
    expect([kind(256), kind(257)]).toEqual(["complete", "regular"]);
  });
});

describe("neighbourhoods", () => {
  test.each([
    [2, 1, "complete"],
    [7, 6, "complete"],
    [7, 2, "regular"],
    [9, 8, "regular"],
    [40, 12, "regular"],
    [257, 30, "regular"],
  ] as const)(
    "n = %i, degree %i, %s: symmetric, sorted, without loops, of equal degree",
    (n, degree, kind) => {
      const neighbours = drawGraph({ n, degree, kind, seed }).neighbours;
      for (let member = 0; member < n; member++) {
        const near = neighbours(member);
        expect(near).toHaveLength(degree);
        expect(near).not.toContain(member);
        expect(near).toEqual([...new Set(near)].sort((a, b) => a - b));
        expect(near.every((other) => neighbours(other).includes(member))).toBe(true);
      }
    },
  );

  test("a regular graph is connected, and so is what removing any degree − 1 neighbours on its ring leaves", () => {
    const neighbours = drawGraph({ n: 30, degree: 4, kind: "regular", seed }).neighbours;
    for (let start = 0; start < 30; start++) {
      const removed = new Set(neighbours(start).slice(0, 3));
      const left = Array.from({ length: 30 }, (_, i) => i).filter((member) => !removed.has(member));
      const reached = new Set([left[0]!]);
      for (const member of reached)
        for (const other of neighbours(member)) if (!removed.has(other)) reached.add(other);
      expect(reached.size).toBe(left.length);
    }
  });

  test("the seed decides: the same one gives the same graph, another one another", () => {
    const graph = (label: string) => {
      const { neighbours } = drawGraph({ n: 50, degree: 6, kind: "regular", seed: sha256Bytes(label) });
      return Array.from({ length: 50 }, (_, i) => neighbours(i));
    };
    expect(graph("a")).toEqual(graph("a"));
    expect(graph("a")).not.toEqual(graph("b"));
  });

  test("every pair is equally likely to be neighbours", () => {
    const n = 8;
    const runs = 4000;
    const counts = new Array<number>(n * n).fill(0);
    for (let i = 0; i < runs; i++) {
      const { neighbours } = drawGraph({ n, degree: 2, kind: "regular", seed: sha256Bytes(`seed ${i}`) });
      for (let u = 0; u < n; u++) for (const v of neighbours(u)) counts[u * n + v]!++;
    }
    // Each of the 56 ordered pairs is hit with probability 2/7; 5 standard deviations are ±143.
    for (let u = 0; u < n; u++)
      for (let v = 0; v < n; v++)
        if (u !== v) expect(Math.abs(counts[u * n + v]! - (runs * 2) / 7)).toBeLessThan(143);
  });

  test("an odd degree or one that the cohort cannot give is a bug", () => {
    expect(() => drawGraph({ n: 8, degree: 3, kind: "regular", seed })).toThrow(RangeError);
    expect(() => drawGraph({ n: 8, degree: 8, kind: "regular", seed })).toThrow(RangeError);
  });
});
