import { describe, expect, it } from "vitest";
import { dequantiseRows, quantiseRows } from "./quantised-rows.ts";

describe("quantised rows", () => {
  it("lose at most half a level of each row's largest magnitude", () => {
    const values = Float32Array.from({ length: 6 * 32 }, (_, i) => Math.sin(i * i) * 10 ** ((i >> 5) - 3));
    const quantised = quantiseRows(values, 32);
    const restored = dequantiseRows(quantised);
    restored.forEach((value, i) => {
      expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(quantised.scales[i >> 5]! * 0.5000001);
    });
  });

  it("restore the same bits each time, and quantise them to the same codes again", () => {
    const values = Float32Array.of(0.1, -0.7, 0.3, 0, 0, 0, 5, -5, 1e-3);
    const once = dequantiseRows(quantiseRows(values, 3));
    expect(dequantiseRows(quantiseRows(once, 3))).toEqual(once);
    expect(Array.from(quantiseRows(values, 3).codes)).toEqual([18, -127, 54, 0, 0, 0, 127, -127, 0]);
  });

  it.each([
    ["half a row", Float32Array.of(1, 2, 3), 2],
    ["no columns", Float32Array.of(1), 0],
    ["NaN", Float32Array.of(1, Number.NaN), 2],
    ["infinity", Float32Array.of(Number.NEGATIVE_INFINITY), 1],
  ])("refuse %s", (_, values, columns) => {
    expect(() => quantiseRows(values, columns)).toThrow("option-invalid");
  });
});
