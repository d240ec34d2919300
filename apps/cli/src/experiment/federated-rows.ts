/** Rows of the encoder trained by federated rounds, without noise and with that of populations larger than the data's. */
import type { InterestEncoder } from "@kindred/encoder";
import { type PlanInput, parsePlanInput } from "@kindred/protocol";
import { simulatedMechanism, simulateFederated } from "@kindred/simulator";
import { clusterFacts, nextInterestOf } from "./cluster-facts.ts";
import { curveNdcg, newEncoder, rankByEncoder } from "./encoder-scorer.ts";
import { curvePeople, measured, NOTHING_MORE } from "./experiment-data.ts";
import { DELTA, type Noise } from "./noise.ts";
import type { ExperimentOptions } from "./options.ts";
import type { CurvePoint } from "./result.ts";
import type { ExperimentRow, RowContext } from "./rows.ts";
import { type SplitPromise, signalsUpload, splitPromise, WARM_START, warmUp } from "./warm-start.ts";

/** Points of a learning curve. */
const CURVE_POINTS = 10;
/** Share of a row's time that the warm start takes, about. */
const WARM_UP = 0.4;
/** Last rounds that count people into clusters. */
const CLUSTER_ROUNDS = 6;
/** What a row depends on besides data and seed. */
export interface FederatedSettings
  extends Pick<
    ExperimentOptions,
    "rounds" | "cohort" | "clusters" | "serverLearningRate" | "clip" | "start" | "drawn"
  > {
  readonly noise: Noise | null;
  /** Named, so that rows are measured anew when it changes. */
  readonly warmStart: typeof WARM_START | null;
}

/** The rows, in the order of the table. */
export function federatedRows(options: ExperimentOptions): ExperimentRow[] {
  const noisy = options.noise.flatMap(({ people, cohort }) =>
    options.epsilons.map((epsilon) =>
      row(options, {
        id: `federated-${people}-${epsilon}`,
        name: `federated, ε = ${epsilon} as among ${people.toLocaleString("en")} people`,
        noise: { people, cohort, epsilon },
      }),
    ),
  );
  return [row(options, { id: "federated", name: "federated, no noise", noise: null }), ...noisy];
}

/** The row without noise, on which others build. */
export function federatedSettings({
  rounds,
  cohort,
  clusters,
  serverLearningRate,
  clip,
  start,
  drawn,
}: ExperimentOptions): FederatedSettings {
  const warmStart = start === "signals" ? WARM_START : null;
  return { rounds, cohort, clusters, serverLearningRate, clip, start, drawn, warmStart, noise: null };
}

function row(
  options: ExperimentOptions,
  { id, name, noise }: { readonly id: string; readonly name: string; readonly noise: Noise | null },
): ExperimentRow {
  const settings = { ...federatedSettings(options), noise };
  return {
    id,
    name,
    seeded: true,
    settings,
    against: noise === null ? "centralised" : "federated",
    run: (context) => train({ ...settings, ...context }),
  };
}

/** Rounds that a person takes part in at most: of the noise-equivalent population its share. */
function participationsOf({ rounds, noise }: Pick<FederatedSettings, "rounds" | "noise">): number {
  return noise === null ? rounds : Math.min(rounds, Math.ceil((rounds * noise.cohort) / noise.people));
}

/**
 * The plan of a row. With noise, a person of the noise-equivalent population takes part in rounds · cohort / people
 * rounds, and ε is promised over so many.
 */
export function federatedPlan({
  rounds,
  cohort,
  clusters,
  serverLearningRate,
  clip,
  noise,
  seed,
}: FederatedSettings & { readonly seed: number }): PlanInput {
  return parsePlanInput({
    task: "experiment",
    rounds,
    encoder: { seed },
    // One local step: what leaves a device is its clipped gradient, and the server's Adam does the rest.
    training: { epochs: 1, maxSteps: 1, batchSize: 16, learningRate: 0.1 },
    server: {
      optimiser: "fedadam",
      learningRate: serverLearningRate,
      warmupRounds: Math.min(20, Math.floor(rounds / 10)),
      schedule: "cosine",
    },
    cohort: { minimum: cohort, target: cohort, maximum: cohort, minSurvivors: Math.ceil(cohort * 0.8) },
    participation: { maximum: participationsOf({ rounds, noise }), minimumSeparation: 1 },
    privacy: {
      mechanism: noise === null ? "none" : "distributed-discrete-gaussian",
      epsilon: noise?.epsilon ?? 8,
      delta: DELTA,
      blocks: { model: { clip } },
    },
    clustering: { clusters },
  });
}

