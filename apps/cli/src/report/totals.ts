import { finite } from "./format.ts";
import { PHASES, type Phase, type RoundResult, type SimulationResult } from "./simulation-result.ts";

/** What the rounds of a simulation come to. Means are over the published rounds, or over all if none was. */
export interface Totals {
  published: RoundResult[];
  failed: RoundResult[];
  cancelled: RoundResult[];
  /** Survivors of the smallest sum that was published; null if none was. */
  smallestSum: number | null;
  /** Survivors of the largest sum that was published; null if none was. */
  largestSum: number | null;
  /** Clients selected and clients dropped, summed over all rounds. */
  selected: number;
  dropped: number;
  /** Mean time of each phase on the coordinator in milliseconds; null if not measured. */
  serverMs: Record<Phase, number | null>;
  /** Mean duration of a round in milliseconds. */
  roundMs: number | null;
  /** Mean time of one client in one round in milliseconds. */
  clientMs: Record<"train" | "encode" | "crypto", number | null>;
  /** Mean bytes of one client in one round. */
  bytesUp: number | null;
  bytesDown: number | null;
}

/** Mean of the finite values; null if there are none. */
function mean(values: (number | null | undefined)[]): number | null {
  const known = values.map(finite).filter((x) => x !== null);
  return known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length;
}

function sum(values: number[]): number {
  return values.reduce((total, x) => total + (finite(x) ?? 0), 0);
}

/** Adds the rounds up. */
export function totalsOf(result: SimulationResult): Totals {
  const { rounds } = result;
  const published = rounds.filter((r) => r.status === "published");
  const counted = published.length > 0 ? published : rounds;
  const survivors = published.map((r) => finite(r.survivors)).filter((x) => x !== null);
  return {
    published,
    failed: rounds.filter((r) => r.status === "failed"),
    cancelled: rounds.filter((r) => r.status === "cancelled"),
    smallestSum: survivors.length > 0 ? Math.min(...survivors) : null,
    largestSum: survivors.length > 0 ? Math.max(...survivors) : null,
    selected: sum(rounds.map((r) => r.cohort)),
    dropped: sum(rounds.map((r) => r.dropped)),
    serverMs: Object.fromEntries(
      PHASES.map((phase) => [phase, mean(counted.map((r) => r.ms[phase]))]),
    ) as Record<Phase, number | null>,
    roundMs: mean(counted.map((r) => r.ms.total)),
    clientMs: {
      train: mean(counted.map((r) => r.clientMs.train)),
      encode: mean(counted.map((r) => r.clientMs.encode)),
      crypto: mean(counted.map((r) => r.clientMs.crypto)),
    },
    bytesUp: mean(counted.map((r) => r.bytesUpPerClient)),
    bytesDown: mean(counted.map((r) => r.bytesDownPerClient)),
  };
}

/** How the ε that was spent against the coordinator relates to the promise. */
export type PromiseState = "kept" | "exceeded" | "unpromised" | "unbounded" | "no-noise";

/**
 * Compares what was spent with what was promised; rounding of the last digits is not an excess. `unbounded` says
 * that noise was on and yet no finite ε is known.
 */
export function promiseState(epsilon: SimulationResult["epsilon"]): PromiseState {
  if (epsilon.coordinator === null || epsilon.coordinator === undefined) return "no-noise";
  const spent = finite(epsilon.coordinator);
  const promised = finite(epsilon.promised);
  if (spent === null) return "unbounded";
  if (promised === null) return "unpromised";
  return spent <= promised * (1 + 1e-9) ? "kept" : "exceeded";
}

/** Share of `part` in `whole`; null where that says nothing. */
export function shareOf(part: number | null, whole: number | null): number | null {
  const [a, b] = [finite(part), finite(whole)];
  return a === null || b === null || b <= 0 ? null : a / b;
}
