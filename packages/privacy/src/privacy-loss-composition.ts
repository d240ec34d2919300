/**
 * Composition of privacy loss distributions: losses of independent mechanisms add up, so their distributions are
 * convolved, here as products of Fourier transforms over one cyclic window.
 */

import { fourierTransform, inverseFourierTransform, TRANSFORM_ERROR } from "./fft.ts";
import { fittingStep, onGrid, type PrivacyLoss, type PrivacyLossPair } from "./privacy-loss.ts";
import { demand, demandInteger } from "./refusal.ts";

/** Mass that the window may leave outside on either side; what lies above it is charged to infinity. */
const TRUNCATED_MASS = 1e-15;

/** Powers of two between which the order of the exponential moment is sought that bounds a tail best (Chernoff). */
const MOMENT_EXPONENTS = { least: -8, most: 20 };

/** One mechanism, run `times` times. */
export interface PrivacyLossTerm {
  readonly loss: PrivacyLossPair;
  readonly times: number;
}

interface OneWayTerm {
  readonly loss: PrivacyLoss;
  readonly times: number;
}

/** ln E[e^(λ·loss)] over the finite losses. */
function logMoment({ step, lowest, masses }: PrivacyLoss, order: number): number {
  const last = masses.length - 1;
  // Horner from the end with the larger powers keeps every partial sum finite.
  const ratio = Math.exp(-Math.abs(order) * step);
  let sum = 0;
  if (order > 0) for (let i = 0; i <= last; i++) sum = sum * ratio + masses[i]!;
  else for (let i = last; i >= 0; i--) sum = sum * ratio + masses[i]!;
  return order * (lowest + (order > 0 ? last : 0)) * step + Math.log(sum);
}

/** The least value by golden section over ln(order): Chernoff bounds fall, then rise, and each of them holds. */
function leastOverOrders(bound: (order: number) => number): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let { least, most } = MOMENT_EXPONENTS;
  let best = Infinity;
  const at = (exponent: number): number => {
    const value = bound(2 ** exponent);
    best = Math.min(best, value);
    return value;
  };
  let left = { exponent: most - ratio * (most - least), value: 0 };
  let right = { exponent: least + ratio * (most - least), value: 0 };
  left.value = at(left.exponent);
  right.value = at(right.exponent);
  for (let i = 0; i < 14; i++) {
    if (left.value <= right.value) {
      most = right.exponent;
      right = left;
      const exponent = most - ratio * (most - least);
      left = { exponent, value: at(exponent) };
    } else {
      least = left.exponent;
      left = right;
      const exponent = least + ratio * (most - least);
      right = { exponent, value: at(exponent) };
    }
  }
  return best;
}

/** Losses outside of which the sum of all terms falls with probability at most {@link TRUNCATED_MASS} on either side. */
function tailBounds(terms: readonly OneWayTerm[]): { from: number; to: number } {
  const extreme = (end: (loss: PrivacyLoss) => number): number =>
    terms.reduce((sum, { loss, times }) => sum + times * end(loss), 0);
  let from = extreme(({ lowest, step }) => lowest * step);
  let to = extreme(({ lowest, step, masses }) => (lowest + masses.length - 1) * step);
  const bound = (order: number): number =>
    (terms.reduce((sum, { loss, times }) => sum + times * logMoment(loss, order), 0) -
      Math.log(TRUNCATED_MASS)) /
    Math.abs(order);
  to = Math.min(
    to,
    leastOverOrders((order) => bound(order)),
  );
  from = Math.max(from, -leastOverOrders((order) => bound(-order)));
  return { from, to: Math.max(from, to) };
}

/** A spectrum under construction, its conjugate half left out, and a bound on the error of each of its entries. */
interface Spectrum {
  readonly real: Float64Array;
  readonly imaginary: Float64Array;
  readonly error: Float64Array;
}

