/**
 * Federated evaluation: each device keeps its last interaction out of training and says how well the model foresaw it; only
 * sums over the cohort, noisy as everything else, leave it. They are entries of the evaluation block after loss and silhouette.
 */
import type { Plan, PlanInput } from "@kindred/protocol";

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
  /** Standard deviation of the noise on the shares `hr10`, `ndcg10` and `clusterAccuracy`, at the most. */
  readonly deviation: number;
  /**
   * Errors of predicted ratings in shares of the best one, each counted as one half at the most; `deviation` is that of the
   * noise on `mae`, at the most.
   */
  readonly ratings?: { readonly rmse: number; readonly mae: number; readonly deviation: number };
}

const RANKING_ENTRIES = 5;
const RATING_ENTRIES = 3;
/** Deviations of its noise by which a count must stand out for ratios of it to mean anything. */
const SIGNIFICANCE = 3;

/**
 * What the noise on entry and count makes of their ratio r by the delta method, √(1 + r²) times that of an entry over the
 * count: at most this many times, as r is at most 1.
 */
const RATIO_NOISE = Math.SQRT2;

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
  }: { readonly plan: Plan; readonly deviation: number; readonly lossBound: number },
): HeldOutRecord | undefined {
  const length = heldOutLength(plan);
  if (length === 0) return undefined;
  const count = mean[0]!;
  if (!(count > SIGNIFICANCE * deviation)) return undefined;
  const ratio = (entry: number): number => Math.min(1, Math.max(0, mean[entry]! / count));
  const record = {
    share: Math.min(1, count),
    hr10: ratio(1),
    ndcg10: ratio(2),
    loss: ratio(3) * lossBound,
    clusterAccuracy: ratio(4),
    deviation: (RATIO_NOISE * deviation) / count,
  };
  const rated = mean[5] ?? 0;
  if (length === RANKING_ENTRIES || !(rated > SIGNIFICANCE * deviation)) return record;
  const share = (entry: number): number => Math.min(1, Math.max(0, mean[entry]! / rated));
  return {
    ...record,
    ratings: {
      rmse: Math.sqrt(share(7)) / 2,
      mae: share(6) / 2,
      deviation: (RATIO_NOISE * deviation) / rated / 2,
    },
  };
}
