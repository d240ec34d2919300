/** What a round carries: a model update, or a collaborative signal. */
import {
  accepted,
  type Model,
  type Plan,
  type Result,
  rejected,
  SIGNALS,
  type SignalBlock,
  type SignalName,
} from "@kindred/protocol";
import { countedItemCount } from "./signal-matrix.ts";

/** What the joint vector of a round holds besides evaluation. */
export type RoundContent = "training" | SignalName;

/** Which round has released each signal of a model. */
type SignalRounds = { readonly [name in SignalName]?: { readonly round: number } | undefined };

/**
 * What a round carries. It follows from the plan, the round's number and the model that the round starts from, all of
 * which its session id binds: masks of devices that reckon otherwise would not cancel.
 *
 * A signal is due from each round that the plan names for it until a round has released it. Of two that are due the one
 * that was due first comes first.
 */
export function contentOfRound(
  { signals }: Plan,
  {
    round,
    model,
  }: { readonly round: number; readonly model: { readonly signals?: SignalRounds | undefined } },
): RoundContent {
  let content: RoundContent = "training";
  let since = Number.POSITIVE_INFINITY;
  for (const name of SIGNALS) {
    const released = model.signals?.[name]?.round ?? 0;
    for (const due of signals?.[name]?.rounds ?? [])
      if (due <= round && due > released && due < since) {
        content = name;
        since = due;
      }
  }
  return content;
}

/**
 * The blocks of the rounds that collect a signal, in order.
 * @throws RangeError if the plan does not collect it
 */
export function signalBlocks({ resolved }: Plan, name: SignalName): readonly SignalBlock[] {
  const blocks = resolved.signals?.[name];
  if (blocks === undefined) throw new RangeError(`the plan must collect ${name}`);
  return blocks;
}

/** Whether a model's signals are the plan's: of its signals only, within their blocks, of rounds that have been. */
export function checkSignals(plan: Plan, model: Pick<Model, "signals" | "round">): Result<void> {
  const { signals = {}, round } = model;
  const refuse = (name: SignalName, rule: string) =>
    rejected("model-invalid", `model.signals.${name}`, { rule, fix: "publish a model of this task" });
  for (const name of SIGNALS) {
    const released = signals[name];
    if (released === undefined) continue;
    if (plan.signals?.[name] === undefined)
      return refuse(name, "must not be there: the plan does not collect it");
    const { length } = signalBlocks(plan, name)[0]!;
    if ((released.entries.at(-1) ?? 0) >= length) return refuse(name, `must have entries below ${length}`);
    if (released.round > round) return refuse(name, `must be of round ${round} or before`);
  }
  const items = signals.transitions?.items ?? new Uint32Array();
  const count = countedItemCount(plan);
  if (signals.transitions !== undefined && items.length !== count)
    return refuse("transitions", `must be between ${count} items, found ${items.length}`);
  if (new Set(items).size !== items.length || items.some((item) => item >= plan.resolved.itemCount))
    return refuse("transitions", "must be between items of the catalogue, each named once");
  if ((signals.popularity?.clusters.length ?? 0) > plan.clustering.clusters)
    return refuse("popularity", `must have at most ${plan.clustering.clusters} clusters`);
  return accepted(undefined);
}
