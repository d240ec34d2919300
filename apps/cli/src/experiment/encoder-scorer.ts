/** The encoder as a recommender of the experiment. */
import { type EvaluationUser, InterestEncoder, nextItemRanks, rankingMetrics } from "@kindred/encoder";
import type { PlanInput } from "@kindred/protocol";
import { type Rankings, rankAndList, type Split } from "@kindred/simulator";
import type { ExperimentData } from "./experiment-data.ts";

/** People who are scored at once: bounds the memory of their scores. */
const SCORED_AT_ONCE = 256;

/** A new encoder for the data's catalogue. The owner disposes of it. */
export function newEncoder(
  plan: PlanInput,
  { population, vectors, backend }: ExperimentData,
): InterestEncoder {
  return InterestEncoder.create({
    backend,
    shape: plan.encoder,
    training: plan.training,
    features: vectors,
    itemCount: population.items.length,
  });
}

/** NDCG@10 of a few people, for learning curves. */
export function curveNdcg(encoder: InterestEncoder, people: readonly EvaluationUser[]): number {
  return rankingMetrics(nextItemRanks({ encoder, users: people })).ndcg10;
}

/**
 * Ranks and lists of all tested people, scored in batches.
 *
 * @param take is given each tested person's position and scores, in order, and may change the scores that are ranked
 */
export function rankByEncoder(
  encoder: InterestEncoder,
  { split, tested }: { readonly split: Split; readonly tested: readonly EvaluationUser[] },
  take: (index: number, scores: Float32Array) => void = () => undefined,
): Rankings {
  let index = 0;
  let batch: Float32Array[] = [];
  return rankAndList(split, () => {
    const at = index % SCORED_AT_ONCE;
    if (at === 0) {
      const people = tested.slice(index, index + SCORED_AT_ONCE);
      batch = encoder.scoresForMany(
        people.map(({ sequence }) => sequence),
        people.map(({ personal }) => personal),
      );
    }
    const scores = batch[at]!;
    take(index++, scores);
    return scores;
  });
}