/** Multiplies the spectrum by the `times`-th power of a distribution's transform, folded into `size` cells. */
function multiply(spectrum: Spectrum, { loss, times }: OneWayTerm, size: number): void {
  const folded = { real: new Float64Array(size), imaginary: new Float64Array(size) };
  for (let i = 0; i < loss.masses.length; i++) {
    const cell = i & (size - 1);
    folded.real[cell] = folded.real[cell]! + loss.masses[i]!;
  }
  fourierTransform(folded);
  const entryError = TRANSFORM_ERROR * Math.max(1, Math.log2(size)) + 8 * 2 ** -53;
  const { real, imaginary, error } = spectrum;
  for (let k = 0; k <= size / 2; k++) {
    let baseRe = folded.real[k]!;
    let baseIm = folded.imaginary[k]!;
    const magnitude = Math.min(1, Math.hypot(baseRe, baseIm) + entryError);
    // |x^t − y^t| ≤ t·max(|x|, |y|)^(t−1)·|x − y|; the products below round by as much again at most.
    const lessOne = magnitude ** (times - 1);
    const before = Math.hypot(real[k]!, imaginary[k]!) + error[k]!;
    error[k] = error[k]! * lessOne * magnitude + before * times * lessOne * entryError;
    let re = real[k]!;
    let im = imaginary[k]!;
    for (let rest = times; ; ) {
      if (rest % 2 === 1) {
        const product = re * baseRe - im * baseIm;
        im = re * baseIm + im * baseRe;
        re = product;
      }
      rest = Math.floor(rest / 2);
      if (rest === 0) break;
      const square = baseRe * baseRe - baseIm * baseIm;
      baseIm = 2 * baseRe * baseIm;
      baseRe = square;
    }
    real[k] = re;
    imaginary[k] = im;
  }
}

function composeOneWay(given: readonly OneWayTerm[]): PrivacyLoss {
  const only = given[0];
  if (given.length === 1 && only?.times === 1) return only.loss;
  const coarsest = given.reduce((step, { loss }) => Math.max(step, loss.step), 0);
  const wide = tailBounds(given);
  const step = fittingStep(coarsest, wide.to - wide.from);
  const terms = given.map(({ loss, times }) => ({ loss: onGrid(loss, step), times }));
  const { from, to } =
    step === coarsest && given.every(({ loss }) => loss.step === step) ? wide : tailBounds(terms);
  const lowest = Math.floor(from / step);
  const length = Math.ceil(to / step) - lowest + 1;
  let size = 1;
  while (size < length) size *= 2;

  const spectrum = {
    real: new Float64Array(size).fill(1),
    imaginary: new Float64Array(size),
    error: new Float64Array(size),
  };
  for (const term of terms) multiply(spectrum, term, size);
  const { real, imaginary, error } = spectrum;
  let energy = 0;
  let errorEnergy = 0;
  for (let k = 0; k <= size / 2; k++) {
    const mirrored = (size - k) & (size - 1);
    const twice = mirrored === k ? 1 : 2;
    energy += twice * (real[k]! ** 2 + imaginary[k]! ** 2);
    errorEnergy += twice * error[k]! ** 2;
    if (twice === 2) {
      real[mirrored] = real[k]!;
      imaginary[mirrored] = -imaginary[k]!;
    }
  }
  inverseFourierTransform(spectrum);
  // ‖Δmasses‖₁ ≤ √size·‖Δmasses‖₂ = ‖Δspectrum‖₂ (Parseval), and likewise for the rounding of the inverse.
  const rounding =
    Math.sqrt(errorEnergy) + Math.SQRT2 * TRANSFORM_ERROR * Math.max(1, Math.log2(size)) * Math.sqrt(energy);

  const origin = terms.reduce((sum, { loss, times }) => sum + times * loss.lowest, 0);
  const shift = lowest - origin;
  const masses = new Float64Array(length);
  let beyond = 0;
  for (let i = 0; i < size; i++) {
    const mass = Math.max(0, real[(((shift + i) % size) + size) % size]!);
    if (i < length) masses[i] = mass;
    else beyond += mass;
  }
  const logFinite = terms.reduce((sum, { loss, times }) => sum + times * Math.log1p(-loss.infinity), 0);
  return { step, lowest, masses, infinity: TRUNCATED_MASS + beyond + rounding - Math.expm1(logFinite) };
}

/**
 * The privacy loss of running every term, adaptively, `times` times each.
 *
 * The window holds all but 1e−15 of the mass on either side (Chernoff). Mass above it is charged to infinity; mass
 * below it reappears at its top, which errs upwards too. Where the window has more than {@link MAXIMUM_GRID} points
 * the grid is made coarser, so that time and memory stay bounded: at most about a second and 100 MB.
 *
 * @throws PrivacyRangeError without terms, or when a count is not an integer from 1 to 2^24.
 */
export function composePrivacyLoss(terms: readonly PrivacyLossTerm[]): PrivacyLossPair {
  demand(terms.length > 0, { field: "terms", rule: "must not be empty", fix: "give one term per mechanism" });
  for (const [i, { times }] of terms.entries())
    demandInteger(times, { field: `terms[${i}].times`, from: 1, to: 2 ** 24 });
  const remove = composeOneWay(terms.map(({ loss, times }) => ({ loss: loss.remove, times })));
  if (terms.every(({ loss }) => loss.add === loss.remove)) return { remove, add: remove };
  return { remove, add: composeOneWay(terms.map(({ loss, times }) => ({ loss: loss.add, times }))) };
}
