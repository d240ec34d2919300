/**
 * Federated evaluation: each device keeps its last interaction out of training and says how well the model foresaw it; only
 * sums over the cohort, noisy as everything else, leave it. They are entries of the evaluation block after loss and silhouette.
 */
import type { PlanInput } from "@kindred/protocol";

/** What one device found; nothing of it leaves the device by itself. */
export interface HeldOutResult {
  /** Rank, from 1, of the held-out item among all items that the person has not seen. */
  readonly rank: number;
  /** Its cross-entropy in nats. */
  readonly loss: number;
  /** Whether it lies in the cluster that was expected most. */
  readonly expectedCluster: boolean;
  /** Predicted less given rating, in shares of the best one, where it was rated and the plan has a rating head. */
  readonly ratingError?: number | undefined;
}

/** Means over the cohort's held-out interactions, from the noisy sum. */
export interface HeldOutRecord {
  /** Share of the survivors that had an interaction to hold out. */
  readonly share: number;
  /** Hit rate and normalised discounted cumulative gain among the first ten, full ranking. */
  readonly hr10: number;
  readonly ndcg10: number;
  /** Mean cross-entropy in nats, each at most the bound of reported losses. */
  readonly loss: number;
  /** Share of next interactions that lie in the cluster expected most. */
  readonly clusterAccuracy: number;
  /** Standard deviation of the noise on each of them, in its unit. */
  readonly deviation: Readonly<Record<"hr10" | "ndcg10" | "loss" | "clusterAccuracy", number>>;
  /** Errors of predicted ratings in shares of the best one, each counted as one half at the most, and their noise. */
  readonly ratings?: {
    readonly rmse: number;
    readonly mae: number;
    readonly deviation: Readonly<Record<"rmse" | "mae", number>>;
  };
}

const RANKING_ENTRIES = 5;
const RATING_ENTRIES = 3;
/** Deviations of its noise by which a count must stand out for ratios of it to mean anything. */
const SIGNIFICANCE = 3;

type Planned = Pick<PlanInput, "evaluation" | "training">;

/** Entries that held-out interactions add to the evaluation block. */
export function heldOutLength({ evaluation, training }: Planned): number {
  if (evaluation === undefined) return 0;
  return RANKING_ENTRIES + (training.ratings === undefined ? 0 : RATING_ENTRIES);
}

/**
 * Entries of one device, each within 0 to 1: count, hit, gain, loss as a share of its bound, right cluster; and where the
 * plan has a rating head count, absolute error, squared error of the rating.
 * @param result `undefined` for a device without an interaction to hold out: all zeros
 */
export function heldOutEntries(
  plan: Planned,
  { result, lossBound }: { readonly result: HeldOutResult | undefined; readonly lossBound: number },
): number[] {
  const entries = new Array<number>(heldOutLength(plan)).fill(0);
  if (result === undefined || entries.length === 0) return entries;
  const { rank, loss, expectedCluster, ratingError } = result;
  entries[0] = 1;
  entries[1] = rank <= 10 ? 1 : 0;
  entries[2] = rank <= 10 ? 1 / Math.log2(rank + 1) : 0;
  entries[3] = Math.min(1, Math.max(0, loss / lossBound));
  entries[4] = expectedCluster ? 1 : 0;
  if (entries.length > RANKING_ENTRIES && ratingError !== undefined) {
    // Twice the error, so that the entries use the range that errors have.
    const error = Math.min(1, 2 * Math.abs(ratingError));
    entries[5] = 1;
    entries[6] = error;
    entries[7] = error ** 2;
  }
  return entries;
}

/**
 * Ratios of a cohort's means.
 * @param mean of the entries
 * @param options.deviation of the noise on each of them
 * @returns `undefined` where the plan evaluates nothing, or where the count does not stand out of its noise
 */
export function heldOutRecord(
  mean: ArrayLike<number>,
  {
    plan,
    deviation,
    lossBound,
  }: { readonly plan: Planned; readonly deviation: number; readonly lossBound: number },
): HeldOutRecord | undefined {
  const length = heldOutLength(plan);
  if (length === 0) return undefined;
  const count = mean[0]!;
  if (!(count > SIGNIFICANCE * deviation)) return undefined;
  const [hit, gain, loss, cluster] = [1, 2, 3, 4].map((entry) =>
    noisyRatio(mean[entry]!, { count, deviation }),
  ) as [NoisyRatio, NoisyRatio, NoisyRatio, NoisyRatio];
  const record = {
    share: Math.min(1, count),
    hr10: hit.ratio,
    ndcg10: gain.ratio,
    loss: loss.ratio * lossBound,
    clusterAccuracy: cluster.ratio,
    deviation: {
      hr10: hit.deviation,
      ndcg10: gain.deviation,
      loss: loss.deviation * lossBound,
      clusterAccuracy: cluster.deviation,
    },
  };
  const rated = mean[5] ?? 0;
  if (length === RANKING_ENTRIES || !(rated > SIGNIFICANCE * deviation)) return record;
  const absolute = noisyRatio(mean[6]!, { count: rated, deviation });
  const squared = noisyRatio(mean[7]!, { count: rated, deviation });
  return {
    ...record,
    ratings: {
      rmse: Math.sqrt(squared.ratio) / 2,
      mae: absolute.ratio / 2,
      deviation: { rmse: rootDeviation(squared) / 2, mae: absolute.deviation / 2 },
    },
  };
}

interface NoisyRatio {
  /** Within 0 to 1. */
  readonly ratio: number;
  readonly deviation: number;
}

/**
 * The ratio r = S / N of a noisy sum to its noisy count, and by the delta method the deviation that noise of σ on each of
 * them, independent, puts on it: to first order r moves by (e_S − r e_N) / N, so that it is σ / N · √(1 + r²).
 */
function noisyRatio(
  sum: number,
  { count, deviation }: { readonly count: number; readonly deviation: number },
): NoisyRatio {
  const ratio = Math.min(1, Math.max(0, sum / count));
  return { ratio, deviation: (deviation / count) * Math.hypot(1, ratio) };
}

/**
 * The deviation on √q: by the delta method that of q over 2√q; but never more than its own root, which bounds it for every q
 * since |√(q + e) − √q| ≤ √|e|, where the first order says nothing as q goes to 0.
 */
function rootDeviation({ ratio, deviation }: NoisyRatio): number {
  const bound = Math.sqrt(deviation);
  return ratio === 0 ? bound : Math.min(bound, deviation / (2 * Math.sqrt(ratio)));
}
