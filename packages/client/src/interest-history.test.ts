import type { Sequence } from "@kindred/encoder";
import { describe, expect, it } from "vitest";
import { InterestHistory } from "./interest-history.ts";

function sequenceOf(length: number, changed?: number): Sequence {
  const items = Array.from({ length }, (_, i) => (i === changed ? 99 : i));
  return {
    items,
    actions: items.map(() => 0),
    times: items.map((_, i) => i * 10),
    ratings: items.map(() => Number.NaN),
  };
}

/** A history whose answers are the sums of the items, and the lengths it asked for. */
function history() {
  const asked: number[][] = [];
  const own = new InterestHistory();
  const ask = (sequence: Sequence, hash = "a") =>
    own.milestones(sequence, {
      hash,
      userVectors: async (sequences) => {
        asked.push(sequences.map(({ items }) => items.length));
        return Float32Array.from(sequences, ({ items }) =>
          Array.from(items).reduce((sum, item) => sum + item, 0),
        );
      },
    });
  return { asked, ask };
}

describe("milestones of a record", () => {
  it("lie five interactions apart, and one at the end", async () => {
    const { ask } = history();
    const found = await ask(sequenceOf(12));
    expect(found.map(({ length, time, vector }) => [length, time, vector[0]])).toEqual([
      [5, 40, 10],
      [10, 90, 45],
      [12, 110, 66],
    ]);
    expect((await ask(sequenceOf(5))).map(({ length }) => length)).toEqual([5]);
    expect((await ask(sequenceOf(1))).map(({ length }) => length)).toEqual([1]);
  });

  it("cost one answer for one more interaction", async () => {
    const { ask, asked } = history();
    await ask(sequenceOf(12));
    await ask(sequenceOf(13));
    await ask(sequenceOf(13));
    await ask(sequenceOf(16));
    expect(asked).toEqual([[5, 10, 12], [13], [15, 16]]);
  });

  it("are computed anew where the record changed, and all of them for another model", async () => {
    const { ask, asked } = history();
    await ask(sequenceOf(12));
    const changed = await ask(sequenceOf(12, 7));
    expect(changed[1]!.vector[0]).toBe(45 - 7 + 99);
    await ask(sequenceOf(12, 7), "b");
    expect(asked).toEqual([
      [5, 10, 12],
      [10, 12],
      [5, 10, 12],
    ]);
  });

  it("are the latest hundred, and the end", async () => {
    const { ask } = history();
    const found = await ask(sequenceOf(903));
    expect(found).toHaveLength(101);
    expect(found[0]!.length).toBe(405);
    expect(found.at(-1)!.length).toBe(903);
  });
});
