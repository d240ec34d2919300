import { describe, expect, it } from "vitest";
import { seededRandom } from "../random.ts";
import { itemAttributes } from "./item-attributes.ts";
import { predictItemParameters } from "./item-parameters.ts";

const TAGS = ["crime", "love", "war", "space", "horse"];
const random = seededRandom(5);
const items = Array.from({ length: 400 }, (_, i) => {
  const tags = TAGS.filter(() => random() < 0.4);
  const year = 1960 + Math.floor(60 * random());
  return { id: `${i}`, title: `Film ${i % 40} (${year})`, tags, year };
});
/** Planted: linear in the tags, smooth in the year. */
const truth = Float64Array.from(
  items.flatMap(({ tags, year }) => [
    (tags.includes("crime") ? 1 : 0) - (tags.includes("war") ? 2 : 0),
    Math.sin((year - 1960) / 12),
  ]),
);
const positions = items.map((_, i) => i);
const known = positions.filter((i) => i % 4 !== 0);
const wanted = positions.filter((i) => i % 4 === 0);
const of = (rows: readonly number[], values = truth) =>
  Float64Array.from(rows.flatMap((i) => [values[2 * i]!, values[2 * i + 1]!]));
const attributes = itemAttributes(items);

describe("parameters of items that training has not seen", () => {
  it("are those of a planted map, which is said to explain them", () => {
    const { parameters, explained } = predictItemParameters(attributes, {
      known,
      parameters: of(known),
      wanted,
    });
    const actual = of(wanted);
    for (const t of [0, 1]) {
      let error = 0;
      let spread = 0;
      for (let i = t; i < actual.length; i += 2) {
        error += (actual[i]! - parameters[i]!) ** 2;
        spread += actual[i]! ** 2;
      }
      expect(error / spread).toBeLessThan(0.1);
      expect(explained[t]).toBeGreaterThan(0.85);
    }
  });

  it("are the same each time", () => {
    const options = { known, parameters: of(known), wanted };
    expect(predictItemParameters(attributes, options)).toEqual(predictItemParameters(attributes, options));
  });

  it("are the mean where few items are known, or attributes say nothing", () => {
    const few = known.slice(0, 10);
    const byFew = predictItemParameters(attributes, { known: few, parameters: of(few), wanted });
    const mean = few.reduce((sum, i) => sum + truth[2 * i]! / few.length, 0);
    for (let i = 0; i < wanted.length; i++) expect(byFew.parameters[2 * i]).toBeCloseTo(mean, 12);
    expect([...byFew.explained]).toEqual([0, 0]);

    const alike = itemAttributes(items.map(() => ({ title: "Film", tags: [] })));
    const bare = predictItemParameters(alike, { known, parameters: of(known), wanted });
    const whole = known.reduce((sum, i) => sum + truth[2 * i]! / known.length, 0);
    expect(bare.parameters[0]).toBeCloseTo(whole, 2);
    expect(bare.explained[0]).toBeLessThan(0.01);
  });

  it("need no item that wants them", () => {
    const { parameters } = predictItemParameters(attributes, { known, parameters: of(known), wanted: [] });
    expect(parameters).toHaveLength(0);
  });
});

describe("attributes", () => {
  const row = (title: string, tags: string[] = []) => {
    const rows = itemAttributes([
      { title, tags },
      { title: "Heat 2 (1996)", tags: ["crime"] },
    ]);
    const dense = (i: number) => {
      const values = new Float64Array(rows.columns);
      for (let at = rows.starts[i]!; at < rows.starts[i + 1]!; at++)
        values[rows.indices[at]!] = rows.values[at]!;
      return values;
    };
    const [one, other] = [dense(0), dense(1)];
    return one.reduce((sum, value, i) => sum + value * other[i]!, 0);
  };

  it("make near years alike, and sequels, and what shares a tag", () => {
    expect(row("(1995)")).toBeGreaterThan(row("(1990)") + 0.3);
    expect(row("(1990)")).toBeGreaterThan(row("(1950)") + 0.1);
    expect(row("Heat")).toBeGreaterThan(row("Cold") + 0.1);
    expect(row("Cold", ["Crime"])).toBeGreaterThan(row("Cold", ["Love"]) + 0.5);
  });

  it("take only a number from 1800 to 2099 for a year, the last of several", () => {
    expect(row("2001: A Space Odyssey (1968)")).toBeCloseTo(row("A Space Odyssey 2001 (1968)"), 1);
    expect(row("Space 12000")).toBe(row("Space 13000"));
  });

  it("may be none at all", () => {
    const { starts } = itemAttributes([{ title: "…", tags: ["!"] }]);
    expect(starts[1]).toBe(2);
  });
});
