import { describe, expect, it } from "vitest";
import { rankHeldOut, seenItems } from "./ranking.ts";
import { leaveLastOut } from "./split.ts";

describe("ranking the held-out items of a split", () => {
  const view = (item: string, time: number) => ({ item, time, action: "view" as const });
  const split = leaveLastOut({
    name: "test",
    items: [..."abcd"].map((id) => ({ id, title: id, tags: [] })),
    users: [
      { id: "x", interactions: [view("a", 1), view("b", 2), view("c", 3)] },
      { id: "y", interactions: [view("d", 1)] },
      { id: "z", interactions: [view("c", 1), view("d", 2)] },
    ],
    notes: [],
  });

  it("filters what each user has seen and asks for their own scores", () => {
    expect(seenItems(split.train)).toEqual([new Set([0, 1]), new Set([3]), new Set([2])]);
    const scores = [Float32Array.of(9, 8, 1, 2), new Float32Array(4), Float32Array.of(9, 8, 7, 6)];
    expect(rankHeldOut(split, (user) => scores[user]!)).toEqual([2, 3]);
  });
});
