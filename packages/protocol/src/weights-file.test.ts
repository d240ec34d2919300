import { describe, expect, it } from "vitest";
import { encoderShapeSchema } from "./plan-sections.ts";
import { checkWeightsFit, decodeWeightsFile, encodeWeightsFile, weightsHash } from "./weights-file.ts";

const file = {
  catalogue: "a".repeat(64),
  features: "",
  encoder: encoderShapeSchema.parse({}),
  source: "pre-trained on walks",
  weights: Float32Array.of(1, -2.5, 0),
};

describe("a weights file", () => {
  it("comes back as it was", () => {
    expect(decodeWeightsFile(encodeWeightsFile(file))).toEqual(file);
  });

  it("is named by its weights alone", () => {
    expect(weightsHash(Float32Array.of(1))).toBe(
      "e00e5eb9444182f352323374ef4e08ebcb784725fdd4fd612d7730540b3e0c8c",
    );
  });

  it("is refused with a value that is not finite, or as another document", () => {
    const nan = encodeWeightsFile({ ...file, weights: Float32Array.of(Number.NaN) });
    expect(() => decodeWeightsFile(nan)).toThrow("weights.weights must be finite");
    expect(() => decodeWeightsFile(Uint8Array.of(255))).toThrow("deterministic CBOR");
    expect(() => decodeWeightsFile(encodeWeightsFile({ ...file, catalogue: "x" }))).toThrow(
      "weights.catalogue",
    );
  });

  it("fits its own catalogue, features and shape, whatever the dropout", () => {
    checkWeightsFit(file, { ...file, encoder: { ...file.encoder, dropout: 0 } });
    const other = (change: object) => () => checkWeightsFit(file, { ...file, ...change });
    expect(other({ catalogue: "b".repeat(64) })).toThrow("weights.catalogue");
    expect(other({ features: "b".repeat(64) })).toThrow("found none");
    expect(other({ encoder: { ...file.encoder, layers: 3 } })).toThrow("weights.encoder.layers must be 3");
  });
});
