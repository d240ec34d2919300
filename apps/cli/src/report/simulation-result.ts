/**
 * The result of a simulation: everything that the report, the summary table and the JSON file show.
 *
 * Durations are milliseconds, sizes are bytes, qualities lie in [0, 1]. A value that was not measured (a failed
 * round has no loss; a run without noise has no ε) is `null`, never zero.
 */

import type { HeldOutRecord, SignalOutcome } from "@kindred/engine";

/** The phases of a round on the coordinator, in their order. */
export const PHASES = [
  "selecting",
  "training",
  "enrolling",
  "sharing",
  "masking",
  "consistency",
  "unmasking",
  "aggregating",
] as const;

/** One phase of a round. */
export type Phase = (typeof PHASES)[number];

/** What became of one round. */
export interface RoundResult {
  /** Number of the round, from 1. */
  round: number;
  status: "published" | "failed" | "cancelled";
  /** Clients that were selected. */
  cohort: number;
  /** Clients whose masked vector is in the sum. */
  survivors: number;
  /** Clients that were selected and left before the sum. */
  dropped: number;
  /** ε spent against the coordinator after this round; null without noise. */
  epsilon: number | null;
  /** ε spent against those who see only the released models, after this round; null without noise. */
  observerEpsilon: number | null;
  /** Mean training loss of the survivors (nats), from the aggregate. */
  loss: number | null;
  /** Standard deviation of the noise on `loss`; 0 without noise, null without a loss. */
  lossDeviation: number | null;
  /** Simplified silhouette of the clusters, in [−1, 1], from the aggregate. */
  silhouette: number | null;
  /**
   * How well the model that the round was sent foresaw what its people held out, from the aggregate; null if that does not
   * stand out of the noise. Absent of a plan that holds nothing out.
   */
  heldOut?: HeldOutRecord | null;
  /** What the round collected in place of training, where it did. */
  signal?: SignalOutcome;
  /** Why the round was not published; null if it was. */
  reason: string | null;
  /** Wall-clock time of every phase on the coordinator, which includes waiting for clients. */
  ms: Record<Phase | "total", number>;
  /** Mean time of a client: local training, encoding (clip, rotate, quantise, noise), cryptography. */
  clientMs: { train: number; encode: number; crypto: number };
  bytesUpPerClient: number;
  bytesDownPerClient: number;
}

/** Recommendation quality under leave-last-out with full ranking. */
export interface Quality {
  /** Share of people whose held-out item is among the first ten. */
  hr10: number;
  /** Mean of 1/log₂(1 + rank) of the held-out item when it is among the first ten, else 0. */
  ndcg10: number;
}

/** Clusters measured over all people, as only a simulation can. Metrics with a range of their own say so. */
export interface ClusterQuality {
  clusters: number;
  /** Whether they come from noisy sums; otherwise from the catalogue alone. */
  released: boolean;
  /** Mean simplified silhouette, 0 to 1. */
  silhouette: number;
  /** Mean cosine distance of people to the centre of their cluster's people, 0 to 2. */
  distance: number;
  /** From 0, smaller is better; null where all people are in one cluster. */
  daviesBouldin: number | null;
  /** From 0, larger is better; null as above. */
  calinskiHarabasz: number | null;
  /** Adjusted Rand index, adjusted mutual information and Fowlkes–Mallows index; null without groups. */
  ari: number | null;
  ami: number | null;
  fmi: number | null;
}

/** One cluster of one layer. */
export interface LayerNode {
  /** Its identity within the layer. */
  id: number;
  /** Public tags. */
  name: string;
  /** People who are nearest to it. */
  size: number;
  /** Position of its cluster in the layer before; null in the first. */
  parent: number | null;
  /** Whether it lies far from the dense regions. */
  outlier: boolean;
}

