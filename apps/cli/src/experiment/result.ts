/**
 * What `kindred experiment quality` finds: what its report, its tables and its JSON file show. Durations are seconds,
 * sizes are bytes. What was not measured is `null`, never zero.
 */
import type { ClusterQuality, LayerNode } from "../report/simulation-result.ts";

/** The columns of the table, means over the tested people. */
export interface QualityColumns {
  /** Share of people whose held-out item is among the first ten. */
  readonly hr10: number;
  readonly ndcg10: number;
  /** Mean reciprocal rank, not cut off. */
  readonly mrr: number;
  /** Share of the catalogue that is in at least one list of ten. */
  readonly coverage: number;
  /** Mean self-information of what is listed, bits. */
  readonly novelty: number;
  /** Mean cosine distance of two items of a list, by public text vectors. */
  readonly diversity: number;
}

/** A moment of training. */
export interface CurvePoint {
  /** Rounds, or epochs of a centralised run. */
  readonly step: number;
  /** NDCG@10 of a fixed sample of the tested people. */
  readonly ndcg10: number;
  /** Bytes that a person has uploaded until then, on average; 0 for a centralised run. */
  readonly bytes: number;
}

/** How a federated row was trained, and whose noise is on it. */
export interface FederatedFacts {
  readonly rounds: number;
  /** People of the data set, and of each simulated round. */
  readonly native: Population;
  /** The population and the cohort whose noise is on the mean of each round; `null` without noise. */
  readonly noise: Population | null;
  /** ε against the coordinator over all participations of a person, at `delta`; `null` without noise. */
  readonly epsilon: number | null;
  readonly delta: number;
  /** Upload of a participation: the masked vector. */
  readonly bytesPerRound: number;
}

/** A population and how many of it are in a round. */
export interface Population {
  readonly people: number;
  readonly cohort: number;
}

/** Clusters of a federated model, over all people of the data set. */
export interface ClusterFacts {
  readonly quality: ClusterQuality;
  readonly map: readonly { name: string; size: number; x: number; y: number }[];
  readonly layers: readonly (readonly LayerNode[])[];
}

/** How well the cluster of the next item is foretold; macro measures are means over the clusters that occur. */
export interface InterestQuality {
  readonly accuracy: number;
  /** Not there in rows that were measured before it was. */
  readonly macroPrecision?: number;
  readonly macroRecall?: number;
  /** Of the harmonic mean of precision and recall of each cluster. */
  readonly macroF1: number;
}

/** By the encoder, and by "the same as last". */
export interface NextInterest extends InterestQuality {
  readonly sameAsLast: InterestQuality;
}

/** One row measured with one seed. */
export interface RowMeasurement {
  readonly quality: QualityColumns;
  /** Rank of each tested person's held-out item, in the order of the split. */
  readonly ranks: readonly number[];
  /** What was chosen on the validation split, or how it was trained, in words. */
  readonly settings: string;
  readonly curve: readonly CurvePoint[];
  readonly federated: FederatedFacts | null;
  readonly clusters: ClusterFacts | null;
  readonly nextInterest: NextInterest | null;
  readonly unseen: UnseenFacts | null;
  readonly seconds: number;
}

/** Items that were never seen in training beside those that were, by the same model: NDCG@10 of people whose next item is one. */
export interface UnseenFacts {
  /** People whose next item is unseen. */
  readonly people: number;
  /** Unseen items. */
  readonly items: number;
  /** Ranked among the whole catalogue. */
  readonly amongAll: { readonly unseen: number; readonly seen: number };
  /** Ranked among the unseen items only, and among as many seen ones. */
  readonly amongKind: { readonly unseen: number; readonly seen: number };
}

/** A mean over seeds and the sample deviation; `null` with a single seed. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number | null;
}

/** A row of the table. */
export interface RowResult {
  readonly id: string;
  readonly name: string;
  readonly columns: Readonly<Record<keyof QualityColumns, Spread>>;
  /** NDCG@10 of the people with five events or fewer; `null` where there are none. */
  readonly fewEvents: Spread | null;
  /** Against the row it has to be compared with: the paired bootstrap over people, means over seeds. */
  readonly comparison: Comparison | null;
  readonly seeds: number;
  readonly seconds: number;
  /** Of the first seed. */
  readonly detail: Omit<RowMeasurement, "quality" | "ranks">;
}

/** The difference of NDCG@10 to another row. */
export interface Comparison {
  readonly id: string;
  readonly name: string;
  readonly difference: number;
  /** The central 95 % of resamples. */
  readonly low: number;
  readonly high: number;
  /** NDCG@10 as a share of the other row's. */
  readonly share: number;
}

/** A data set with its rows. */
export interface DataSetResult {
  readonly name: string;
  readonly people: number;
  readonly items: number;
  readonly interactions: number;
  /** People whose held-out item is ranked, and those of them with five events or fewer to go by. */
  readonly tested: number;
  readonly fewEvents: number;
  readonly rows: readonly RowResult[];
  /** Rows that were asked for and not run, and why. */
  readonly missing: readonly { readonly name: string; readonly reason: string }[];
  readonly notes: readonly string[];
}

/** The whole experiment. */
export interface ExperimentResult {
  readonly command: string;
  readonly seeds: readonly number[];
  readonly sets: readonly DataSetResult[];
  readonly seconds: number;
}
