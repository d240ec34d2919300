import { describe, expect, it } from "vitest";
import { fourierTransform, inverseFourierTransform, TRANSFORM_ERROR } from "./fft.ts";
import { AesCtrRandom } from "./random.ts";

function sequenceOf(length: number) {
  const random = new AesCtrRandom(new Uint8Array(32).fill(length % 256));
  const draw = () => Float64Array.from({ length }, () => random.uniform() - 0.5);
  return { real: draw(), imaginary: draw() };
}

/** The transform by its definition, O(n²). */
function naive({ real, imaginary }: { real: Float64Array; imaginary: Float64Array }) {
  const n = real.length;
  const out = { real: new Float64Array(n), imaginary: new Float64Array(n) };
  for (let k = 0; k < n; k++) {
    for (let j = 0; j < n; j++) {
      const angle = (-2 * Math.PI * ((j * k) % n)) / n;
      out.real[k]! += real[j]! * Math.cos(angle) - imaginary[j]! * Math.sin(angle);
      out.imaginary[k]! += real[j]! * Math.sin(angle) + imaginary[j]! * Math.cos(angle);
    }
  }
  return out;
}

describe("fourierTransform", () => {
  it.each([1, 2, 4, 8, 64, 512])("is the transform by its definition at length %d", (length) => {
    const sequence = sequenceOf(length);
    const expected = naive(sequence);
    fourierTransform(sequence);
    for (let k = 0; k < length; k++) {
      expect(sequence.real[k]).toBeCloseTo(expected.real[k]!, 11);
      expect(sequence.imaginary[k]).toBeCloseTo(expected.imaginary[k]!, 11);
    }
  });

  it("is undone by its inverse to the documented error", () => {
    const length = 2 ** 14;
    const sequence = sequenceOf(length);
    const original = { real: sequence.real.slice(), imaginary: sequence.imaginary.slice() };
    fourierTransform(sequence);
    inverseFourierTransform(sequence);
    const sum = original.real.reduce((a, x, i) => a + Math.hypot(x, original.imaginary[i]!), 0);
    for (let i = 0; i < length; i++) {
      const error = Math.hypot(
        sequence.real[i]! - original.real[i]!,
        sequence.imaginary[i]! - original.imaginary[i]!,
      );
      expect(error).toBeLessThan(2 * TRANSFORM_ERROR * 14 * sum);
    }
  });

  it("turns a cyclic convolution into products", () => {
    const [a, b] = [sequenceOf(32), sequenceOf(64)];
    const x = Float64Array.from({ length: 64 }, (_, i) => a.real[i] ?? 0);
    const y = b.real;
    const expected = Float64Array.from({ length: 64 }, (_, k) =>
      x.reduce((sum, value, j) => sum + value * y[(k - j + 64) % 64]!, 0),
    );
    const [fx, fy] = [x, y].map((values) => ({
      real: values.slice(),
      imaginary: new Float64Array(64),
    }));
    fourierTransform(fx!);
    fourierTransform(fy!);
    const product = {
      real: fx!.real.map((re, k) => re * fy!.real[k]! - fx!.imaginary[k]! * fy!.imaginary[k]!),
      imaginary: fx!.real.map((re, k) => re * fy!.imaginary[k]! + fx!.imaginary[k]! * fy!.real[k]!),
    };
    inverseFourierTransform(product);
    for (let k = 0; k < 64; k++) expect(product.real[k]).toBeCloseTo(expected[k]!, 12);
  });

  it("refuses lengths that are no power of two or differ", () => {
    expect(() => fourierTransform(sequenceOf(3))).toThrow(/power of two/);
    expect(() => fourierTransform(sequenceOf(0))).toThrow(RangeError);
    const uneven = { real: new Float64Array(4), imaginary: new Float64Array(2) };
    expect(() => inverseFourierTransform(uneven)).toThrow(/got 2 and 4/);
  });
});
