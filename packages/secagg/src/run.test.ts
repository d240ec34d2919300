import { bytesToHex, ERROR_CODES, type ErrorCode, utf8ToBytes } from "@kindred/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { platformMaskStream } from "#platform";
import { randomFrom, suite } from "../test/cohort.ts";
import vectors from "../test/vectors/transcripts.json" with { type: "json" };
import { tweetnaclSuite } from "./crypto.ts";
import { type Delivery, type Dropout, type RunOptions, run } from "./run.ts";
import type { ServerPhase } from "./server-state.ts";

const phases: readonly ServerPhase[] = ["enrolling", "sharing", "masking", "consistency", "unmasking"];

function randomVectors(n: number, { length, bits }: { length: number; bits: number }): Uint32Array[] {
  const random = randomFrom(`vectors ${n} ${bits}`);
  return Array.from({ length: n }, () =>
    new Uint32Array(random(4 * length).buffer).map((entry) => entry % 2 ** bits),
  );
}

/** The readable twin: exact integers, one entry at a time. */
function plainSum(vectors: readonly Uint32Array[], members: readonly number[], bits: number): number[] {
  return Array.from(vectors[0]!, (_, i) =>
    Number(members.reduce((sum, member) => sum + BigInt(vectors[member]![i]!), 0n) % 2n ** BigInt(bits)),
  );
}

const seed = utf8ToBytes("run");

describe("the sum is exactly that of the survivors", () => {
  const cases = (["complete", "regular"] as const).flatMap((graph) =>
    phases.map((before) => ({ graph, before })),
  );

  test.each(cases)("$graph graph, dropout before $before", ({ graph, before }) => {
    const n = graph === "complete" ? 8 : 16;
    const bits = 20;
    const vectors = randomVectors(n, { length: 40, bits });
    const result = run({
      vectors,
      bits,
      seed,
      suite,
      graph,
      dropout: 0.15,
      dropouts: [{ client: 2, before }],
    });
    const counted = before === "consistency" || before === "unmasking";
    const everyone = vectors.map((_, i) => i);
    expect(result.outcome).toBe("released");
    expect(result.survivors).toEqual(counted ? everyone : everyone.filter((client) => client !== 2));
    expect([...result.sum!]).toEqual(plainSum(vectors, result.survivors, bits));
    expect(result).toMatchObject({ corrupt: [], refusals: [], rejections: [] });
  });

  test.each([8, 9, 16, 20, 24, 31, 32])("modulo 2^%i", (bits) => {
    const vectors = randomVectors(4, { length: 9, bits });
    const result = run({
      vectors,
      bits,
      seed,
      suite,
      dropout: 0.25,
      dropouts: [{ client: 0, before: "masking" }],
    });
    expect([...result.sum!]).toEqual(plainSum(vectors, [1, 2, 3], bits));
  });

  test("what the coordinator sees of one client is unrelated to its vector", () => {
    const masked = (vectors: Uint32Array[]) => {
      const seen: string[] = [];
      const intercept = (delivery: Delivery) => {
        if (delivery.message.type === "masked-input") seen.push(bytesToHex(delivery.message.vector));
        return [delivery];
      };
      const result = run({ vectors, bits: 8, seed, suite, intercept });
      return { seen, sum: [...result.sum!] };
    };
    const [zeros, shifted] = [0, 1].map((by) =>
      masked([0, 1, 2].map((i) => new Uint32Array(64).fill(i === 0 ? by : 0))),
    );
    for (const vector of [...zeros!.seen, ...shifted!.seen]) expect(vector).not.toBe("00".repeat(64));
    expect(shifted!.sum).toEqual(zeros!.sum.map((entry) => entry + 1));
  });
});

describe("transcripts", () => {
  type Vector = Omit<RunOptions, "vectors" | "seed" | "suite"> & { n: number; length: number; seed: string };

  function replay(options: Vector, withSuite = suite) {
    const { n, length, seed: label, ...rest } = options;
    const vectors = Array.from({ length: n }, (_, i) =>
      Uint32Array.from({ length }, (_, j) => (17 * i + 5 * j) % 2 ** rest.bits),
    );
    const { sum, sid, ...result } = run({ vectors, seed: utf8ToBytes(label), suite: withSuite, ...rest });
    return {
      outcome: result.outcome === "released" ? "released" : result.outcome.code,
      ...(sid && { sid: bytesToHex(sid) }),
      ...(sum && { sum: [...sum] }),
      survivors: result.survivors,
      transcript: result.transcript.map(({ from, to, type, digest }) => `${from} > ${to} ${type} ${digest}`),
    };
  }

  test.each(vectors.rounds)("$name", ({ options, expected }) => {
    expect(replay(options as Vector)).toEqual(expected);
  });

  test("the portable suite plays the first one alike", () => {
    const { options, expected } = vectors.rounds[0]!;
    expect(replay(options as Vector, tweetnaclSuite({ maskStream: platformMaskStream }))).toEqual(expected);
  });
});

