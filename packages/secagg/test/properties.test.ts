/**
 * Whole rounds with everything drawn at random: cohort, graph, modulus, vectors, dropouts, cheating, the order of
 * deliveries. Each ends in the exact sum of the survivors or in a typed failure, in a bounded number of deliveries.
 */
import { ERROR_CODES, revealedColumns, revealedShares, utf8ToBytes } from "@kindred/protocol";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { chooseGraph } from "../src/graph.ts";
import { type Delivery, type RunOptions, type RunResult, run } from "../src/run.ts";
import type { ServerPhase } from "../src/server-state.ts";
import { randomFrom, suite } from "./cohort.ts";

const phases: readonly ServerPhase[] = ["enrolling", "sharing", "masking", "consistency", "unmasking"];
const seed = utf8ToBytes("properties");
// Portable curves on a busy machine take their time; the runs are bounded by their deliveries, not by this.
vi.setConfig({ testTimeout: 240_000 });

interface Round {
  readonly n: number;
  readonly graph: "complete" | "regular";
  readonly corruption: number;
  readonly dropout: number;
  readonly bits: number;
  readonly length: number;
  /** Names the vectors. */
  readonly label: number;
}

const rounds = fc.constantFrom("complete" as const, "regular" as const).chain((graph) =>
  fc.record({
    graph: fc.constant(graph),
    n: graph === "complete" ? fc.integer({ min: 2, max: 9 }) : fc.integer({ min: 7, max: 14 }),
    corruption: fc.constantFrom(0, 0, 0.1),
    dropout: fc.constantFrom(0, 0.1, 0.2),
    bits: fc.integer({ min: 1, max: 32 }),
    length: fc.integer({ min: 1, max: 9 }),
    label: fc.nat(1000),
  }),
);

/** Up to `most` clients, each silent from some phase on. */
const dropoutsOf = ({ n }: Round, most: number) =>
  fc.uniqueArray(fc.record({ client: fc.nat(n - 1), before: fc.constantFrom(...phases) }), {
    selector: ({ client }) => client,
    maxLength: most,
  });

