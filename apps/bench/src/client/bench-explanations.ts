/**
 * `pnpm bench explanations`: whether what an explanation cites is what the score hangs on. An encoder is trained for a few
 * epochs; the clients of some people recommend and explain; then the recommended item is scored anew, by fresh clients,
 * without the cited items, and without as many others of the record, drawn at random.
 */
import { writeFile } from "node:fs/promises";
import type { KindredClient } from "@kindred/client";
import { InterestEncoder, itemFeatures, loadBackend, seededRandom } from "@kindred/encoder";
import { parseCatalogue, parsePlanInput } from "@kindred/protocol";
import { leaveLastOut, type PopulationUser, ratingScale, userSequences } from "@kindred/simulator";
import { type DataFlags, dataSet, wholeNumber } from "../flags.ts";
import { type LocalTask, localTask } from "./local-task.ts";

/** What commander hands over. */
export interface ExplanationsFlags extends DataFlags {
  readonly cases: string;
  readonly epochs: string;
  readonly seed: string;
  readonly json?: string;
}

/** One recommendation that was explained; losses in nats. */
interface Case {
  readonly cited: number;
  readonly lossWithoutCited: number;
  readonly lossWithoutRandom: number;
}

export interface ExplanationsResult {
  readonly data: string;
  /** People the encoder was trained on, and epochs. */
  readonly people: number;
  readonly epochs: number;
  /** Recommendations whose explanation cites something and leaves as many others to compare with. */
  readonly cases: number;
  /** Recommendations that cite nothing, as no single item decided, or whose record is too short to compare. */
  readonly uncited: number;
  readonly tooShort: number;
  /** Share of cases in which the score loses more without the cited items, and its 95 % interval (Wilson 1927). */
  readonly share: number;
  readonly interval: readonly [number, number];
  /** Mean loss of score in nats. */
  readonly meanLoss: { readonly cited: number; readonly random: number };
}

/** Interactions of a person that are recorded, the latest. */
const RECORDED = 50;

/**
 * Measures and prints.
 * @throws KindredError `option-invalid` for a flag out of range, `dataset-invalid` for a folder without a data set
 */
