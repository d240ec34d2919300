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
import { federatedSettings } from "./federated-rows.ts";
import type { ExperimentOptions } from "./options.ts";
import type { ExperimentRow } from "./rows.ts";

/** The rows, in the order of the table: over the encoder trained in one place, and over the one trained by rounds. */
export function hybridRows(options: ExperimentOptions): ExperimentRow[] {
  const { epochs, clusters } = options;
  return [
    row({
      id: "federated-hybrid",
      name: "federated + hybrid recommendations",
      needs: "federated",
      settings: federatedSettings(options),
      clusters,
    }),
    row({
      id: "hybrid",
      name: "hybrid recommendations",
      needs: "centralised",
      settings: { epochs, clusters },
      clusters,
    }),
  ];
}

function row({
  clusters,
  settings,
  ...named
}: Pick<ExperimentRow, "id" | "name" | "settings"> & {
  readonly needs: string;
  readonly clusters: number;
}): ExperimentRow {
  return {
    ...named,
    seeded: true,
    settings: { ...settings, ...COLLABORATIVE_SCORING },
    against: named.needs,
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
          settings: `the weights of ${named.needs}, and transitions of five steps, without noise`,
        };
      } finally {
        encoder.dispose();
      }
    },
  };
}
