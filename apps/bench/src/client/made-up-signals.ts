/** Signals as dense as rounds may release them, so that recommendations have all of their work to do. */
import { countedItems } from "@kindred/engine";
import type { ModelSignals, Plan } from "@kindred/protocol";

/** Items that follow each item. */
const FOLLOWERS = 50;

/** Popularity of every item, and transitions from each counted item to the next ones. */
export function madeUpSignals(plan: Plan): ModelSignals {
  const { itemCount } = plan.resolved;
  const released = { people: 1000, deviation: 1 };
  const all = Uint32Array.from({ length: itemCount }, (_, item) => item);
  const popularity = { ...released, round: 1, clusters: [], entries: all, counts: counts(itemCount) };
  const items = countedItems(plan, { signals: { popularity } });
  const size = items.length;
  const entries = Uint32Array.from({ length: size * FOLLOWERS }, (_, i) => {
    const row = Math.floor(i / FOLLOWERS);
    return row * size + Math.floor(((i % FOLLOWERS) * size) / FOLLOWERS);
  });
  return {
    popularity,
    transitions: { ...released, round: 2, items, entries, counts: counts(entries.length) },
  };
}

/** Between 1 and 100, the same in every run. */
function counts(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => 1 + ((i * 37) % 100));
}
