import { publicRandom } from "@kindred/clustering";
import { describe, expect, it } from "vitest";
import { invertPositiveDefinite } from "./positive-definite.ts";

/** B·Bᵀ + I of a random B. */
function randomPositiveDefinite(size: number, seed: number): Float64Array {
  const random = publicRandom(seed);
  const factor = Float64Array.from({ length: size * size }, () => 2 * random() - 1);
  const data = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) {
      let dot = i === j ? 1 : 0;
      for (let k = 0; k < size; k++) dot += factor[i * size + k]! * factor[j * size + k]!;
      data[i * size + j] = dot;
    }
  return data;
}

describe("the inverse of a positive definite matrix", () => {
  it("is exact on a small example", () => {
    // [[4, 2], [2, 3]]⁻¹ = [[3, −2], [−2, 4]] / 8
    const { data } = invertPositiveDefinite({ size: 2, data: Float64Array.of(4, 2, 2, 3) });
    [0.375, -0.25, -0.25, 0.5].forEach((value, i) => {
      expect(data[i]).toBeCloseTo(value, 14);
    });
  });

  it.each([1, 3, 4, 5, 8, 30, 33])("gives the identity with its matrix at size %i", (size) => {
    const original = randomPositiveDefinite(size, size);
    const { data } = invertPositiveDefinite({ size, data: original.slice() });
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) {
        let dot = 0;
        for (let k = 0; k < size; k++) dot += original[i * size + k]! * data[k * size + j]!;
        expect(dot).toBeCloseTo(i === j ? 1 : 0, 9);
        expect(data[i * size + j]).toBe(data[j * size + i]);
      }
  });

  it("reads the lower triangle only", () => {
    const { data } = invertPositiveDefinite({ size: 2, data: Float64Array.of(4, Number.NaN, 2, 3) });
    expect(data[1]).toBeCloseTo(-0.25, 14);
  });

  it("refuses a matrix that is not positive definite", () => {
    expect(() => invertPositiveDefinite({ size: 2, data: Float64Array.of(1, 2, 2, 1) })).toThrow(
      "must belong to a positive definite matrix",
    );
  });
});
