/** A list that does not say the same thing ten times: maximal marginal relevance over item vectors. */
import { type Matrix, rowOf } from "@kindred/clustering";

/** Candidates that a re-ranking looks at, per item of the list. */
const POOL = 10;

/**
 * Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998, eq. 1): one item after the other, each the one with the
 * largest (1 − λ)·relevance − λ·(largest cosine to those taken before). Relevance is the score's place between the worst
 * and the best of the pool, so that λ means the same whatever the scores are.
 * @param ranked items, best first
 * @param options.diversity λ, 0 (as ranked) to 1
 * @returns the first `count` of the new order
 */
export function diversified(
  ranked: readonly number[],
  options: {
    readonly scores: Float32Array;
    readonly units: Matrix;
    readonly count: number;
    readonly diversity: number;
  },
): number[] {
  const { scores, units, count, diversity } = options;
  if (diversity === 0) return ranked.slice(0, count);
  const pool = ranked.slice(0, POOL * count);
  const [best, worst] = [scores[pool[0] ?? 0] ?? 0, scores[pool.at(-1) ?? 0] ?? 0];
  const relevance = pool.map((item) => (best > worst ? (scores[item]! - worst) / (best - worst) : 1));
  const nearest = new Float64Array(pool.length);
  const taken: number[] = [];
  while (taken.length < Math.min(count, ranked.length)) {
    let next = -1;
    let most = Number.NEGATIVE_INFINITY;
    for (const [at, item] of pool.entries()) {
      const value = (1 - diversity) * relevance[at]! - diversity * nearest[at]!;
      if (taken.includes(item) || value <= most) continue;
      [next, most] = [at, value];
    }
    const item = pool[next]!;
    taken.push(item);
    for (const [at, other] of pool.entries())
      nearest[at] = Math.max(taken.length === 1 ? -1 : nearest[at]!, cosine(units, item, other));
  }
  return taken;
}

function cosine(units: Matrix, a: number, b: number): number {
  const [first, second] = [rowOf(units, a), rowOf(units, b)];
  let sum = 0;
  for (let i = 0; i < units.columns; i++) sum += first[i]! * second[i]!;
  return sum;
}
