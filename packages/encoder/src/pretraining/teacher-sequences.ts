/**
 * Sequences that a trained encoder makes up, for a smaller one to learn from: sequence-level distillation (Kim and Rush 2016).
 * They hold what the teacher has learned and no person's history beyond the few items that each begins with.
 */
import { KindredError } from "@kindred/protocol";
import type { InterestEncoder } from "../encoder.ts";
import type { Sequence } from "../sequence.ts";

/** Sequences that go on at once, which bounds the memory of the score matrix. */
const AT_ONCE = 256;

/**
 * Continues sequences by items drawn from the teacher's softmax; no item comes twice. What the teacher does not predict
 * (actions, time gaps, ratings) is as in the sequence that is continued, begun anew where it ends.
 *
 * @param teacher holds its weights
 * @param options.beginnings each with at least one interaction; the first `kept` of it are kept
 * @param options.length items of a finished sequence
 * @param options.temperature divides the scores: below 1 the teacher's likelier items come more often
 * @param options.progress told the share that is done; awaited, so that a host can breathe
 * @throws KindredError `option-invalid` for a length that the catalogue cannot fill, or a malformed beginning
 */
export async function teacherSequences(
  teacher: Pick<InterestEncoder, "scoresForMany" | "itemCount">,
  options: {
    readonly beginnings: readonly Sequence[];
    readonly kept: number;
    readonly length: number;
    readonly temperature: number;
    readonly random: () => number;
    readonly progress?: (fraction: number) => void | Promise<void>;
  },
): Promise<Sequence[]> {
  const { beginnings, kept, length, progress } = options;
  if (!(length > kept && length <= teacher.itemCount))
    throw new KindredError({
      code: "option-invalid",
      field: "length",
      rule: `must be above ${kept} and at most the ${teacher.itemCount} items, found ${length}`,
      fix: "choose a length between",
    });
  const finished: Sequence[] = [];
  for (let start = 0; start < beginnings.length; start += AT_ONCE) {
    const part = beginnings.slice(start, start + AT_ONCE);
    const items = part.map((own) => [...new Set(Array.from(own.items).slice(0, kept))]);
    for (let shortest = 1; shortest < length; shortest = Math.min(...items.map((own) => own.length))) {
      const scores = teacher.scoresForMany(part.map((own, i) => dressed(items[i]!, own)));
      items.forEach((own, i) => {
        if (own.length < length) own.push(draw(scores[i]!, own, options));
      });
      await progress?.((start + (part.length * shortest) / length) / beginnings.length);
    }
    finished.push(...part.map((own, i) => dressed(items[i]!, own)));
  }
  await progress?.(1);
  return finished;
}

/** Items with the actions, time gaps and ratings of a sequence, over and over. */
function dressed(items: readonly number[], { actions, times, ratings }: Sequence): Sequence {
  const count = actions.length;
  const period = count < 2 ? 1 : times[count - 1]! - times[0]! + (times[1]! - times[0]!);
  return {
    items,
    actions: items.map((_, i) => actions[i % count]!),
    times: items.map((_, i) => times[i % count]! + period * Math.floor(i / count)),
    ...(ratings && { ratings: items.map((_, i) => ratings[i % count]!) }),
  };
}

/** An item in proportion to e^(score / temperature) among those that are not taken. */
function draw(
  scores: Float32Array,
  taken: readonly number[],
  { temperature, random }: { readonly temperature: number; readonly random: () => number },
): number {
  const open = scores.slice();
  for (const item of taken) open[item] = Number.NEGATIVE_INFINITY;
  let largest = Number.NEGATIVE_INFINITY;
  for (const score of open) if (score > largest) largest = score;
  let total = 0;
  for (let item = 0; item < open.length; item++) {
    open[item] = Math.exp((open[item]! - largest) / temperature);
    total += open[item]!;
  }
  let left = random() * total;
  let last = 0;
  for (let item = 0; item < open.length; item++) {
    if (open[item] === 0) continue;
    last = item;
    left -= open[item]!;
    if (left < 0) break;
  }
  return last;
}
