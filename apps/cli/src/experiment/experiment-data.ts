/** A data set under the protocol of the experiment, with what all rows share. */

import { createHash } from "node:crypto";
import {
  type Backend,
  type EvaluationUser,
  itemFeatures,
  loadBackend,
  rankingMetrics,
  type Sequence,
} from "@kindred/encoder";
import { parsePlanInput } from "@kindred/protocol";
import {
  countInteractions,
  evaluationUsers,
  kCore,
  type LeaveLastOut,
  leaveLastOut,
  listQuality,
  loadPopulation,
  type Population,
  type Rankings,
  type Split,
  sampleUsers,
  typicalTagGroups,
  userSequences,
} from "@kindred/simulator";
import type { QualityColumns } from "./result.ts";

/** Interactions that every person and every item has at least. */
const K_CORE = 5;
/** Tested people whose ranks make a learning curve, at the most. */
const CURVE_PEOPLE = 512;

/** The experiment's view of one data set. */
export interface ExperimentData {
  readonly population: Population;
  /** Leave-last-out; hyper-parameters are chosen on its validation split. */
  readonly split: LeaveLastOut;
  /** Of `split.train`. */
  readonly sequences: readonly Sequence[];
  readonly tested: readonly EvaluationUser[];
  /** Public text vectors of the default encoder: the measure of diversity for every row. */
  readonly vectors: Float32Array;
  /** The tag that is most typical of each person, −1 for none: what clusters are compared with. */
  readonly groups: readonly number[];
  readonly backend: Backend;
  /** Changes with anything that is learned from or tested. */
  readonly fingerprint: string;
}

/**
 * Loads a data set, reduces it to its 5-core and splits it.
 *
 * @param options.people a uniform sample of so many, drawn before the core is taken anew
 * @throws KindredError `dataset-invalid`, or `option-invalid` when there are not that many people
 */
export async function loadExperimentData(
  directory: string,
  { people, backend }: { readonly people: number | undefined; readonly backend?: Backend },
): Promise<ExperimentData> {
  const whole = kCore(loadPopulation(directory), K_CORE);
  const population =
    people === undefined || people >= whole.users.length
      ? whole
      : kCore(sampleUsers(whole, people, 1), K_CORE);
  const split = leaveLastOut(population);
  const shape = parsePlanInput({ task: "experiment" }).encoder;
  return {
    population,
    split,
    sequences: userSequences(split.train),
    tested: evaluationUsers(split),
    vectors: itemFeatures(
      population.items.map((item) => ({ ...item, tags: [...item.tags] })),
      shape,
    ),
    groups: typicalTagGroups(split.train),
    backend: backend ?? (await loadBackend()),
    fingerprint: fingerprint(population),
  };
}

function fingerprint(population: Population): string {
  const hash = createHash("sha256");
  for (const { id, title, tags } of population.items) hash.update(JSON.stringify([id, title, tags]));
  for (const { id, interactions } of population.users) {
    hash.update(JSON.stringify(id));
    for (const { item, action, time, rating } of interactions)
      hash.update(JSON.stringify([item, action, time, rating ?? null]));
  }
  return `${population.name}-${countInteractions(population)}-${hash.digest("hex").slice(0, 16)}`;
}

/** The columns of a table row, and the ranks behind them. */
export function measured(
  { ranks, lists }: Rankings,
  { split, vectors }: { readonly split: Split; readonly vectors: Float32Array },
): { readonly quality: QualityColumns; readonly ranks: readonly number[] } {
  const { hr10, ndcg10, mrr } = rankingMetrics(ranks);
  return { quality: { hr10, ndcg10, mrr, ...listQuality(lists, { train: split.train, vectors }) }, ranks };
}

/** What a row without training, rounds or clusters has to say of them. */
export const NOTHING_MORE = {
  curve: [],
  federated: null,
  clusters: null,
  nextInterest: null,
  unseen: null,
} as const;

/** People for a learning curve: evenly spread over the tested ones, the same for every row. */
export function curvePeople({ tested }: Pick<ExperimentData, "tested">): EvaluationUser[] {
  const count = Math.min(CURVE_PEOPLE, tested.length);
  return Array.from({ length: count }, (_, i) => tested[Math.floor((i * tested.length) / count)]!);
}
