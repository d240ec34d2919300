/**
 * What released transitions and popularity foresee, as something that an encoder learns from before its first round.
 *
 * Counts take one noisy release, an encoder takes hundreds of rounds, and both tell what follows what. Sequences are
 * drawn from the counts, and after each item the encoder is taught the whole distribution that the counts give: data-free
 * distillation of a model that is public by then, so that it costs no privacy. The rounds begin where the counts end.
 */
import {
  COLLABORATIVE_SCORING,
  collaborativeScores,
  collaborativeTable,
  popularShares,
} from "@kindred/client";
import {
  drawnSequences,
  type Foresight,
  foresightTeacher,
  type InterestEncoder,
  softTargets,
} from "@kindred/encoder";
import type { ModelSignals } from "@kindred/protocol";
import { breathing, type Learned, learn, type Material } from "./learning.ts";

/** Items of a drawn sequence at most. */
const LENGTH = 20;
/** How the counts teach: nearly all from what they give, a little from what was drawn. */
const TEACHING = { temperature: 1, weight: 0.9 };
/** Likeliest items that are kept of what they give. */
const TOP = 64;

/** What a device's collaborative scoring foresees, by the half-life of most people; `undefined` where nothing was released. */
export function signalForesight(signals: ModelSignals, itemCount: number): Foresight | undefined {
  const table = collaborativeTable(signals, itemCount);
  if (table === undefined) return undefined;
  const popular = popularShares(table);
  const { usualHalfLife: halfLife } = COLLABORATIVE_SCORING;
  return (items) => collaborativeScores(table, items, { halfLife, popular });
}

/** Teaches an encoder what is foreseen, along `count` sequences that are drawn from it. */
export async function learnFromSignals(
  encoder: InterestEncoder,
  options: {
    readonly foresight: Foresight;
    readonly count: number;
    readonly material: Pick<Material, "epochs" | "random">;
    /** What is being done, and the share of all of it that is done. */
    readonly progress: (label: string, fraction: number) => void;
  },
): Promise<Learned> {
  const { foresight, count, material, progress } = options;
  const { sequenceLength } = encoder.shape;
  const teacher = foresightTeacher(foresight, { itemCount: encoder.itemCount, sequenceLength });
  const part = (label: string, { from, to }: { from: number; to: number }) => {
    return (fraction: number) => progress(label, from + (to - from) * fraction);
  };
  return learn(encoder, {
    name: "the signals",
    sequences: await drawnSequences(foresight, {
      count,
      length: Math.min(LENGTH, sequenceLength),
      random: material.random,
      progress: breathing(part("Drawing from the signals", { from: 0, to: 0.1 })),
    }),
    material,
    teach: async (sequences) => ({
      ...TEACHING,
      targets: await softTargets([teacher], {
        sequences,
        top: TOP,
        temperature: TEACHING.temperature,
        progress: breathing(part("Asking the signals", { from: 0.1, to: 0.2 })),
      }),
    }),
    progress: part("Learning from the signals", { from: 0.2, to: 1 }),
  });
}
