/**
 * Privacy auditing with one run: many canaries, each in or out by a coin of its own, guessed from one release
 * (Steinke, Nasr, Jagielski 2023, "Privacy Auditing with One (1) Training Run").
 */
import { binomialMasses, binomialTail } from "./binomial.ts";

/** What was guessed. */
export interface OneRunGuesses {
  /** m: canaries. */
  readonly canaries: number;
  /** r: canaries that the attacker commits on. */
  readonly guesses: number;
  /** v: guesses that are right. */
  readonly correct: number;
}

/**
 * Probability of so many right guesses under (ε, δ)-DP, at the most (Theorem 5.2):
 * p = P[B ≥ v] + 2mδ·max_i P[v > B ≥ v − i]/i with B ~ Bin(r, 1/(1 + e^−ε)).
 */
export function oneRunPValue(
  { canaries, guesses, correct }: OneRunGuesses,
  { epsilon, delta }: { epsilon: number; delta: number },
): number {
  const probability = 1 / (1 + Math.exp(-epsilon));
  const tail = binomialTail(correct, { trials: guesses, probability });
  const masses = binomialMasses(guesses, probability);
  let [below, worst] = [0, 0];
  for (let i = 1; i <= correct; i++) {
    below += masses[correct - i]!;
    worst = Math.max(worst, below / i);
  }
  return Math.min(1, tail + 2 * canaries * delta * worst);
}

/** Lower bound of ε at confidence 1 − α: the largest ε whose p-value is below α; 0 where not even ε = 0 is ruled out. */
export function oneRunEpsilon(
  guesses: OneRunGuesses,
  { delta, alpha }: { delta: number; alpha: number },
): number {
  const ruledOut = (epsilon: number): boolean => oneRunPValue(guesses, { epsilon, delta }) < alpha;
  if (!ruledOut(0)) return 0;
  let high = 1;
  while (ruledOut(high) && high < 64) high *= 2;
  let low = high === 1 ? 0 : high / 2;
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (ruledOut(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * Guesses on the r canaries about which the scores are surest: half of them with the highest score are called in, half
 * with the lowest out.
 */
export function guessExtremes(
  scores: readonly number[],
  included: readonly boolean[],
  guesses: number,
): OneRunGuesses {
  const order = scores.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  const half = Math.floor(guesses / 2);
  const out = order.slice(0, half).filter((i) => !included[i]).length;
  const inside = order.slice(order.length - half).filter((i) => included[i]).length;
  return { canaries: scores.length, guesses: 2 * half, correct: out + inside };
}