/** What one person sees on their own device. */
export interface PersonResult {
  /** On record. */
  interactions: number;
  /** From basic to fine, the largest present share first. */
  layers: { tags: string[]; membership: number; longTerm: number }[][];
  /** Interests not shown yet: probability that they come next, and share of people that is usual. */
  latent: { tags: string[]; expected: number; usual: number }[];
  /** Distance between present and record, 0 to 1. */
  drift: number;
  changes: { interaction: number; shift: number }[];
  /** Interests by the probability that they come next. */
  next: { tags: string[]; share: number }[];
  portrait: { en: string; zh: string };
}

/** A finished simulation. */
export interface SimulationResult {
  /** Name of the data set or of the synthetic population. */
  data: string;
  clients: number;
  items: number;
  /** Cohort the plan asks for. */
  cohort: number;
  seed: number;
  rounds: RoundResult[];
  metrics: {
    before: Quality;
    after: Quality;
    popularity: Quality;
    /** The same encoder trained on all data in one place without privacy. */
    centralised: Quality;
    /** The same training with the noise per mean that a cohort of this size would see. */
    noiseCohort?: {
      cohort: number;
      quality: Quality;
      epsilon: number;
      clusters: ClusterQuality;
      layers: LayerNode[][];
    };
    silhouette: { before: number; after: number };
    /** Adjusted Rand index against known groups; null where none are known. */
    ari: number | null;
    clusters: {
      before: ClusterQuality;
      after: ClusterQuality;
      /** What people's groups are: known beforehand, or the tag that is most typical of each. */
      groups: "known" | "typical-tag";
    };
    /** People on whom the quality was measured. */
    users: number;
  };
  epsilon: {
    /** Against the coordinator, no amplification by sampling; null without noise. */
    coordinator: number | null;
    /** Against those who see only the released models; null without noise. */
    observer: number | null;
    delta: number;
    /** The ε the plan promised against the coordinator; null without noise. */
    promised: number | null;
  };
  noise: {
    /** Standard deviation of the noise in the sum over the sensitivity of one person. */
    multiplier: number;
    /** Standard deviation of the noise on one coordinate of the mean update. */
    perCoordinate: number;
    /** Norm of what was learned over the norm of the noise, both in the mean update. */
    signalToNoise: number;
  } | null;
  /** NDCG@10 after chosen rounds; may be empty. */
  learning: { round: number; ndcg10: number }[];
  /** Clusters in a plane; position has no unit. */
  clusters: { name: string; size: number; x: number; y: number }[];
  /** The layers of the last model, from basic to fine. */
  layers: LayerNode[][];
  /**
   * The person with the most interactions, under the model with the noise of `cohort` people a round, or, where it is
   * null, under the run's last model.
   */
  person: PersonResult & { cohort: number | null };
  /** The vector that is masked: entries of a round that trains, entries that every round sends, bits of the modulus. */
  vector: { length: number; padded: number; bits: number };
  /** Tensor backend of the clients. */
  backend: string;
  durationMs: number;
  /** What a reader should know to judge the numbers. */
  notes: string[];
  /** What the run shows, one sentence each. */
  verdict: string[];
}

/**
 * The document that `--json` writes. Its core fields are a contract: `data`, `clients`, `rounds[]` with `round`,
 * `status`, `cohort`, `survivors`, `dropped`, `epsilon`, `loss`, `ms`, `bytesUpPerClient`, `bytesDownPerClient`,
 * `metrics` with `before`, `after`, `popularity`, `centralised`, `silhouette` (after), `ari`, `epsilon` with
 * `coordinator`, `observer`, `delta`, and `backend`. Other fields may be added.
 *
 * A number that is not finite becomes `null`, so the document says the same before and after serialisation.
 */
export function toJson(result: SimulationResult): object {
  const { metrics, rounds, ...rest } = result;
  const { silhouette, ...qualities } = metrics;
  const document = {
    ...rest,
    rounds,
    metrics: { ...qualities, silhouette: silhouette.after, silhouetteBefore: silhouette.before },
  };
  return withoutNonFinite(document) as object;
}

function withoutNonFinite(value: unknown): unknown {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map(withoutNonFinite);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, inner]) => inner !== undefined)
        .map(([key, inner]) => [key, withoutNonFinite(inner)]),
    );
  }
  return value;
}
