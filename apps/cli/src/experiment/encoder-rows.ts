/** Rows of the encoder trained with everybody's data in one place. */
import { type EvaluationUser, type InterestEncoder, type Sequence, seededRandom } from "@kindred/encoder";
import { type PlanInput, parsePlanInput } from "@kindred/protocol";
import { evaluationUsers, userSequences } from "@kindred/simulator";
import { catalogueClusters, nextInterestOf } from "./cluster-facts.ts";
import { curveNdcg, newEncoder, rankByEncoder } from "./encoder-scorer.ts";
import { curvePeople, type ExperimentData, measured, NOTHING_MORE } from "./experiment-data.ts";
import type { ExperimentOptions } from "./options.ts";
import type { CurvePoint } from "./result.ts";
import type { ExperimentRow } from "./rows.ts";

/** How the encoder is trained; the number of epochs is chosen on the validation split. */
const TRAINING = { batchSize: 32, learningRate: 0.002, patience: 5 };
/** People of the validation split who decide when to stop, at the most. */
const VALIDATION_PEOPLE = 1500;
/** Epochs at most between two points of the learning curve. */
const CURVE_EPOCHS = 5;

/** The rows, in the order of the table. */
export function encoderRows({ epochs, clusters }: ExperimentOptions): ExperimentRow[] {
  return [
    {
      id: "centralised",
      name: "encoder, centralised",
      seeded: true,
      settings: { epochs, clusters, ...TRAINING },
      against: "popularity",
      run: async ({ data, seed, progress, keep }) => {
        const plan = encoderPlan(seed, clusters);
        const bestEpoch = await chooseEpochs({
          data,
          plan,
          epochs,
          progress: (share) => progress(share / 2),
        });
        const encoder = newEncoder(plan, data);
        try {
          const curve = await trainCentrally(encoder, {
            data,
            seed,
            epochs: bestEpoch,
            progress: (share) => progress(0.5 + share / 2),
          });
          await keep(encoder.getWeights());
          const next = nextInterestOf(encoder, { data, model: catalogueClusters(encoder, { data, plan }) });
          const rankings = rankByEncoder(encoder, data, next.take);
          return {
            ...measured(rankings, data),
            ...NOTHING_MORE,
            settings: `${bestEpoch} epochs, Adam ${TRAINING.learningRate}, ${TRAINING.batchSize} windows a step`,
            curve,
            nextInterest: next.result(),
          };
        } finally {
          encoder.dispose();
        }
      },
    },
  ];
}

/** The default encoder, initial weights by the seed. */
export function encoderPlan(seed: number, clusters: number): PlanInput {
  return parsePlanInput({ task: "experiment", encoder: { seed }, clustering: { clusters } });
}

/** The epoch with the best validation NDCG@10, of an encoder that does not see the second-last items. */
async function chooseEpochs({
  data,
  plan,
  epochs,
  progress,
}: {
  readonly data: ExperimentData;
  readonly plan: PlanInput;
  readonly epochs: number;
  readonly progress: (share: number) => Promise<void>;
}): Promise<number> {
  const { validation } = data.split;
  const people = evaluationUsers(validation);
  const stride = Math.max(1, people.length / VALIDATION_PEOPLE);
  const encoder = newEncoder(plan, data);
  try {
    const { bestEpoch } = await encoder.trainCentralised({
      ...TRAINING,
      optimiser: "adam",
      sequences: trainable(userSequences(validation.train)),
      epochs,
      validation: Array.from(
        { length: Math.min(people.length, VALIDATION_PEOPLE) },
        (_, i): EvaluationUser => people[Math.floor(i * stride)]!,
      ),
      onStep: ({ epochs: begun, fraction }) => progress((begun + fraction) / epochs),
      random: seededRandom(plan.encoder.seed),
    });
    return bestEpoch;
  } finally {
    encoder.dispose();
  }
}

async function trainCentrally(
  encoder: InterestEncoder,
  {
    data,
    seed,
    epochs,
    progress,
  }: {
    readonly data: ExperimentData;
    readonly seed: number;
    readonly epochs: number;
    readonly progress: (share: number) => Promise<void>;
  },
): Promise<CurvePoint[]> {
  const people = curvePeople(data);
  const curve: CurvePoint[] = [{ step: 0, ndcg10: curveNdcg(encoder, people), bytes: 0 }];
  const stride = Math.max(1, Math.min(CURVE_EPOCHS, Math.floor(epochs / 4)));
  await encoder.trainCentralised({
    ...TRAINING,
    optimiser: "adam",
    sequences: trainable(data.sequences),
    epochs,
    onStep: ({ epochs: begun, fraction }) => progress((begun + fraction) / epochs),
    onEpoch: ({ epoch }) => {
      if (epoch % stride === 0 || epoch === epochs)
        curve.push({ step: epoch, ndcg10: curveNdcg(encoder, people), bytes: 0 });
    },
    random: seededRandom(seed),
  });
  return curve;
}

function trainable(sequences: readonly Sequence[]): Sequence[] {
  return sequences.filter(({ items }) => items.length >= 2);
}
