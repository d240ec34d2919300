/** The client's hybrid recommendations: the encoder together with the signals that rounds collect. */
import {
  COLLABORATIVE_SCORING,
  collaborativeScores,
  collaborativeTable,
  hybridScores,
  learnedHalfLife,
  popularShares,
} from "@kindred/client";
import { simulateSignals } from "@kindred/simulator";
import { encoderPlan } from "./encoder-rows.ts";
import { newEncoder, rankByEncoder } from "./encoder-scorer.ts";
import { measured, NOTHING_MORE } from "./experiment-data.ts";
import type { ExperimentOptions } from "./options.ts";
import type { ExperimentRow } from "./rows.ts";

/** The rows, in the order of the table. */
export function hybridRows({ epochs, clusters }: ExperimentOptions): ExperimentRow[] {
  return [
    {
      id: "hybrid",
      name: "hybrid recommendations",
      seeded: true,
      settings: { epochs, clusters, ...COLLABORATIVE_SCORING },
      needs: "centralised",
      against: "centralised",
      run: async ({ data, seed, trained }) => {
        const { sequences, tested, population } = data;
        const itemCount = population.items.length;
        const table = collaborativeTable(simulateSignals({ sequences, itemCount, seed }), itemCount)!;
        const popular = popularShares(table);
        const encoder = newEncoder(encoderPlan(seed, clusters), data);
        try {
          encoder.setWeights(trained!);
          const rankings = rankByEncoder(encoder, data, (index, scores) => {
            const { items } = tested[index]!.sequence;
            const halfLife = learnedHalfLife(table, items);
            scores.set(hybridScores(scores, collaborativeScores(table, items, { halfLife, popular })));
          });
          return {
            ...measured(rankings, data),
            ...NOTHING_MORE,
            settings: "the centralised encoder and transitions of five steps, without noise",
          };
        } finally {
          encoder.dispose();
        }
      },
    },
  ];
}
