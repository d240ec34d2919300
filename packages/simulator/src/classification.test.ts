import { describe, expect, it } from "vitest";
import { classificationQuality } from "./classification.ts";

describe("the quality of a classification", () => {
  it("has the values of scikit-learn", () => {
    // precision_recall_fscore_support([0,0,0,1,1,2], [0,0,1,1,2,0], average="macro", zero_division=0)
    const quality = classificationQuality([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 0]);
    expect(quality.accuracy).toBeCloseTo(0.5, 12);
    expect(quality.macroPrecision).toBeCloseTo((2 / 3 + 1 / 2 + 0) / 3, 12);
    expect(quality.macroRecall).toBeCloseTo((2 / 3 + 1 / 2 + 0) / 3, 12);
    expect(quality.macroF1).toBeCloseTo((2 / 3 + 1 / 2 + 0) / 3, 12);
  });

  it("counts labels alike, however rare, and ignores labels that never occur", () => {
    const { accuracy, macroF1, macroPrecision } = classificationQuality([0, 0, 0, 1], [0, 0, 0, 7]);
    expect(accuracy).toBe(0.75);
    expect(macroF1).toBe(0.5);
    expect(macroPrecision).toBe(0.5);
  });

  it("refuses sides that do not pair", () => {
    expect(() => classificationQuality([], [])).toThrow(RangeError);
    expect(() => classificationQuality([1], [1, 2])).toThrow(RangeError);
  });
});
