import { describe, expect, it } from "vitest";
import { PrivacyRangeError } from "./refusal.ts";
import { clipNorm, delta, epsilon, noiseMultiplier, standardDeviation } from "./units.ts";

describe("units", () => {
  it("keeps valid values as they are", () => {
    expect([epsilon(8), delta(1e-6), noiseMultiplier(0), standardDeviation(0), clipNorm(0.5)]).toEqual([
      8, 1e-6, 0, 0, 0.5,
    ]);
  });

  it.each([
    ["epsilon", epsilon, [0, -1, Number.NaN, Infinity]],
    ["delta", delta, [0, 1, -1e-6, Number.NaN]],
    ["noiseMultiplier", noiseMultiplier, [-1, Number.NaN, Infinity]],
    ["standardDeviation", standardDeviation, [-1, Number.NaN, Infinity]],
    ["clipNorm", clipNorm, [0, -1, Number.NaN, Infinity]],
  ] as const)("%s refuses what lies outside its range, naming field, rule and fix", (field, make, values) => {
    for (const value of values) {
      const thrown = catching(() => make(value));
      expect(thrown).toBeInstanceOf(RangeError);
      expect(thrown).toBeInstanceOf(PrivacyRangeError);
      const refusal = thrown as PrivacyRangeError;
      expect(refusal.field).toBe(field);
      expect(refusal.message).toContain(String(value));
      expect(refusal.message).toContain(refusal.fix);
    }
  });
});

function catching(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}