function vectorsOf({ n, bits, length, label }: Round): Uint32Array[] {
  const random = randomFrom(`vectors ${label}`);
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

/** Plays a round and holds its end to what every end has to be, but for the value of the sum. */
function play(
  round: Round,
  { intercept, ...options }: Partial<RunOptions> = {},
): { result: RunResult; vectors: readonly Uint32Array[] } {
  const vectors = vectorsOf(round);
  const { n, bits, graph, corruption, dropout } = round;
  let deliveries = 0;
  const counted = (delivery: Delivery): readonly Delivery[] => {
    // Five questions and answers and a departure for each client, and the answer to each departure.
    if (++deliveries > 12 * n) throw new Error("the round does not end");
    return intercept?.(delivery) ?? [delivery];
  };
  const result = run({
    ...options,
    vectors,
    bits,
    graph,
    corruption,
    dropout,
    seed,
    suite,
    intercept: counted,
  });
  if (result.outcome === "released") {
    expect(result.sum).toHaveLength(round.length);
    expect(result.survivors.length).toBeGreaterThanOrEqual(2);
  } else {
    expect(ERROR_CODES).toContain(result.outcome.code);
    expect(result.outcome.rule).not.toBe("");
    expect(result).toMatchObject({ survivors: [], corrupt: [] });
    expect(result.sum).toBeUndefined();
  }
  for (const { rejection } of [...result.refusals, ...result.rejections])
    expect(ERROR_CODES).toContain(rejection.code);
  return { result, vectors };
}

/** As `play`, where nobody lies about a vector: a released sum is that of the survivors. */
function playExactly(round: Round, options: Partial<RunOptions> = {}): RunResult {
  const { result, vectors } = play(round, options);
  if (result.outcome === "released")
    expect([...result.sum!]).toEqual(plainSum(vectors, result.survivors, round.bits));
  return result;
}

/** Runs that released and runs that did not, so that a property shows that it has seen both. */
class Tally {
  released = 0;
  failed = 0;

  count({ outcome }: RunResult): void {
    if (outcome === "released") this.released++;
    else this.failed++;
  }

  /** @param least shares of all runs */
  expectAtLeast(least: { released: number; failed: number }): void {
    const all = this.released + this.failed;
    expect(this.released).toBeGreaterThanOrEqual(least.released * all);
    expect(this.failed).toBeGreaterThanOrEqual(least.failed * all);
  }
}

describe("dropouts in every phase", () => {
  test("the sum of exactly those whose masked input arrived, and as often as the thresholds allow", () => {
    const tally = new Tally();
    const property = fc.property(
      rounds.chain((round) => fc.tuple(fc.constant(round), dropoutsOf(round, Math.ceil(round.n / 3)))),
      ([round, dropouts]) => {
        const result = playExactly(round, { dropouts });
        tally.count(result);
        expect(result.corrupt).toEqual([]);
        // In the regular graph a member whom too few neighbours are left leaves: its shares would not reconstruct.
        const leaving = result.refusals.map(({ rejection }) => rejection.code);
        expect(leaving).toEqual(leaving.map(() => "too-few-survivors"));
        if (round.graph === "complete") expect(leaving).toEqual([]);
        const lost = (...before: ServerPhase[]) =>
          dropouts.filter((dropout) => before.includes(dropout.before)).map(({ client }) => client);
        const gone = lost("enrolling", "sharing", "masking");
        const everyone = Array.from({ length: round.n }, (_, client) => client);
        if (result.outcome === "released" && leaving.length === 0)
          expect(result.survivors).toEqual(everyone.filter((client) => !gone.includes(client)));
        const size = round.n - lost("enrolling").length;
        const chosen = chooseGraph({ ...round, n: size });
        // Whoever drops out before the quorum has signed is missing from it, and t of those who signed reveal.
        const signers = size - lost("sharing", "masking", "consistency").length;
        const enough =
          chosen.ok &&
          signers >= Math.max(2, chosen.value.quorum) &&
          (round.graph === "regular" || signers - lost("unmasking").length >= chosen.value.threshold);
        if (!enough) expect(result.outcome).not.toBe("released");
        if (enough && round.graph === "complete") expect(result.outcome).toBe("released");
      },
    );
    fc.assert(property, { numRuns: 40, seed: 1 });
    tally.expectAtLeast({ released: 0.3, failed: 0.1 });
  });
});

describe("members that reveal wrong shares", () => {
  test("the exact sum and none but cheaters named, or a failed reconstruction", () => {
    const tally = new Tally();
    let named = 0;
    const cheating = rounds.chain((round) =>
      fc.tuple(
        fc.constant(round),
        dropoutsOf(round, 1),
        fc.uniqueArray(fc.nat(round.n - 1), { maxLength: 3, minLength: 1 }),
        fc.nat(),
      ),
    );
    const property = fc.property(cheating, ([round, dropouts, cheaters, noise]) => {
      const intercept = (delivery: Delivery): readonly Delivery[] => {
        const { from, message } = delivery;
        if (message.type !== "reveal" || !cheaters.includes(from as number)) return [delivery];
        const shares = revealedShares(message).map((revealed, i) => {
          const share = revealed.share.slice();
          // The top byte of a chunk stays, so the share is well-formed. Errors that are the same for all cheaters could
          // fit another polynomial, on which somebody honest does not lie: more colluders than the code corrects can frame.
          const error = randomFrom(`cheat ${from} ${i} ${noise}`)(3);
          error[2]! |= 1;
          error.forEach((bits, byte) => {
            share[4 * ((noise + i + (from as number)) % (share.length / 4)) + 1 + byte]! ^= bits;
          });
          return { ...revealed, share };
        });
        return [{ ...delivery, message: { ...message, ...revealedColumns(shares) } } as Delivery];
      };
      const result = playExactly(round, { dropouts, intercept });
      tally.count(result);
      for (const member of result.corrupt) expect(cheaters).toContain(member);
      named += result.corrupt.length;
    });
    fc.assert(property, { numRuns: 30, seed: 2 });
    tally.expectAtLeast({ released: 0.2, failed: 0.1 });
    expect(named).toBeGreaterThan(5);
  });
});

describe("deliveries out of order and more than once", () => {
  test("change no sum", () => {
    const tally = new Tally();
    let moved = 0;
    const disorder = fc.record({
      round: rounds,
      moves: fc.array(fc.constantFrom("pass", "pass", "pass", "pass", "twice", "hold"), {
        minLength: 8,
        maxLength: 40,
      }),
    });
    const property = fc.property(disorder, ({ round, moves }) => {
      const held: Delivery[] = [];
      let position = 0;
      const intercept = (delivery: Delivery): readonly Delivery[] => {
        const move = moves[position++ % moves.length];
        if (move !== "pass") moved++;
        if (move === "hold" && held.length === 0) {
          held.push(delivery);
          return [];
        }
        // What was held comes behind the message that overtook it.
        return [delivery, ...(move === "twice" ? [delivery] : []), ...held.splice(0)];
      };
      tally.count(playExactly(round, { intercept }));
    });
    fc.assert(property, { numRuns: 30, seed: 3 });
    tally.expectAtLeast({ released: 0.2, failed: 0.1 });
    expect(moved).toBeGreaterThan(100);
  });
});

describe("one hostile delivery", () => {
  const honest = {
    complete: { n: 6, graph: "complete", corruption: 0, dropout: 0.2, bits: 11, length: 6, label: 1 },
    regular: { n: 10, graph: "regular", corruption: 0, dropout: 0.2, bits: 11, length: 6, label: 1 },
  } as const;

  test.each(["complete", "regular"] as const)("%s graph: the exact sum or a typed failure", (graph) => {
    const round: Round = honest[graph];
    const { n, bits } = round;
    const dropouts = [{ client: 1, before: "masking" }] as const;
    const calm = playExactly(round, { dropouts });
    expect(calm.outcome).toBe("released");
    const kinds = calm.transcript.map(({ type }) => type);
    const tally = new Tally();
    const noticed = new Set<string>();
    const hostile = fc.constantFrom(...new Set(kinds)).chain((type) =>
      fc.record({
        at: fc.constantFrom(...kinds.flatMap((kind, i) => (kind === type ? [i] : []))),
        how: fc.constantFrom("flip", "flip", "flip", "drop", "replay", "later", "elsewhere"),
        byte: fc.nat(),
        bit: fc.nat(7),
        other: fc.nat(n - 1),
      }),
    );
    const property = fc.property(hostile, ({ at, how, byte, bit, other }) => {
      let position = 0;
      let replayed: Delivery | undefined;
      let flipped: "vector" | "other" | undefined;
      const intercept = (delivery: Delivery): readonly Delivery[] => {
        const i = position++;
        if (i === at + n && replayed) return [delivery, replayed];
        if (i !== at) return [delivery];
        switch (how) {
          case "drop":
            return [];
          case "replay":
            return [delivery, delivery];
          case "later":
            replayed = delivery;
            return [delivery];
          case "elsewhere":
            return [
              (delivery.to === "coordinator"
                ? { ...delivery, from: other }
                : { ...delivery, to: other }) as Delivery,
            ];
          default: {
            const { altered, field } = flipBit(delivery, { byte, bit });
            flipped = delivery.message.type === "masked-input" && field === "vector" ? "vector" : "other";
            return [altered];
          }
        }
      };
      const { result, vectors } = play(round, { dropouts, intercept });
      tally.count(result);
      const { refusals, rejections, corrupt } = result;
      if (refusals.length + rejections.length + corrupt.length > 0) noticed.add(kinds[at]!);
      if (result.outcome !== "released") return;
      const difference = plainSum(vectors, result.survivors, bits).map(
        (entry, i) => (result.sum![i]! - entry + 2 ** bits) % 2 ** bits,
      );
      const wrong = difference.filter((entry) => entry !== 0);
      // Nobody but its sender can say what a masked input should be: the connection protects it. One flipped bit moves
      // one entry by a power of two, as if the sender had chosen so, and nothing else.
      if (flipped !== "vector") expect(wrong).toEqual([]);
      expect(wrong.length).toBeLessThanOrEqual(1);
      for (const entry of wrong) expect(isSignedPower(entry, bits)).toBe(true);
    });
    fc.assert(property, { numRuns: 70, seed: 6 });
    tally.expectAtLeast({ released: 0.4, failed: 0 });
    // Every kind of message was altered, and the alteration was noticed.
    expect([...noticed].sort()).toEqual([...new Set(kinds)].sort());
  });
});

/** Whether an entry is 2^i or −2^i modulo 2^bits. */
function isSignedPower(entry: number, bits: number): boolean {
  return [entry, 2 ** bits - entry].some((value) => (value & (value - 1)) === 0);
}

/** The delivery with one bit of one of its byte strings flipped, and the name of the field that holds it. */
function flipBit(
  delivery: Delivery,
  { byte, bit }: { byte: number; bit: number },
): { altered: Delivery; field: string | undefined } {
  const message = structuredClone(delivery.message);
  const strings: { field: string; bytes: Uint8Array }[] = [];
  const collect = (field: string, value: unknown): void => {
    if (value instanceof Uint8Array && value.length > 0) strings.push({ field, bytes: value });
    else if (typeof value === "object" && value !== null)
      for (const [name, inner] of Object.entries(value)) collect(name, inner);
  };
  collect("", message);
  const chosen = strings[byte % Math.max(strings.length, 1)];
  if (chosen !== undefined)
    chosen.bytes[Math.floor(byte / strings.length) % chosen.bytes.length]! ^= 1 << bit;
  return { altered: { ...delivery, message } as Delivery, field: chosen?.field };
}
