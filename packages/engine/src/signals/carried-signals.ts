/**
 * Noisy sums of a signal over several rounds. A cohort is a small part of a population, and the noise on its sum is that of any
 * round; sums that add up over R rounds have √R times the noise on R times the people. All of it is post-processing of
 * what was released.
 */
import type { SignalName } from "@kindred/protocol";

/** All counts of a signal so far, those below the noise too, which a model file leaves out. */
export interface CarriedCounts {
  /** Noisy sums, one for each entry of the signal's block. */
  readonly sums: Float32Array;
  /** People whose sums they are; of those carried by a share that share of them, rounded. */
  readonly people: number;
  /** Deviation of the noise on each. */
  readonly deviation: number;
  /** What rows and columns stand for: counted items, or identities of fine clusters. */
  readonly counted: Uint32Array;
}

export type CarriedSignals = { readonly [name in SignalName]?: CarriedCounts };

/** carry · earlier + latest; the latest alone where both do not count the same. */
export function carriedOn(
  earlier: CarriedCounts | undefined,
  { latest, carry }: { readonly latest: CarriedCounts; readonly carry: number },
): CarriedCounts {
  if (earlier === undefined || !countSame(earlier, latest)) return latest;
  return {
    sums: latest.sums.map((sum, entry) => sum + carry * earlier.sums[entry]!),
    people: Math.round(carry * earlier.people) + latest.people,
    deviation: Math.hypot(carry * earlier.deviation, latest.deviation),
    counted: latest.counted,
  };
}

function countSame(a: CarriedCounts, b: CarriedCounts): boolean {
  return (
    a.sums.length === b.sums.length &&
    a.counted.length === b.counted.length &&
    a.counted.every((what, i) => what === b.counted[i])
  );
}
