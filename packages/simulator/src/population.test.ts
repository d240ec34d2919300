import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countInteractions, itemIndex, kCore, type Population, sortedByTime } from "./population.ts";

function population(histories: readonly (readonly number[])[]): Population {
  const ids = [...new Set(histories.flat())].sort((a, b) => a - b);
  return {
    name: "test",
    items: [...ids, 999].map((id) => ({ id: `i${id}`, title: `Item ${id}`, tags: [] })),
    users: histories.map((history, u) => ({
      id: `u${u}`,
      interactions: history.map((item, time) => ({ item: `i${item}`, action: "view" as const, time })),
    })),
    notes: ["made for a test"],
  };
}

describe("k-core", () => {
  it("removes what becomes rare through earlier removals", () => {
    // Item 3 is rare; without it user 2 is; without them item 2 is; users 0 and 1 and items 0, 1 remain.
    const core = kCore(
      population([
        [0, 1],
        [1, 0, 2],
        [2, 3],
      ]),
      2,
    );
    expect(core.users.map(({ id, interactions }) => [id, interactions.map(({ item }) => item)])).toEqual([
      ["u0", ["i0", "i1"]],
      ["u1", ["i1", "i0"]],
    ]);
    expect(core.items.map(({ id }) => id)).toEqual(["i0", "i1"]);
    expect(core.notes).toEqual(["made for a test", "2-core: 2 users, 2 items, 4 interactions."]);
  });

  it("leaves users and items of at least k interactions, and is idempotent and maximal", () => {
    const histories = fc.array(fc.uniqueArray(fc.nat(8), { maxLength: 9 }), { minLength: 1, maxLength: 14 });
    fc.assert(
      fc.property(histories, fc.integer({ min: 1, max: 3 }), (rows, k) => {
        // The reference: one removal at a time, until nothing is rare.
        let reference = rows.map((row) => [...row]);
        for (let changed = true; changed; ) {
          const before = reference.flat().length;
          const flat = reference.flat();
          const rare = flat.find((item) => flat.filter((other) => other === item).length < k);
          reference = reference.map((row) => (row.length < k ? [] : row.filter((item) => item !== rare)));
          changed = reference.flat().length !== before;
        }
        const expected = reference.filter((row) => row.length > 0);
        if (expected.length === 0) {
          expect(() => kCore(population(rows), k)).toThrow("has no users and items");
          return;
        }
        const core = kCore(population(rows), k);
        const found = core.users.map(({ interactions }) =>
          interactions.map(({ item }) => Number(item.slice(1))),
        );
        expect(found).toEqual(expected);
        expect(core.items.map(({ id }) => Number(id.slice(1)))).toEqual(
          [...new Set(expected.flat())].sort((a, b) => a - b),
        );
        const again = kCore(core, k);
        expect([again.users, again.items]).toEqual([core.users, core.items]);
      }),
    );
  });

  it("refuses a k that is no count", () => {
    expect(() => kCore(population([[1]]), 0)).toThrow("option-invalid: kCore.k");
    expect(() => kCore(population([[1]]), 2.5)).toThrow("option-invalid: kCore.k");
  });
});

describe("population", () => {
  it("indexes items and counts interactions", () => {
    const p = population([[4, 2], [2]]);
    expect(itemIndex(p)).toEqual(
      new Map([
        ["i2", 0],
        ["i4", 1],
        ["i999", 2],
      ]),
    );
    expect(countInteractions(p)).toBe(3);
  });

  it("sorts by time and keeps the order of ties", () => {
    const at = (item: string, time: number) => ({ item, time, action: "view" as const });
    const rows = [at("a", 5), at("b", 1), at("c", 5), at("d", 1)];
    expect(sortedByTime(rows).map(({ item }) => item)).toEqual(["b", "d", "a", "c"]);
    expect(rows[0]!.item).toBe("a");
  });
});
