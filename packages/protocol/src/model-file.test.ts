import { describe, expect, it } from "vitest";
import { sampleModel } from "../test/samples.ts";
import { concatBytes } from "./canonical.ts";
import { decodeModel, encodeModel, modelHash } from "./model-file.ts";
import { compressWeights } from "./packed-weights.ts";

describe("model file", () => {
  const file = encodeModel(sampleModel);
  const hash = modelHash(file);

  it("gives back the model, bit for bit", () => {
    const decoded = decodeModel(file, hash);
    expect(decoded).toEqual({ ok: true, value: sampleModel });
    expect(encodeModel(sampleModel)).toEqual(file);
  });

  it("holds the clip norm where there is one, and only one above 0", () => {
    const clipped = encodeModel({ ...sampleModel, clip: 0.37 });
    expect(decodeModel(clipped, modelHash(clipped))).toEqual({
      ok: true,
      value: { ...sampleModel, clip: 0.37 },
    });
    const negative = encodeModel({ ...sampleModel, clip: -1 });
    expect(decodeModel(negative, modelHash(negative))).toMatchObject({
      rejection: { code: "model-invalid", field: "model.clip" },
    });
  });

  it("holds compressed weights in a byte each at the most, and gives them back bit for bit", () => {
    const weights = compressWeights(
      Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i * i)),
      { precision: "int8", sparsity: 0.5 },
    );
    const compressed = { ...sampleModel, weights, compressed: true } as const;
    const packed = encodeModel(compressed);
    expect(decodeModel(packed, modelHash(packed))).toEqual({ ok: true, value: compressed });
    const plain = encodeModel({ ...sampleModel, weights });
    expect(plain.length - packed.length).toBeGreaterThan(4000 - 500 - 125 - 64 - 100);
    const { compressed: _, ...uncompressed } = compressed;
    expect(() =>
      encodeModel({ ...uncompressed, weights: Float32Array.of(1, 0.3), compressed: true }),
    ).toThrow("must be compressed");
  });

  it("is read from anywhere in a larger buffer", () => {
    const larger = concatBytes(new Uint8Array(3), file, new Uint8Array(2));
    expect(decodeModel(larger.subarray(3, 3 + file.length), hash)).toEqual({ ok: true, value: sampleModel });
  });

  it("is refused under any other hash, whichever byte was changed", () => {
    for (let i = 0; i < file.length; i += 7) {
      const changed = file.slice();
      changed[i]! ^= 1;
      expect(decodeModel(changed, hash)).toMatchObject({
        rejection: { code: "model-invalid", field: "model", rule: expect.stringContaining(hash) },
      });
    }
  });

  it("is refused with every kind of number that is not finite", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      for (const field of ["weights", "centroids", "cells"] as const) {
        const spoiled = sampleModel[field].slice();
        spoiled[1] = value;
        const bytes = encodeModel({ ...sampleModel, [field]: spoiled });
        expect(decodeModel(bytes, modelHash(bytes))).toMatchObject({
          rejection: { field: `model.${field}`, rule: "must be finite" },
        });
      }
  });

  it("keeps the largest finite and the smallest subnormal values", () => {
    const weights = Float32Array.from([
      3.4028234663852886e38, -3.4028234663852886e38, 1.401298464324817e-45, -0,
    ]);
    const bytes = encodeModel({ ...sampleModel, weights });
    expect(decodeModel(bytes, modelHash(bytes))).toMatchObject({ ok: true, value: { weights } });
  });

  it("is refused when it is cut short or continued", () => {
    for (const bytes of [file.subarray(0, file.length - 1), Uint8Array.from([...file, 0]), new Uint8Array(0)])
      expect(decodeModel(bytes, modelHash(bytes))).toMatchObject({
        rejection: { code: "model-invalid", field: "model", rule: "must be one deterministic CBOR document" },
      });
  });
});
