import { describe, expect, it } from "vitest";
import { seededRandom } from "../random.ts";
import { fitPrincipalProjection, project } from "./principal-projection.ts";

/** Rows with deviations 10, 5, 1, .1, .1, … along rotated axes. */
function spread(count: number, inputs: number): Float32Array {
  const random = seededRandom(3);
  const rows = new Float32Array(count * inputs);
  const deviations = [10, 5, 1];
  for (let row = 0; row < count; row++) {
    const drawn = Array.from(
      { length: inputs },
      (_, i) => (deviations[i] ?? 0.1) * (random() + random() - 1),
    );
    for (let i = 0; i < inputs; i += 2) {
      const [a, b] = [drawn[i]!, drawn[i + 1]!];
      rows[row * inputs + i] = 0.6 * a + 0.8 * b + 3;
      rows[row * inputs + i + 1] = 0.8 * a - 0.6 * b - 7;
    }
  }
  return rows;
}

describe("a principal projection", () => {
  const inputs = 12;
  const rows = spread(500, inputs);
  const projection = fitPrincipalProjection(rows, { inputs, outputs: 3, seed: 1 });

  it("has orthonormal columns along the largest variances, in order", () => {
    const { basis } = projection;
    const column = (j: number) => Array.from({ length: inputs }, (_, i) => basis[i * 3 + j]!);
    const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    for (let a = 0; a < 3; a++)
      for (let b = 0; b <= a; b++) expect(dot(column(a), column(b))).toBeCloseTo(a === b ? 1 : 0, 5);
    expect(Math.abs(column(0)[0]!)).toBeCloseTo(0.6, 1);
    expect(Math.abs(column(0)[1]!)).toBeCloseTo(0.8, 1);
    expect(Math.abs(column(2)[2]!)).toBeCloseTo(0.6, 1);
  });

  it("takes the mean off and keeps nearly all of the variance", () => {
    const projected = project(rows, projection);
    let kept = 0;
    let total = 0;
    const sums = [0, 0, 0];
    projected.forEach((value, i) => {
      kept += value * value;
      sums[i % 3]! += value / 500;
    });
    rows.forEach((value, i) => {
      total += (value - projection.mean[i % inputs]!) ** 2;
    });
    expect(kept / total).toBeGreaterThan(0.998);
    for (const sum of sums) expect(sum).toBeCloseTo(0, 3);
  });

  it("stays orthonormal and finite where there are fewer directions than asked for", () => {
    const flat = Float32Array.from({ length: 40 }, (_, i) => (i % 4 === 0 ? i : 1));
    const { basis, outputs } = fitPrincipalProjection(flat, { inputs: 4, outputs: 9, seed: 1 });
    expect(outputs).toBe(4);
    for (let a = 0; a < 4; a++)
      for (let b = 0; b <= a; b++) {
        let dot = 0;
        for (let i = 0; i < 4; i++) dot += basis[i * 4 + a]! * basis[i * 4 + b]!;
        expect(dot).toBeCloseTo(a === b ? 1 : 0, 5);
      }
  });
});