export async function benchExplanations(
  flags: ExplanationsFlags,
  out: NodeJS.WritableStream,
): Promise<ExplanationsResult> {
  const wanted = wholeNumber("--cases", flags.cases, [1, 1_000_000]);
  const epochs = wholeNumber("--epochs", flags.epochs, [1, 1000]);
  const seed = wholeNumber("--seed", flags.seed, [0, 2 ** 31 - 1]);
  const population = dataSet(flags);
  const { train } = leaveLastOut(population);
  const scale = ratingScale(population);
  const catalogue = parseCatalogue({
    schema: "kindred.catalogue/1",
    items: population.items.map(({ id, title, tags }) => ({ id, title, tags: [...tags] })),
  });
  const backend = await loadBackend();
  const plan = parsePlanInput({ task: "bench", encoder: { seed } });
  const encoder = InterestEncoder.create({
    backend,
    shape: plan.encoder,
    training: plan.training,
    features: itemFeatures(catalogue.items, plan.encoder),
    itemCount: catalogue.items.length,
  });
  await encoder.trainCentralised({
    sequences: userSequences(train).filter(({ items }) => items.length >= 2),
    epochs,
    batchSize: 32,
    learningRate: 2e-3,
    optimiser: "adam",
    random: seededRandom(seed),
  });
  const weights = encoder.getWeights();
  encoder.dispose();
  const task = await localTask({ backend, catalogue, plan, weights });
  const random = seededRandom(seed + 1);
  const found: Case[] = [];
  const left = { uncited: 0, tooShort: 0 };
  try {
    for (const user of train.users) {
      if (found.length === wanted) break;
      const one = await explained(task, { interactions: latest(user, scale), random });
      if (typeof one === "string") left[one]++;
      else found.push(one);
    }
  } finally {
    await task.dispose();
  }
  const larger = found.filter((one) => one.lossWithoutCited > one.lossWithoutRandom).length;
  const mean = (of: (one: Case) => number) =>
    found.reduce((sum, one) => sum + of(one), 0) / Math.max(1, found.length);
  const result: ExplanationsResult = {
    data: population.name,
    people: train.users.length,
    epochs,
    cases: found.length,
    ...left,
    share: larger / Math.max(1, found.length),
    interval: wilsonInterval(larger, found.length),
    meanLoss: { cited: mean((one) => one.lossWithoutCited), random: mean((one) => one.lossWithoutRandom) },
  };
  out.write(inWords(result));
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

type Recorded = Pick<PopulationUser, "interactions">;

/** What a client records of a person: ratings in shares of the best one. */
function latest({ interactions }: Recorded, scale: number): Recorded["interactions"] {
  return interactions
    .slice(-RECORDED)
    .map(({ rating, ...rest }) => (rating === undefined ? rest : { ...rest, rating: rating / scale }));
}

/** Explains a person's first recommendation and holds it against a removal at random. */
async function explained(
  task: LocalTask,
  { interactions, random }: Recorded & { readonly random: () => number },
): Promise<Case | "uncited" | "tooShort"> {
  const client = await recorded(task, interactions);
  const [first] = await client.recommend({ count: 10, mode: "content" });
  if (first === undefined || first.basis !== "content") return "tooShort";
  const explanation = await client.explain(first);
  const cited = explanation.interactions.map(({ item }) => item.id);
  if (cited.length === 0) return "uncited";
  const others = [...new Set(interactions.map(({ item }) => item))].filter((item) => !cited.includes(item));
  // One is left over whichever are removed, so that both scores are the encoder's.
  if (others.length <= cited.length) return "tooShort";
  const drawn = shuffled(others, random).slice(0, cited.length);
  const lossWithout = async (removed: readonly string[]): Promise<number> => {
    const kept = interactions.filter(({ item }) => !removed.includes(item));
    const [again] = await (await recorded(task, kept)).recommend({
      count: 1,
      mode: "content",
      candidates: [first.item.id],
      exclude: "nothing",
    });
    return first.score - again!.score;
  };
  return {
    cited: cited.length,
    lossWithoutCited: await lossWithout(cited),
    lossWithoutRandom: await lossWithout(drawn),
  };
}

/** A fresh client with these interactions on record. */
async function recorded(task: LocalTask, interactions: Recorded["interactions"]): Promise<KindredClient> {
  const client = await task.open();
  for (const { item, action, time, rating } of interactions)
    await client.record({ item, action, time, ...(rating === undefined ? {} : { rating }) });
  return client;
}

/** Fisher and Yates (1938). */
function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const order = [...values];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** The 95 % interval of a share by Wilson (1927), which stays within 0 to 1; all of it without cases. */
export function wilsonInterval(successes: number, cases: number): readonly [number, number] {
  if (cases === 0) return [0, 1];
  const z = 1.959964;
  const share = successes / cases;
  const centre = share + z ** 2 / (2 * cases);
  const half = z * Math.sqrt((share * (1 - share)) / cases + (z / (2 * cases)) ** 2);
  const scale = 1 + z ** 2 / cases;
  return [(centre - half) / scale, (centre + half) / scale];
}

function inWords(result: ExplanationsResult): string {
  const { data, people, epochs, cases, uncited, tooShort, share, interval, meanLoss } = result;
  const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
  return [
    `${data}: encoder of ${people} people after ${epochs} epochs; ${cases} recommendations explained\n\n`,
    `score loses more without what is cited  ${percent(share)} of cases (95 %: ${interval.map(percent).join(" to ")})\n`,
    `mean loss without what is cited         ${meanLoss.cited.toFixed(3)} nats\n`,
    `mean loss without as many at random     ${meanLoss.random.toFixed(3)} nats\n`,
    `left out                                ${uncited} cite nothing, ${tooShort} have too short a record\n`,
  ].join("");
}
