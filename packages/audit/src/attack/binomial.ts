/** Binomial tails and the Clopper–Pearson interval. */

/** Lanczos coefficients for g = 7, n = 9 (P. Godfrey); ln Γ is then accurate to about 1e−15. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** ln Γ(x) for x ≥ 1. */
function logGamma(x: number): number {
  const t = x + 6.5;
  let sum = LANCZOS[0]!;
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (x - 1 + i);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/**
 * Regularised incomplete beta function I_x(a, b), by the continued fraction DLMF 8.17.22 in Lentz's form.
 * @param a at least 1, as is b
 */
function regularisedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - regularisedBeta(1 - x, b, a);
  const front = Math.exp(
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x) - Math.log(a),
  );
  const guard = (value: number): number => (Math.abs(value) < 1e-300 ? 1e-300 : value);
  let c = 1;
  let d = 1 / guard(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 100_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guard(1 + even * d);
    c = guard(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guard(1 + odd * d);
    c = guard(1 + odd / c);
    const step = d * c;
    fraction *= step;
    if (Math.abs(step - 1) < 1e-16) break;
  }
  return front * fraction;
}

/** P[Bin(trials, probability) ≥ successes]. */
export function binomialTail(
  successes: number,
  { trials, probability }: { trials: number; probability: number },
): number {
  if (successes <= 0) return 1;
  if (successes > trials) return 0;
  return regularisedBeta(probability, successes, trials - successes + 1);
}

/** P[Bin(trials, probability) = k] for k = 0 … trials. */
export function binomialMasses(trials: number, probability: number): Float64Array {
  const masses = new Float64Array(trials + 1);
  if (probability <= 0 || probability >= 1) {
    masses[probability <= 0 ? 0 : trials] = 1;
    return masses;
  }
  const [logP, logQ] = [Math.log(probability), Math.log1p(-probability)];
  const whole = logGamma(trials + 1);
  for (let k = 0; k <= trials; k++)
    masses[k] = Math.exp(whole - logGamma(k + 1) - logGamma(trials - k + 1) + k * logP + (trials - k) * logQ);
  return masses;
}

/** The p with `holds(p)` on its lower side, by bisection to the last place. */
function boundary(holds: (p: number) => boolean): number {
  let [low, high] = [0, 1];
  for (let i = 0; i < 200 && low < high; i++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (holds(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * The Clopper–Pearson interval of a probability: it misses the true one on each side with probability at most α/2.
 * @param options.alpha both sides together
 */
export function clopperPearson(
  successes: number,
  { trials, alpha }: { trials: number; alpha: number },
): { readonly lower: number; readonly upper: number } {
  const tail = (k: number, probability: number): number => binomialTail(k, { trials, probability });
  return {
    lower: successes === 0 ? 0 : boundary((p) => tail(successes, p) <= alpha / 2),
    // P[Bin ≤ k] = 1 − P[Bin ≥ k + 1], computed as the tail of the failures so that nothing cancels.
    upper:
      successes === trials
        ? 1
        : boundary((p) => binomialTail(trials - successes, { trials, probability: 1 - p }) > alpha / 2),
  };
}
