import { bytesToHex, utf8ToBytes } from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { platformMaskStream } from "#platform";
import { randomFrom, suite } from "../test/cohort.ts";
import { replayTranscript, type TranscriptOptions } from "../test/transcript.ts";
import vectors from "../test/vectors/transcripts.json" with { type: "json" };
import { tweetnaclSuite } from "./crypto.ts";
import { type Delivery, run } from "./run.ts";
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
  test.each(vectors.rounds)("$name", ({ options, expected }) => {
    expect(replayTranscript(options as TranscriptOptions)).toEqual(expected);
  });

  test("the portable suite plays the first one alike", () => {
    const { options, expected } = vectors.rounds[0]!;
    expect(
      replayTranscript(options as TranscriptOptions, tweetnaclSuite({ maskStream: platformMaskStream })),
    ).toEqual(expected);
  });
});
