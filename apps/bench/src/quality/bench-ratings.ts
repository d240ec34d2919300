/**
 * `pnpm bench ratings`: errors of predicted ratings, on one in ten ratings of each person, drawn at random: of the mean of
 * all, of the shared rating head alone with each person's own offset, and with their taste. The head is trained on
 * everybody's gradient in each step, or in rounds of 100 people, each one's update clipped, with the server optimiser of a
 * plan; without noise.
 */
import {
  itemFeatures,
  predictRatings,
  type Rated,
  ratingErrors,
  ratingLoss,
  seededRandom,
} from "@kindred/encoder";
import { initialOptimiserState, serverStep } from "@kindred/engine";
import { clipNorm, clipToNorm } from "@kindred/privacy";
import { type PlanInput, parsePlanInput } from "@kindred/protocol";
import { ratingScale, userSequences } from "@kindred/simulator";
import { type DataFlags, dataSet, wholeNumber } from "../flags.ts";
import { MarkdownTable } from "../markdown-table.ts";

/** What commander hands over. */
export interface RatingsFlags extends DataFlags {
  readonly rounds: string;
  readonly json?: string;
}

/** A person's ratings that are known, and those to be predicted. */
interface Rater {
  readonly own: readonly Rated[];
  readonly held: readonly Rated[];
}

/** People of a round that does not take everybody. */
const COHORT = 100;
const HELD_OUT = 0.1;

/**
 * Measures and prints.
 * @throws KindredError `option-invalid` for a flag out of range, `dataset-invalid` for a folder without a data set
 */
export async function benchRatings(flags: RatingsFlags, out: NodeJS.WritableStream): Promise<MarkdownTable> {
  const rounds = wholeNumber("--rounds", flags.rounds, [1, 100_000]);
  const population = dataSet(flags);
  const scale = ratingScale(population);
  const itemCount = population.items.length;
  const plan = parsePlanInput({
    task: "bench",
    training: { ratings: {} },
    server: { learningRate: 0.005, schedule: "cosine" },
  });
  const taste = {
    columns: plan.encoder.dimension,
    data: itemFeatures(
      population.items.map((item) => ({ ...item, tags: [...item.tags] })),
      plan.encoder,
    ),
  };
  const random = seededRandom(7);
  const people = userSequences(population).map(({ items, ratings }): Rater => {
    const drawn = Array.from(items, (item, i): Rated => ({ item, rating: ratings?.[i] ?? Number.NaN }))
      .filter(({ rating }) => !Number.isNaN(rating))
      .map((one) => ({ one, out: random() < HELD_OUT }));
    return {
      own: drawn.filter((each) => !each.out).map(({ one }) => one),
      held: drawn.filter((each) => each.out).map(({ one }) => one),
    };
  });
  const truth = people.flatMap(({ held }) => held.map(({ rating }) => rating));
  out.write(`${population.name}: ${people.length} people, ${itemCount} items\n\n`);
  const table = new MarkdownTable(out, ["predicted by", "RMSE", "MAE", "ratings"]);
  const print = (name: string, predicted: readonly number[]): void => {
    const { rmse, mae, n } = ratingErrors(predicted, truth);
    table.row([name, (scale * rmse).toFixed(4), (scale * mae).toFixed(4), n]);
  };
  const known = people.flatMap(({ own }) => own);
  const overall = known.reduce((sum, { rating }) => sum + rating, 0) / known.length;
  print("mean of all", new Array<number>(truth.length).fill(overall));
  // Vectors that all point the same way leave a person's offset and no taste.
  const alike = { columns: 1, data: new Float32Array(itemCount).fill(1) };
  for (const [name, cohort] of [
    ["everybody's gradient", people.length],
    [`rounds of ${COHORT}`, COHORT],
  ] as const) {
    const weights = trainHead({ plan, people, itemCount, rounds, cohort, random });
    const head = { mean: weights[0]!, items: weights.subarray(1) };
    for (const [what, units] of [
      ["offsets", alike],
      ["offsets and taste", taste],
    ] as const)
      print(
        `${name}, ${what}`,
        people.flatMap(({ own, held }) => [
          ...predictRatings(head, { own, units, wanted: held.map(({ item }) => item) }),
        ]),
      );
  }
  await table.save(flags.json);
  return table;
}

/** The weights of the head, mean first, after rounds with `cohort` people each; everybody where there are no more. */
function trainHead(options: {
  readonly plan: PlanInput;
  readonly people: readonly Rater[];
  readonly itemCount: number;
  readonly rounds: number;
  readonly cohort: number;
  readonly random: () => number;
}): Float32Array {
  const { plan, people, itemCount, rounds, cohort, random } = options;
  const weights = new Float32Array(1 + itemCount);
  weights[0] = 0.7;
  let optimiser = initialOptimiserState(weights.length);
  for (let round = 0; round < rounds; round++) {
    const members =
      cohort >= people.length
        ? people
        : Array.from({ length: cohort }, () => people[Math.floor(random() * people.length)]!);
    const mean = new Float64Array(weights.length);
    for (const { own } of members) {
      const gradient = new Float32Array(weights.length);
      const into = {
        mean: gradient.subarray(0, 1),
        items: gradient.subarray(1),
        scale: plan.training.ratings!.weight * plan.training.learningRate,
      };
      ratingLoss({ mean: weights[0]!, items: weights.subarray(1) }, own.length > 0 ? [own] : [], into);
      const { vector } = clipToNorm(gradient, clipNorm(1));
      for (let i = 0; i < mean.length; i++) mean[i]! -= vector[i]! / members.length;
    }
    const { step, state } = serverStep(optimiser, {
      mean,
      deviation: 0,
      segments: [{ offset: 0, length: weights.length }],
      options: plan.server,
      rounds,
    });
    optimiser = state;
    for (let i = 0; i < weights.length; i++) weights[i]! += step[i]!;
  }
  return weights;
}
