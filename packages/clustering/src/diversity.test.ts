import { describe, expect, it } from "vitest";
import { describesDiversely } from "./diversity.ts";
import { matrixFromRows } from "./matrix.ts";

const east = Float32Array.of(1, 0);
const north = Float32Array.of(0, 1);

/** Four items along each axis; those to the east have the tags given. */
function catalogue(tags: readonly (readonly string[])[]) {
  const others = [["film"], ["film"], ["film"], ["film"]];
  return {
    items: [...tags, ...others].map((own) => ({ tags: own })),
    units: matrixFromRows([...tags.map(() => east), ...others.map(() => north)]),
  };
}

const rules = { sensitive: ["health", "faith"], diversity: 2 };

describe("l-diversity of a description", () => {
  it.each<[string, string[][], boolean]>([
    ["nothing sensitive", [["a"], ["a"], ["b"], []], true],
    ["one in two of a sensitive category", [["health"], ["health", "a"], ["b"], []], true],
    ["more than one in two", [["health"], ["health"], ["health", "faith"], []], false],
    ["two categories, of which neither dominates", [["health"], ["health"], ["faith"], ["faith"]], true],
    ["a tag that an item names twice", [["health", "health"], ["health"], ["b"], ["c"]], true],
  ])("%s", (_, tags, passes) => {
    const isDiverse = describesDiversely(catalogue(tags), rules);
    expect(isDiverse(east, 2)).toBe(passes);
    expect(isDiverse(north, 2)).toBe(true);
  });

  it("judges as many items as describe one of so many clusters", () => {
    const isDiverse = describesDiversely(catalogue([["health"], ["health"], ["b"], ["c"]]), rules);
    expect([isDiverse(east, 8), isDiverse(east, 3), isDiverse(east, 2)]).toEqual([false, false, true]);
  });

  it("asks more of a larger l, and nothing where no category is declared", () => {
    const half = catalogue([["health"], ["health"], ["b"], ["c"]]);
    expect(describesDiversely(half, { ...rules, diversity: 3 })(east, 2)).toBe(false);
    expect(describesDiversely(half, { ...rules, diversity: 3, sensitive: [] })(east, 2)).toBe(true);
  });

  it("refuses items that do not fit, centroids of another dimension and an l below 1", () => {
    const { items, units } = catalogue([["a"], ["a"], ["a"], ["a"]]);
    expect(() => describesDiversely({ items: items.slice(1), units }, rules)).toThrow("7 items do not fit 8");
    expect(() => describesDiversely({ items, units }, { ...rules, diversity: 0 })).toThrow("at least 1");
    expect(() => describesDiversely({ items, units }, rules)(Float32Array.of(1, 0, 0), 2)).toThrow(
      "dimension",
    );
  });
});
