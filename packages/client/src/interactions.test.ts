import { KindredError } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { checkInteraction, type Interaction, type InteractionInput, InteractionLog } from "./interactions.ts";

const check = (input: unknown): Interaction =>
  checkInteraction(input as InteractionInput, { now: 42, isKnown: (item) => item.startsWith("film-") });

describe("checkInteraction", () => {
  it("fills in the time and keeps the rest", () => {
    expect(check({ item: "film-1", action: "view" })).toEqual({ item: "film-1", action: "view", time: 42 });
    const full = { item: "film-1", action: "rate", time: 7, rating: 1, text: "good" };
    expect(check(full)).toEqual(full);
  });

  it.each([
    [null, "interaction"],
    [{ item: "film-1", action: "view", user: "me" }, "interaction"],
    [{ item: "", action: "view" }, "interaction.item"],
    [{ item: 5, action: "view" }, "interaction.item"],
    [{ item: `film-${"x".repeat(130)}`, action: "view" }, "interaction.item"],
    [{ item: "secret", action: "view" }, "interaction.item"],
    [{ item: "film-1", action: "watch" }, "interaction.action"],
    [{ item: "film-1", action: "view", time: Number.NaN }, "interaction.time"],
    [{ item: "film-1", action: "view", time: -1 }, "interaction.time"],
    [{ item: "film-1", action: "view", time: "now" }, "interaction.time"],
    [{ item: "film-1", action: "rate" }, "interaction.rating"],
    [{ item: "film-1", action: "rate", rating: 5 }, "interaction.rating"],
    [{ item: "film-1", action: "rate", rating: Number.NaN }, "interaction.rating"],
    [{ item: "film-1", action: "view", text: 3 }, "interaction.text"],
    [{ item: "film-1", action: "view", text: "secret".repeat(2_000) }, "interaction.text"],
  ])("refuses %j and names the field", (input, field) => {
    let error: unknown;
    try {
      check(input);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(KindredError);
    const { rejection } = error as KindredError;
    expect(rejection).toMatchObject({ code: "option-invalid", field });
    expect(rejection.fix.length).toBeGreaterThan(5);
    expect(JSON.stringify(rejection)).not.toContain("secret");
  });
});

describe("InteractionLog", () => {
  const entry = (item: string, time: number, rating?: number): Interaction => ({
    item,
    action: "view",
    time,
    ...(rating === undefined ? {} : { rating }),
  });

  it("keeps one of several equal ones", () => {
    const log = new InteractionLog([entry("a", 1), entry("a", 1)]);
    expect(log.add(entry("a", 1))).toBe(false);
    expect(log.add(entry("a", 2))).toBe(true);
    expect(log.add({ ...entry("a", 1), action: "like" })).toBe(true);
    expect(log.entries).toHaveLength(3);
  });

  it("gives a sequence of the known items, oldest first, in the order of recording where times are equal", () => {
    const log = new InteractionLog([entry("c", 9, 0.5), entry("x", 3), entry("a", 2), entry("b", 9)]);
    const sequence = log.sequence(
      new Map([
        ["a", 0],
        ["b", 1],
        ["c", 2],
      ]),
    );
    expect(sequence).toEqual({
      items: [0, 2, 1],
      actions: [0, 0, 0],
      times: [2, 9, 9],
      ratings: [Number.NaN, 0.5, Number.NaN],
    });
  });

  it("an entry that was taken back can be added again", () => {
    const log = new InteractionLog();
    const first = entry("a", 1);
    log.add(first);
    log.remove(first);
    expect(log.entries).toEqual([]);
    expect(log.add(entry("a", 1))).toBe(true);
  });
});
