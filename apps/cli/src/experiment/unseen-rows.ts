/** The encoder before items that it was not trained with: what their public texts alone are worth. */
import { growWeights, InterestEncoder, rankOf, seededRandom, shuffle } from "@kindred/encoder";
import { type PlanInput, parsePlanInput } from "@kindred/protocol";
import { gainsAt10, hideItems, itemIndex, type UnseenItemsSplit, userSequences } from "@kindred/simulator";
import { newEncoder, rankByEncoder } from "./encoder-scorer.ts";
import { type ExperimentData, measured, NOTHING_MORE } from "./experiment-data.ts";
import type { ExperimentOptions } from "./options.ts";
import type { ExperimentRow, RowContext } from "./rows.ts";

/** Training without a choice: a validation split of its own would cost as much again. */
const TRAINING = { batchSize: 32, learningRate: 0.002 };
const EPOCHS = 10;
/** Share of the catalogue that is hidden. */
const HIDDEN = 0.1;

/** The rows, in the order of the table. */
export function unseenRows(options: ExperimentOptions): ExperimentRow[] {
  const epochs = Math.min(EPOCHS, options.epochs);
  return [
    {
      id: "unseen-items",
      name: "encoder, a tenth of the items unseen",
      seeded: true,
      settings: { ...TRAINING, epochs, hidden: HIDDEN, among: ["all", "kind"], foretold: "attributes" },
      against: null,
      run: async (context) => {
        const { data, seed } = context;
        const split = hideItems(data.split, { share: HIDDEN, seed });
        const plan = parsePlanInput({ task: "experiment", encoder: { seed } });
        const encoder = newEncoder(plan, data);
        try {
          encoder.setWeights(await trainOnVisible(plan, { split, epochs, context }));
          return {
            ...rankUnseen(encoder, { data, split, seed }),
            settings: `${epochs} epochs, Adam ${TRAINING.learningRate}, ${TRAINING.batchSize} windows a step`,
          };
        } finally {
          encoder.dispose();
        }
      },
    },
  ];
}

/** Trains an encoder whose catalogue has only the visible items, and grows its weights as an operator would. */
async function trainOnVisible(
  plan: PlanInput,
  {
    split,
    epochs,
    context: { data, seed, progress },
  }: {
    readonly split: UnseenItemsSplit;
    readonly epochs: number;
    readonly context: RowContext;
  },
): Promise<Float32Array> {
  const { items } = data.population;
  const visible = items.flatMap((_, position) => (split.hidden.has(position) ? [] : [position]));
  const d = plan.encoder.dimension;
  const features = new Float32Array(visible.length * d);
  visible.forEach((position, row) => {
    features.set(data.vectors.subarray(position * d, (position + 1) * d), row * d);
  });
  const encoder = InterestEncoder.create({
    backend: data.backend,
    shape: plan.encoder,
    training: plan.training,
    features,
    itemCount: visible.length,
  });
  try {
    const from = visible.map((position) => items[position]!);
    const population = { ...split.train, items: from };
    await encoder.trainCentralised({
      ...TRAINING,
      epochs,
      optimiser: "adam",
      sequences: userSequences(population).filter((sequence) => sequence.items.length >= 2),
      onStep: (at) => progress((at.epochs + at.fraction) / (epochs + 1)),
      random: seededRandom(seed),
    });
    return growWeights(encoder.getWeights(), { shape: plan.encoder, from, into: items }).weights;
  } finally {
    encoder.dispose();
  }
}

function rankUnseen(
  encoder: InterestEncoder,
  {
    data,
    split,
    seed,
  }: { readonly data: ExperimentData; readonly split: UnseenItemsSplit; readonly seed: number },
) {
  const sequences = userSequences(split.train);
  const index = itemIndex(split.train);
  const tested = split.test.map(({ userIndex, itemIndex: target }) => ({
    sequence: sequences[userIndex]!,
    target,
    seen: split.train.users[userIndex]!.interactions.map(({ item }) => index.get(item)!),
  }));
  const others = notOfKind(split, { itemCount: encoder.itemCount, seed });
  const amongKind: number[] = [];
  const rankings = rankByEncoder(encoder, { split, tested }, (at, scores) => {
    const { target, seen } = tested[at]!;
    const left = (split.hidden.has(target) ? others.seen : others.hidden).slice();
    for (const item of seen) left[item] = 1;
    left[target] = 0;
    amongKind.push(rankOf({ scores, target, seen: left }));
  });
  const mean = (ranks: readonly number[], unseen: boolean): number => {
    const gains = gainsAt10(ranks.filter((_, at) => split.hidden.has(tested[at]!.target) === unseen));
    return gains.reduce((sum, gain) => sum + gain, 0) / Math.max(1, gains.length);
  };
  const { quality, ranks } = measured(rankings, { split, vectors: data.vectors });
  return {
    quality,
    ranks,
    ...NOTHING_MORE,
    unseen: {
      people: tested.filter(({ target }) => split.hidden.has(target)).length,
      items: split.hidden.size,
      amongAll: { unseen: mean(ranks, true), seen: mean(ranks, false) },
      amongKind: { unseen: mean(amongKind, true), seen: mean(amongKind, false) },
    },
  };
}

/**
 * Masks of what is not ranked: all but the hidden items (`seen`), and all but as many of the others, drawn at random
 * (`hidden`), so that both questions are equally hard.
 */
function notOfKind(
  { hidden }: UnseenItemsSplit,
  { itemCount, seed }: { readonly itemCount: number; readonly seed: number },
): { readonly seen: Uint8Array; readonly hidden: Uint8Array } {
  const others = Array.from({ length: itemCount }, (_, item) => item).filter((item) => !hidden.has(item));
  const seen = new Uint8Array(itemCount);
  for (const item of others) seen[item] = 1;
  const notDrawn = new Uint8Array(itemCount).fill(1);
  for (const item of shuffle(others, seededRandom(seed)).slice(0, hidden.size)) notDrawn[item] = 0;
  return { seen, hidden: notDrawn };
}
