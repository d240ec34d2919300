import { describe, expect, it } from "vitest";
import { sampleCatalogue } from "../test/samples.ts";
import { catalogueHash, parseCatalogue } from "./catalogue.ts";
import { KindredError, type Rejection } from "./errors.ts";

function refusal(document: unknown): Rejection {
  try {
    parseCatalogue(document);
  } catch (error) {
    if (error instanceof KindredError) return error.rejection;
    throw error;
  }
  throw new Error("the catalogue was accepted");
}

const item = (id: string, change: Record<string, unknown> = {}) => ({
  id,
  title: `Title ${id}`,
  tags: ["a"],
  ...change,
});
const catalogue = (...items: unknown[]) => ({ schema: "kindred.catalogue/1", items });

describe("parseCatalogue", () => {
  it("accepts a catalogue as it is", () => {
    expect(parseCatalogue(sampleCatalogue)).toEqual(sampleCatalogue);
  });

  it("names both places of a duplicate id", () => {
    expect(refusal(catalogue(item("a"), item("b"), item("c"), item("b")))).toEqual({
      code: "catalogue-invalid",
      field: "catalogue.items.3.id",
      rule: 'must be unique, but "b" is also items.1.id',
      fix: "remove the duplicate or give it an id of its own",
    });
  });

  it("counts further duplicates", () => {
    expect(refusal(catalogue(item("a"), item("a"), item("a"))).rule).toContain("(and 1 more)");
  });

  it.each([
    ["null", null, "catalogue", "must be an object, found null", "make it an object"],
    ["an array", [], "catalogue", "must be an object, found an array", "make it an object"],
    [
      "no schema",
      { items: [item("a"), item("b")] },
      "catalogue.schema",
      'must be "kindred.catalogue/1"',
      "add the field",
    ],
    [
      "no items",
      { schema: "kindred.catalogue/1" },
      "catalogue.items",
      "must be an array, but is missing",
      "add the field",
    ],
    [
      "one item",
      catalogue(item("a")),
      "catalogue.items",
      "must have at least 2 entries",
      "raise it to 2 or more",
    ],
    [
      "an id that is a number",
      catalogue(item("a"), item("b", { id: 7 })),
      "catalogue.items.1.id",
      "must be a string, found a number",
      "make it a string",
    ],
    [
      "an empty title",
      catalogue(item("a"), item("b", { title: "" })),
      "catalogue.items.1.title",
      "must have at least 1 characters",
      "raise it to 1 or more",
    ],
    [
      "a long tag",
      catalogue(item("a", { tags: ["x".repeat(129)] }), item("b")),
      "catalogue.items.0.tags.0",
      "must have at most 128 characters",
      "lower it to 128 or less",
    ],
    [
      "an unknown key",
      catalogue(item("a", { tag: [] }), item("b")),
      "catalogue.items.0.tag",
      'is not a field here: "tag"',
      'remove "tag", or check the spelling',
    ],
  ])("refuses %s", (_, document, field, rule, fix) => {
    expect(refusal(document)).toEqual({ code: "catalogue-invalid", field, rule, fix });
  });

  it("keeps a rejection short, whatever a key is called", () => {
    const { field, rule, fix } = refusal(catalogue(item("a", { ["k".repeat(9000)]: 1 }), item("b")));
    for (const text of [field, rule, fix]) expect(text.length).toBeLessThanOrEqual(500);
  });
});

describe("catalogueHash", () => {
  it("depends on content and order of items, not on the order of keys", () => {
    const [first, second] = sampleCatalogue.items as [
      (typeof sampleCatalogue.items)[0],
      (typeof sampleCatalogue.items)[0],
    ];
    const { id, title, tags } = first;
    const reordered = { items: [{ tags, title, id }, second], schema: sampleCatalogue.schema };
    expect(catalogueHash(reordered)).toBe(catalogueHash(sampleCatalogue));
    expect(catalogueHash({ ...sampleCatalogue, items: [second, first] })).not.toBe(
      catalogueHash(sampleCatalogue),
    );
    expect(catalogueHash({ ...sampleCatalogue, items: [{ ...first, title: "M" }, second] })).not.toBe(
      catalogueHash(sampleCatalogue),
    );
  });
});
