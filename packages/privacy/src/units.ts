/**
 * Units as types: a deviation cannot be passed where a multiplier, a clip norm or an ε is wanted.
 *
 * The brands exist at compile time only; at run time every unit is a plain number.
 */

import { demand } from "./refusal.ts";

declare const unit: unique symbol;
type Unit<Name extends string> = number & { readonly [unit]: Name };

/** Privacy loss ε of an (ε, δ) guarantee, in nats. A computed ε may be 0 (nothing released) or Infinity (no noise). */
export type Epsilon = Unit<"Epsilon">;
/** Failure probability δ of an (ε, δ) guarantee, 0 < δ < 1. */
export type Delta = Unit<"Delta">;
/** Deviation of the noise of a sum divided by its L2 sensitivity; 0 means no noise. */
export type NoiseMultiplier = Unit<"NoiseMultiplier">;
/** Standard deviation (not a variance), in the units of the vector it is added to. */
export type StandardDeviation = Unit<"StandardDeviation">;
/** Largest L2 norm that one person's block may have, in the units of that block. */
export type ClipNorm = Unit<"ClipNorm">;

function positive(value: number, field: string): void {
  demand(Number.isFinite(value) && value > 0, {
    field,
    rule: `must be a finite number above 0, got ${value}`,
    fix: "give a positive number",
  });
}

function nonNegative(value: number, field: string): void {
  demand(Number.isFinite(value) && value >= 0, {
    field,
    rule: `must be a finite number of at least 0, got ${value}`,
    fix: "give 0 or a positive number",
  });
}

/** A target ε. @throws PrivacyRangeError unless finite and above 0. */
export function epsilon(value: number): Epsilon {
  positive(value, "epsilon");
  return value as Epsilon;
}

/** A target δ. @throws PrivacyRangeError unless 0 < δ < 1. */
export function delta(value: number): Delta {
  demand(value > 0 && value < 1, {
    field: "delta",
    rule: `must be above 0 and below 1, got ${value}`,
    fix: "choose δ well under one over the population, for example 1e-6",
  });
  return value as Delta;
}

/** A noise multiplier. @throws PrivacyRangeError unless finite and at least 0. */
export function noiseMultiplier(value: number): NoiseMultiplier {
  nonNegative(value, "noiseMultiplier");
  return value as NoiseMultiplier;
}

/** A standard deviation. @throws PrivacyRangeError unless finite and at least 0. */
export function standardDeviation(value: number): StandardDeviation {
  nonNegative(value, "standardDeviation");
  return value as StandardDeviation;
}

/** A clip norm. @throws PrivacyRangeError unless finite and above 0. */
export function clipNorm(value: number): ClipNorm {
  positive(value, "clipNorm");
  return value as ClipNorm;
}