describe("properties", () => {
  const dropouts = (n: number) =>
    fc.uniqueArray(fc.record({ client: fc.nat(n - 1), before: fc.constantFrom(...phases) }), {
      selector: ({ client }) => client,
      maxLength: n,
    });
  const rounds = fc
    .integer({ min: 3, max: 9 })
    .chain((n) =>
      fc.record({ n: fc.constant(n), bits: fc.integer({ min: 8, max: 32 }), dropouts: dropouts(n) }),
    );

  function play({
    n,
    bits,
    ...rest
  }: { n: number; bits: number; dropouts: readonly Dropout[] } & Partial<RunOptions>) {
    const vectors = randomVectors(n, { length: 5, bits });
    const result = run({ vectors, bits, seed, suite, ...rest });
    if (result.outcome === "released") {
      expect([...result.sum!]).toEqual(plainSum(vectors, result.survivors, bits));
      expect(result.survivors.length).toBeGreaterThanOrEqual(2);
    } else {
      expect(ERROR_CODES).toContain(result.outcome.code satisfies ErrorCode);
      expect(result.sum).toBeUndefined();
    }
    return result;
  }

  test("complete graph: the exact sum while the threshold answers every phase, a typed failure otherwise", () => {
    fc.assert(
      fc.property(rounds, ({ n, bits, dropouts }) => {
        const result = play({ n, bits, dropouts, graph: "complete" });
        const u1 = n - dropouts.filter(({ before }) => before === "enrolling").length;
        const threshold = Math.ceil(u1 / 2) + 1;
        expect(result.outcome === "released").toBe(u1 >= 2 && n - dropouts.length >= threshold);
      }),
      { numRuns: 40 },
    );
  });

  test("regular graph: the exact sum or a typed failure", () => {
    const regular = fc
      .integer({ min: 6, max: 14 })
      .chain((n) =>
        fc.record({ n: fc.constant(n), bits: fc.constantFrom(8, 20, 32), dropouts: dropouts(n) }),
      );
    let released = 0;
    fc.assert(
      fc.property(regular, (round) => {
        if (play({ ...round, graph: "regular", dropout: 0.2 }).outcome === "released") released++;
      }),
      { numRuns: 25, seed: 1 },
    );
    expect(released).toBeGreaterThan(5);
  });

  test("whatever an adversary on the wire does to one message, the sum is exact or absent", () => {
    const n = 5;
    const vectors = randomVectors(n, { length: 6, bits: 16 });
    const honest = run({ vectors, bits: 16, seed, suite, dropout: 0.2 });
    const tampering = fc.record({
      at: fc.nat(honest.transcript.length - 1),
      how: fc.constantFrom("drop", "repeat", "flip"),
      byte: fc.nat(),
      bit: fc.nat(7),
    });
    fc.assert(
      fc.property(tampering, ({ at, how, byte, bit }) => {
        let position = 0;
        let altered: string | undefined;
        const intercept = (delivery: Delivery) => {
          if (position++ !== at) return [delivery];
          if (how === "drop") return [];
          if (how === "repeat") return [delivery, delivery];
          altered = delivery.message.type;
          return [flipBit(delivery, { byte, bit })];
        };
        const result = run({ vectors, bits: 16, seed, suite, dropout: 0.2, intercept });
        // A client's own masked input is not authenticated inside the machine: its connection does that.
        if (result.outcome === "released" && altered !== "masked-input")
          expect([...result.sum!]).toEqual(plainSum(vectors, result.survivors, 16));
        else if (result.outcome !== "released") expect(ERROR_CODES).toContain(result.outcome.code);
      }),
      { numRuns: 40 },
    );
  });
});

/** The delivery with one bit of one of its byte strings flipped. */
function flipBit(delivery: Delivery, { byte, bit }: { byte: number; bit: number }): Delivery {
  const message = structuredClone(delivery.message);
  const strings: Uint8Array[] = [];
  const collect = (value: unknown): void => {
    if (value instanceof Uint8Array) strings.push(value);
    else if (typeof value === "object" && value !== null) Object.values(value).forEach(collect);
  };
  collect(message);
  const chosen = strings[byte % Math.max(strings.length, 1)];
  if (chosen !== undefined) chosen[byte % chosen.length]! ^= 1 << bit;
  return { ...delivery, message } as Delivery;
}
