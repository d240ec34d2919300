/** What a row of the experiment is, and which rows there are. */
import { baselineRows } from "./baseline-rows.ts";
import { encoderRows } from "./encoder-rows.ts";
import type { ExperimentData } from "./experiment-data.ts";
import { federatedRows } from "./federated-rows.ts";
import { hybridRows } from "./hybrid-rows.ts";
import type { ExperimentOptions } from "./options.ts";
import { personalRows } from "./personal-rows.ts";
import type { RowMeasurement } from "./result.ts";
import { unseenRows } from "./unseen-rows.ts";

/** What a row is given. */
export interface RowContext {
  readonly data: ExperimentData;
  readonly seed: number;
  /** Awaited now and then, so that the display can move: the share that is done, 0 to 1. */
  readonly progress: (fraction: number) => Promise<void>;
  /** Weights of the row that this one needs, trained on the same data with the same seed. */
  readonly trained: Float32Array | undefined;
  /** Keeps the row's weights for rows that need it. */
  readonly keep: (weights: Float32Array) => Promise<void>;
}

/** One row: a recommender, trained and measured on one data set with one seed. */
export interface ExperimentRow {
  /** What `--rows` calls it. */
  readonly id: string;
  readonly name: string;
  /** Whether a seed changes anything; other rows are measured once. */
  readonly seeded: boolean;
  /** Everything but data and seed that the result depends on: with them it names the finished row in the cache. */
  readonly settings: object;
  /** Id of the row whose weights it takes up, which must be finished before. */
  readonly needs?: string;
  /** Id of the row it is compared with. */
  readonly against: string | null;
  readonly run: (context: RowContext) => Promise<Omit<RowMeasurement, "seconds">>;
}

/** All rows in the order of the table. */
export function experimentRows(options: ExperimentOptions): ExperimentRow[] {
  return [
    ...baselineRows(),
    ...encoderRows(options),
    ...federatedRows(options),
    ...personalRows(options),
    ...hybridRows(options),
    ...unseenRows(options),
  ];
}
