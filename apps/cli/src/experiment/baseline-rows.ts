/** Rows without an encoder: what every learned model has to beat. */
import { rankingMetrics } from "@kindred/encoder";
import {
  easeBaseline,
  itemNeighboursBaseline,
  type Population,
  popularityBaseline,
  rankAndList,
  rankHeldOut,
  type Split,
  transitionsBaseline,
} from "@kindred/simulator";
import { measured, NOTHING_MORE } from "./experiment-data.ts";
import type { ExperimentRow, RowContext } from "./rows.ts";

/** Scores of all items for a user by position. */
type Scorer = (userIndex: number) => Float32Array;

/** A model fitted once, that scores under several settings. */
interface Tunable<S> {
  /** What is chosen between, each with its words. */
  readonly candidates: readonly S[];
  readonly words: (settings: S) => string;
  /** Fits whatever several candidates share; asked with the training part of the validation split, then of the whole. */
  readonly fit: (train: Population) => (settings: S) => Scorer;
}

const REGULARISATIONS = [100, 300];
const HALF_LIVES = [1, 2, 5];
const ROW_POWERS = [0, 0.5, 1];
const WINDOW = 5;

/** The rows, in the order of the table. */
export function baselineRows(): ExperimentRow[] {
  return [
    fixed("popularity", "popularity", (train) => {
      const scores = popularityBaseline(train);
      return () => scores;
    }),
    fixed("item-knn", "item-kNN, cosine", (train) => itemNeighboursBaseline(train)),
    tuned("ease", "EASE", {
      candidates: REGULARISATIONS.map((regularisation) => ({ regularisation })),
      words: ({ regularisation }) => `λ = ${regularisation}`,
      fit: easeFor,
    }),
    tuned("ease-recency", "EASE with recency", {
      candidates: REGULARISATIONS.flatMap((regularisation) =>
        HALF_LIVES.map((halfLife) => ({ regularisation, halfLife })),
      ),
      words: ({ regularisation, halfLife }) => `λ = ${regularisation}, half-life ${halfLife}`,
      fit: easeFor,
    }),
    transitions("transitions", "windowed transitions", "uniform"),
    transitions("sequential-rules", "sequential item rules", "inverse-distance"),
  ];
}

/** EASE under any settings; a regularisation is fitted when it is first asked for, and only the last one is kept. */
function easeFor(train: Population): (settings: { regularisation: number; halfLife?: number }) => Scorer {
  let fitted:
    | { readonly regularisation: number; readonly model: ReturnType<typeof easeBaseline> }
    | undefined;
  return ({ regularisation, halfLife }) => {
    if (fitted?.regularisation !== regularisation)
      fitted = { regularisation, model: easeBaseline(train, regularisation) };
    const { model } = fitted;
    return (user) => model.scores(user, halfLife);
  };
}

function transitions(id: string, name: string, weighting: "uniform" | "inverse-distance"): ExperimentRow {
  return tuned(id, name, {
    candidates: ROW_POWERS.flatMap((rowPower) => HALF_LIVES.map((halfLife) => ({ rowPower, halfLife }))),
    words: ({ rowPower, halfLife }) =>
      `window ${WINDOW}, half-life ${halfLife}, rows divided by their sum to the power of ${rowPower}`,
    fit: (train) => {
      const model = transitionsBaseline(train, { window: WINDOW, weighting });
      return (settings) => (user) => model.scores(user, settings);
    },
  });
}

function fixed(id: string, name: string, fit: (train: Population) => Scorer): ExperimentRow {
  return {
    id,
    name,
    seeded: false,
    settings: {},
    against: null,
    run: async ({ data, progress }) => {
      const scorer = fit(data.split.train);
      await progress(0.3);
      return { ...measured(rankAndList(data.split, scorer), data), ...NOTHING_MORE, settings: "" };
    },
  };
}

/** A row whose settings are chosen by NDCG@10 on the validation split. */
function tuned<S extends object>(id: string, name: string, model: Tunable<S>): ExperimentRow {
  return {
    id,
    name,
    seeded: false,
    settings: { candidates: model.candidates },
    against: "popularity",
    run: async ({ data, progress }) => {
      const chosen = await choose(model, { split: data.split.validation, progress });
      const scorer = model.fit(data.split.train)(chosen);
      return {
        ...measured(rankAndList(data.split, scorer), data),
        ...NOTHING_MORE,
        settings: model.words(chosen),
      };
    },
  };
}

async function choose<S>(
  { candidates, fit }: Tunable<S>,
  { split, progress }: { readonly split: Split; readonly progress: RowContext["progress"] },
): Promise<S> {
  const scorerFor = fit(split.train);
  let best: { readonly settings: S; readonly ndcg10: number } | undefined;
  for (const [done, settings] of candidates.entries()) {
    await progress(done / (candidates.length + 1));
    const { ndcg10 } = rankingMetrics(rankHeldOut(split, scorerFor(settings)));
    if (best === undefined || ndcg10 > best.ndcg10) best = { settings, ndcg10 };
  }
  return best!.settings;
}
