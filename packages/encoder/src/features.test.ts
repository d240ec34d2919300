import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { itemFeatures, words } from "./features.ts";

const shape = { dimension: 64, textBuckets: 32_768, seed: 1 };
const catalogue = [
  { id: "1", title: "Toy Story (1995)", tags: ["Animation", "Children"] },
  { id: "2", title: "Toy Story 2 (1999)", tags: ["Animation", "Children"] },
  { id: "3", title: "Heat (1995)", tags: ["Crime", "Thriller"] },
  { id: "4", title: "Casino (1995)", tags: ["Crime", "Drama"] },
  { id: "5", title: "Amélie", tags: ["Romance"] },
  { id: "6", title: "!!!", tags: [] },
  { id: "7", title: "???", tags: [] },
];

function cosine(rows: Float32Array, a: number, b: number, dimension = shape.dimension): number {
  let dot = 0;
  for (let j = 0; j < dimension; j++) dot += rows[a * dimension + j]! * rows[b * dimension + j]!;
  return dot;
}

describe("itemFeatures", () => {
  it("gives rows of norm 1 that are nearer for related texts", () => {
    // A wide projection: at 64 dimensions two items' cosine has a standard error of .125.
    const dimension = 1024;
    const rows = itemFeatures(catalogue, { ...shape, dimension });
    expect(rows.length).toBe(catalogue.length * dimension);
    catalogue.forEach((_, index) => {
      expect(cosine(rows, index, index, dimension)).toBeCloseTo(1, 5);
    });
    expect(cosine(rows, 0, 1, dimension)).toBeGreaterThan(cosine(rows, 0, 2, dimension) + 0.2);
    expect(cosine(rows, 2, 3, dimension)).toBeGreaterThan(cosine(rows, 2, 4, dimension) + 0.2);
    expect(Math.abs(cosine(rows, 5, 6, dimension))).toBeLessThan(0.9);
  });

  it("is the same bit for bit everywhere", () => {
    const rows = itemFeatures(catalogue, shape);
    const digest = createHash("sha256").update(new Uint8Array(rows.buffer)).digest("hex");
    expect(digest).toBe("fa697d526ece1ebc23c8f251a2c6fa30f22f79c25f72311cb093a8cca94904a1");
    expect(itemFeatures(catalogue, { ...shape, seed: 2 })).not.toEqual(rows);
  });

  it("does not tell composed from decomposed or upper from lower case", () => {
    expect(words("AMÉLIE ﬁn 2")).toEqual(words("ame\u0301lie fin 2"));
    const other = catalogue.map((item) => ({ ...item, title: item.title.normalize("NFD").toUpperCase() }));
    expect(itemFeatures(other, shape)).toEqual(itemFeatures(catalogue, shape));
  });

  it("keeps a catalogue of equal items finite", () => {
    const rows = itemFeatures([catalogue[0]!, catalogue[0]!], shape);
    expect(rows.every((value) => Number.isFinite(value))).toBe(true);
    expect(cosine(rows, 0, 1)).toBeCloseTo(1, 5);
  });
});
