/**
 * `pnpm bench encoder`: what architecture, inputs and personal parameters do to the encoder, trained on everybody's data in
 * one place: leave-last-out, full ranking, 5-core. The number of epochs is chosen on the second-last items, which the
 * encoder is not trained on.
 */
import { nextItemRanks, type RankingMetrics, rankingMetrics, seededRandom } from "@kindred/encoder";
import { parsePlanInput } from "@kindred/protocol";
import { type DataFlags, dataSet, refuse, wholeNumber } from "../flags.ts";
import { MarkdownTable } from "../markdown-table.ts";
import { centralisedTrial, trainInOnePlace } from "./centralised-trial.ts";

/** What commander hands over. */
export interface EncoderFlags extends DataFlags {
  readonly rows: string;
  readonly epochs: string;
  readonly seeds: string;
  readonly personal: string;
  readonly json?: string;
}

/** What differs from the default encoder, by the name of the row. */
const ROWS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  transformer: {},
  "transformer-items-only": { inputs: [] },
  "transformer-gap": { inputs: ["gap"] },
  "transformer-rating": { inputs: ["rating"] },
  gru: { architecture: "gru", layers: 1 },
  "gru-items-only": { architecture: "gru", layers: 1, inputs: [] },
  "gru-2": { architecture: "gru" },
};

/**
 * Measures and prints.
 * @throws KindredError `option-invalid` for a flag out of range, `dataset-invalid` for a folder without a data set
 */
export async function benchEncoder(flags: EncoderFlags, out: NodeJS.WritableStream): Promise<MarkdownTable> {
  const epochs = wholeNumber("--epochs", flags.epochs, [1, 1000]);
  const seeds = wholeNumber("--seeds", flags.seeds, [1, 100]);
  const personal = wholeNumber("--personal", flags.personal, [0, 1_000_000]);
  const rows = flags.rows.split(",");
  for (const row of rows)
    if (ROWS[row] === undefined)
      refuse("--rows", `must name rows, found "${row}"`, `pass some of ${Object.keys(ROWS).join(",")}`);
  const trial = await centralisedTrial(dataSet(flags), out);
  const { test } = trial;
  const table = new MarkdownTable(out, [
    "encoder",
    "seed",
    "weights",
    "epoch",
    "minutes",
    "HR@10",
    "NDCG@10",
    "MRR",
  ]);
  for (const row of rows)
    for (let seed = 1; seed <= seeds; seed++) {
      const plan = parsePlanInput({ task: "bench", encoder: { ...ROWS[row], seed }, personal: {} });
      const { encoder, bestEpoch, seconds } = await trainInOnePlace(trial, { plan, epochs });
      const minutes = seconds / 60;
      const about = [row, seed, encoder.layout.length, bestEpoch, minutes.toFixed(1)];
      table.row([...about, ...cells(rankingMetrics(nextItemRanks({ encoder, users: test })))]);
      const few = test.slice(0, personal);
      if (few.length > 0) {
        const own = few.map((user) => {
          const fit = { sequence: user.sequence, options: plan.personal!, random: seededRandom(seed) };
          return { ...user, personal: encoder.fitPersonal(fit).parameters };
        });
        const having = own.filter((user) => user.personal !== undefined).length;
        for (const [name, users] of [
          [`${few.length} of them`, few],
          [`with personal parameters (${having} have some)`, own],
        ] as const)
          table.row([name, ...about.slice(1), ...cells(rankingMetrics(nextItemRanks({ encoder, users })))]);
      }
      encoder.dispose();
    }
  await table.save(flags.json);
  return table;
}

function cells({ hr10, ndcg10, mrr }: RankingMetrics): string[] {
  return [hr10, ndcg10, mrr].map((value) => value.toFixed(4));
}
