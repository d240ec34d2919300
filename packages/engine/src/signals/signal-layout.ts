/** The blocks of the rounds that collect a signal, as they follow from a plan. */
import {
  KindredError,
  type PlanInput,
  type ResolvedPlan,
  SIGNALS,
  type SignalBlock,
  type SignalName,
  type VectorBlock,
} from "@kindred/protocol";
import { popularityRows } from "./signal-matrix.ts";

interface LayoutContext {
  readonly itemCount: number;
  /** Entries of the vector of a round that trains, padding included: a signal takes no more unless the plan says so. */
  readonly vectorLength: number;
  /** Blocks of the rounds that train. */
  readonly training: readonly VectorBlock[];
}

/**
 * The blocks of each kind of round that collects a signal: the signal's in place of those of model and clusters, and
 * those that every round carries. Weights are normalised to Σ a² = 1.
 * @returns `undefined` for a plan without signals
 */
export function signalLayouts(input: PlanInput, context: LayoutContext): ResolvedPlan["signals"] {
  const { signals } = input;
  if (signals === undefined) return undefined;
  const layouts: NonNullable<ResolvedPlan["signals"]> = {};
  for (const name of SIGNALS) {
    const options = signals[name];
    if (options === undefined) continue;
    const always = sharedBlocks(input, context);
    const room = context.vectorLength - lengthOf(always);
    const length = signalLength(name, { input, room, itemCount: context.itemCount });
    const raw: SignalBlock[] = [{ name, length, clip: options.clip, weight: 1 }, ...always];
    const norm = Math.hypot(...raw.map(({ weight }) => weight));
    layouts[name] = raw.map((block) => ({ ...block, weight: block.weight / norm }));
  }
  return layouts;
}

/** The blocks that every round carries, with their weights against a signal of weight 1. */
function sharedBlocks({ privacy }: PlanInput, { training }: LayoutContext): SignalBlock[] {
  const { evaluation, model } = privacy.blocks;
  return training.flatMap(({ name, length, clip }): SignalBlock[] => {
    if (name === "evaluation") return [{ name, length, clip, weight: evaluation.weight }];
    return name === "clipping" && model.adaptive !== undefined
      ? [{ name, length, clip, weight: model.adaptive.weight }]
      : [];
  });
}

function signalLength(
  name: SignalName,
  {
    input,
    room,
    itemCount,
  }: { readonly input: PlanInput; readonly room: number; readonly itemCount: number },
): number {
  if (name === "popularity") return popularityRows(input, { itemCount, room }) * itemCount;
  return Math.min(itemCount, input.signals?.transitions?.items ?? Math.floor(Math.sqrt(room))) ** 2;
}

/**
 * Transitions between some items only need to know which: a popularity that was released before.
 * @throws KindredError `plan-invalid`
 */
export function checkSignalOrder(
  { signals }: PlanInput,
  { layouts, itemCount }: { readonly layouts: ResolvedPlan["signals"]; readonly itemCount: number },
): void {
  const length = layouts?.transitions?.[0]?.length;
  if (length === undefined || length === itemCount ** 2) return;
  const first = Math.min(...(signals?.transitions?.rounds ?? []));
  if (Math.min(...(signals?.popularity?.rounds ?? [])) < first) return;
  throw new KindredError({
    code: "plan-invalid",
    field: "plan.signals.popularity.rounds",
    rule: `must name a round before ${first}: transitions are counted between the ${Math.sqrt(length)} most popular of ${itemCount} items`,
    fix: "collect popularity in an earlier round, or transitions between all items",
  });
}

/** Entries of the longest joint vector that any round of a layout has. */
export function longestLayout(training: readonly VectorBlock[], signals: ResolvedPlan["signals"]): number {
  return Math.max(lengthOf(training), ...SIGNALS.map((name) => lengthOf(signals?.[name] ?? [])));
}

/** Entries of all blocks together. */
export function lengthOf(blocks: readonly { readonly length: number }[]): number {
  return blocks.reduce((total, { length }) => total + length, 0);
}