async function train(context: RowContext & FederatedSettings): ReturnType<ExperimentRow["run"]> {
  const { data, keep, rounds, cohort, noise } = context;
  const encoder = newEncoder(federatedPlan(context), data);
  try {
    const { plan, split, sent } = await begin(encoder, context);
    const { result, moments } = await runRounds(encoder, { plan, context });
    const { length: persons } = data.population.users;
    const bytesPerRound = Math.ceil((result.vector.padded * result.vector.bits) / 8);
    await keep(encoder.getWeights());
    const next = nextInterestOf(encoder, { data, model: result.clusters });
    const rankings = rankByEncoder(encoder, data, next.take);
    return {
      ...measured(rankings, data),
      ...NOTHING_MORE,
      settings: inWords(plan, { context, split }),
      curve: moments.map(
        ({ step, ndcg10 }): CurvePoint => ({
          step,
          ndcg10,
          bytes: sent + (step * Math.min(cohort, persons) * bytesPerRound) / persons,
        }),
      ),
      federated: {
        rounds,
        native: { people: persons, cohort: Math.min(cohort, persons) },
        noise: noise === null ? null : { people: noise.people, cohort: noise.cohort },
        epsilon: noise === null ? null : noise.epsilon,
        delta: DELTA,
        bytesPerRound,
      },
      clusters: clusterFacts(encoder, { data, model: result.clusters }),
      nextInterest: next.result(),
    };
  } finally {
    encoder.dispose();
  }
}

/** What a row does before its rounds: signals teach the encoder, where it starts from them. */
async function begin(
  encoder: InterestEncoder,
  context: RowContext & FederatedSettings,
): Promise<{
  readonly plan: PlanInput;
  readonly split: SplitPromise | undefined;
  /** Bytes that a device has sent by then. */
  readonly sent: number;
}> {
  const { data, seed, noise, start, drawn } = context;
  if (start === "nothing") return { plan: federatedPlan(context), split: undefined, sent: 0 };
  const split = noise === null ? undefined : promiseOf(context, { noise, encoder });
  await warmUp(encoder, {
    ...{ data, seed, drawn, noise: split?.noise ?? 0 },
    progress: (fraction) => context.progress(fraction * WARM_UP),
  });
  const trained = noise && split && { ...noise, epsilon: split.training };
  return {
    plan: federatedPlan({ ...context, noise: trained ?? null }),
    split,
    sent: signalsUpload({ itemCount: encoder.itemCount, noise, split }),
  };
}

/** Trains in rounds, and measures a few people now and then. */
async function runRounds(
  encoder: InterestEncoder,
  { plan, context }: { readonly plan: PlanInput; readonly context: RowContext & FederatedSettings },
) {
  const { data, seed, rounds, cohort, noise, start } = context;
  const people = curvePeople(data);
  const moments: { step: number; ndcg10: number }[] = [{ step: 0, ndcg10: curveNdcg(encoder, people) }];
  const stride = Math.max(1, Math.floor(rounds / CURVE_POINTS));
  const warmed = start === "signals" ? WARM_UP : 0;
  const result = await simulateFederated({
    plan,
    encoder,
    sequences: data.sequences,
    items: data.population.items,
    cohort,
    noiseCohort: noise?.cohort ?? 0,
    clusterFrom: Math.max(1, rounds - CLUSTER_ROUNDS + 1),
    seed,
    onRound: async ({ round }) => {
      if (round % stride === 0 || round === rounds)
        moments.push({ step: round, ndcg10: curveNdcg(encoder, people) });
      await context.progress(warmed + ((1 - warmed) * round) / (rounds + 1));
    },
  });
  return { result, moments };
}

function inWords(
  { server, privacy }: PlanInput,
  { context, split }: { readonly context: FederatedSettings; readonly split: SplitPromise | undefined },
): string {
  const { rounds, cohort, start } = context;
  const before = start === "signals" ? "taught by signals, then " : "";
  const promise =
    split && `; ε of signals ${split.signals.toFixed(2)}, of rounds ${split.training.toFixed(2)}`;
  return `${before}${rounds} rounds of ${cohort}, FedAdam ${server.learningRate}, clip ${privacy.blocks.model.clip}${promise ?? ""}`;
}

/** ε of the two tasks of a row with noise, the mechanism of the one that trains resolved as its rounds have it. */
function promiseOf(
  context: FederatedSettings & { readonly seed: number },
  { noise, encoder }: { readonly noise: Noise; readonly encoder: InterestEncoder },
): SplitPromise {
  return splitPromise(noise, {
    itemCount: encoder.itemCount,
    participations: participationsOf(context),
    trainingMechanism: (epsilon) =>
      simulatedMechanism({
        plan: federatedPlan({ ...context, noise: { ...noise, epsilon } }),
        encoder,
        noiseCohort: noise.cohort,
      }),
  });
}
