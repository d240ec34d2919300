import { expect, it } from "vitest";
import type { Population } from "./population.ts";
import { typicalTagGroups } from "./typical-tags.ts";

function populationOf(people: readonly (readonly string[])[]): Population {
  const items = [
    { id: "a", title: "A", tags: ["film", "drama"] },
    { id: "b", title: "B", tags: ["film", "western"] },
    { id: "c", title: "C", tags: ["film", "drama"] },
    { id: "d", title: "D", tags: [] },
  ];
  const users = people.map((own, i) => ({
    id: `${i}`,
    interactions: own.map((item, time) => ({ item, action: "view" as const, time })),
  }));
  return { name: "test", items, users, notes: [] };
}

it("a person's group is the tag that sets them apart, not the most frequent one", () => {
  expect(
    typicalTagGroups(
      populationOf([
        ["a", "c"],
        ["b", "b"],
        ["a", "c", "d"],
        ["b", "a", "b"],
      ]),
    ),
  ).toEqual([0, 1, 0, 1]);
});

it("a person without a tag has none", () => {
  expect(typicalTagGroups(populationOf([["d"], [], ["a"]]))).toEqual([-1, -1, 0]);
});
