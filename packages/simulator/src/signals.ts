/**
 * The released signals of a simulated population: what the rounds that collect popularity and transitions would publish,
 * from everybody's counts in one place, with the noise of a noise cohort. A simulation, not a private release.
 */
import { publicRandom } from "@kindred/clustering";
import type { Sequence } from "@kindred/encoder";
import { transitionCounts } from "@kindred/engine";
import { l2Norm } from "@kindred/privacy";
import type { ModelSignals, ReleasedSignal } from "@kindred/protocol";

export interface SignalSimulationOptions {
  /** One sequence per person. */
  readonly sequences: readonly Pick<Sequence, "items">[];
  readonly itemCount: number;
  /** As in a plan: steps after an interaction in which another one counts; 5 by default. */
  readonly window?: number;
  /** L2 bound of a person's counts; 5 by default. */
  readonly clip?: number;
  /** Deviations of noise by which a count has to stand out; 2 by default. */
  readonly significance?: number;
  /** H, most popular items between which transitions are counted; all by default. */
  readonly items?: number;
  /** ν: deviation of the noise on each entry of the mean over the clip norm; 0 by default, no noise. */
  readonly noise?: number;
  readonly seed: number;
}

/** Counts of one person: entries of a signal's block, each named once, and their counts. */
interface SparseCounts {
  readonly entries: readonly number[];
  readonly counts: ArrayLike<number>;
}

/** Popularity of everybody and transitions, as in a model file, by which a client scores. */
export function simulateSignals(options: SignalSimulationOptions): ModelSignals {
  const { sequences, itemCount, window = 5, clip = 5, significance = 2, noise = 0 } = options;
  const people = sequences.length;
  const random = publicRandom(options.seed);
  const deviation = noise * clip * people;
  const released = (
    round: number,
    { length, own }: { length: number; own: (items: readonly number[]) => SparseCounts },
  ): ReleasedSignal => {
    const sums = new Float64Array(length);
    for (const { items } of sequences) addClipped(sums, own(Array.from(items)), clip);
    addGaussian(sums, { deviation, random });
    const least = significance * deviation;
    const kept: number[] = [];
    for (const [entry, sum] of sums.entries()) if (sum > 0 && sum >= least) kept.push(entry);
    const counts = Float32Array.from(kept, (entry) => sums[entry]!);
    return { round, people, deviation, entries: Uint32Array.from(kept), counts };
  };
  const popularity = released(1, {
    length: itemCount,
    own: (items) => {
      const entries = [...new Set(items)];
      return { entries, counts: new Float64Array(entries.length).fill(1) };
    },
  });
  const counted = mostPopular(popularity, { itemCount, count: options.items ?? itemCount });
  const places = new Map(Array.from(counted, (item, place) => [item, place]));
  const transitions = released(2, {
    length: counted.length ** 2,
    own: (items) => ownTransitions(items, { places, window }),
  });
  return { popularity: { ...popularity, clusters: [] }, transitions: { ...transitions, items: counted } };
}

/** A device's transitions, counted over the person's own items, so that a person costs what they did and not H². */
function ownTransitions(
  items: readonly number[],
  { places, window }: { readonly places: ReadonlyMap<number, number>; readonly window: number },
): SparseCounts {
  const own = [...new Set(items)].filter((item) => places.has(item));
  const counts = transitionCounts(items, { counted: own, window });
  const entries = own.flatMap((from) => own.map((to) => places.get(from)! * places.size + places.get(to)!));
  return { entries, counts };
}

function mostPopular(
  { entries, counts }: ReleasedSignal,
  { itemCount, count }: { readonly itemCount: number; readonly count: number },
): Uint32Array {
  const popular = new Float64Array(itemCount);
  for (const [at, item] of entries.entries()) popular[item] = counts[at]!;
  const order = Uint32Array.from(popular.keys());
  return count >= itemCount
    ? order
    : order.sort((a, b) => popular[b]! - popular[a]! || a - b).slice(0, count);
}

/** Adds a person's counts, clipped to an L2 norm. */
function addClipped(sums: Float64Array, { entries, counts }: SparseCounts, clip: number): void {
  const norm = l2Norm(counts);
  const scale = norm > clip ? clip / norm : 1;
  for (const [at, entry] of entries.entries()) sums[entry]! += scale * counts[at]!;
}

/** Adds Gaussian noise by Box and Muller (1958). Simulation only: a release uses the exact discrete sampler. */
function addGaussian(
  values: Float64Array,
  { deviation, random }: { readonly deviation: number; readonly random: () => number },
): void {
  if (deviation === 0) return;
  for (let i = 0; i < values.length; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    values[i]! += deviation * radius * Math.cos(2 * Math.PI * random());
  }
}
