import { KindredError } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { readSourceItems } from "./source-items.ts";

const line = (fields: object) => JSON.stringify(fields);
const first = line({ id: "1", title: "Heat" });

function rejectionOf(content: string, name = "items.jsonl") {
  try {
    readSourceItems(content, name);
  } catch (error) {
    if (error instanceof KindredError) return error.rejection;
    throw error;
  }
  throw new Error("the items were accepted");
}

describe("items", () => {
  it("are read from JSON lines", () => {
    const full = line({
      id: 2,
      title: " Amélie ",
      text: "A waitress.",
      tags: ["Romance", "Comedy", "Romance", ""],
      price: 9.5,
      year: "2001",
      maker: "UGC",
      sold: true,
      note: null,
      vectors: { image: [0.5, -1] },
    });
    expect(readSourceItems(`${first}\n\n${full}\n`, "items.jsonl")).toEqual([
      { id: "1", title: "Heat", text: "", tags: [], attributes: {}, vectors: {} },
      {
        id: "2",
        title: "Amélie",
        text: "A waitress.",
        tags: ["Romance", "Comedy"],
        attributes: { price: 9.5, year: 2001, maker: "UGC", sold: "true" },
        vectors: { image: Float32Array.of(0.5, -1) },
      },
    ]);
  });

  it("are read from CSV with quotes, line breaks, a byte-order mark and Windows line ends", () => {
    const csv =
      '\uFEFFid,title,tags,text,vectors.image\r\n1,"Heat, the ""film""",Crime|Drama,"two\nlines",1 2\r\n2,Up,,,\r\n';
    const [heat, up] = readSourceItems(csv, "items.csv");
    expect(heat).toMatchObject({ title: 'Heat, the "film"', tags: ["Crime", "Drama"], text: "two\nlines" });
    expect(heat!.vectors["image"]).toEqual(Float32Array.of(1, 2));
    expect(up).toEqual({ id: "2", title: "Up", text: "", tags: [], attributes: {}, vectors: {} });
  });

  it.each([
    ["JSON that is none", `${first}\n{"id":`, "items.jsonl:2", "must be one JSON object"],
    ["an array", `${first}\n[]`, "items.jsonl:2", "must be one JSON object"],
    ["no title", `${first}\n\n${line({ id: "2" })}`, "items.jsonl:3 title", "must be there"],
    [
      "a second item of an id",
      `${first}\n${first}`,
      "items.jsonl:2 id",
      'must be unique, but "1" is also on line 1',
    ],
    [
      "a tag that is no text",
      `${first}\n${line({ id: "2", title: "x", tags: ["a", 1] })}`,
      "items.jsonl:2 tags.1",
      "must be a text",
    ],
    [
      "an attribute that is an object",
      `${first}\n${line({ id: "2", title: "x", price: {} })}`,
      "items.jsonl:2 price",
      "must be a number or a text",
    ],
    [
      "a vector with a hole",
      `${first}\n${line({ id: "2", title: "x", vectors: { image: [1, null] } })}`,
      "items.jsonl:2 vectors.image.1",
      "must be a finite number",
    ],
    [
      "vectors of two lengths",
      `${line({ id: "1", title: "x", vectors: { image: [1] } })}\n${line({ id: "2", title: "y", vectors: { image: [1, 2] } })}`,
      "items.jsonl:2 vectors.image",
      "must have 1 entries as on line 1, found 2",
    ],
    ["one item", first, "items.jsonl", "must have at least 2 items, found 1"],
  ])("are refused with %s", (_, content, field, rule) => {
    const rejection = rejectionOf(content);
    expect(rejection).toMatchObject({ code: "catalogue-invalid", field });
    expect(rejection.rule).toContain(rule);
  });

  it.each([
    ["without the column title", "id,name\n1,x", "items.csv:1", "must have the column title"],
    ["with an open quote", 'id,title\n1,x\n2,"y', "items.csv:3", "must close its quote"],
    ["with too many cells", "id,title\n1,x,y", "items.csv:2", "at most 2 cells"],
    [
      "with the line of a record after one of several lines",
      'id,title\n1,"x\ny"\n2,',
      "items.csv:4 title",
      "must be there",
    ],
  ])("are refused from CSV %s", (_, content, field, rule) => {
    const rejection = rejectionOf(content, "items.csv");
    expect(rejection.field).toBe(field);
    expect(rejection.rule).toContain(rule);
  });
});
