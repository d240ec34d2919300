/** What a key directory fixes for everybody: the session id, the graph, and who holds shares of whom. */
import {
  type Advertisement,
  accepted,
  bytesToHex,
  directoryDigest,
  type Result,
  sessionId,
} from "@kindred/protocol";
import { chooseGraph, type GraphKind, type GraphParameters, neighboursOf } from "./graph.ts";
import { graphSeed } from "./keys.ts";

/** The part of the plan and of the round that client and coordinator must agree on. */
export interface RoundBinding {
  readonly task: string;
  readonly round: number;
  /** 32 bytes each. */
  readonly planDigest: Uint8Array;
  readonly modelHash: Uint8Array;
  /** b, entries of the masked vector are integers modulo 2^b. */
  readonly bits: number;
  /** Entries of the masked vector, padding included. */
  readonly length: number;
  /** Floors and bounds of |U1|. */
  readonly minimumCohort: number;
  readonly maximumCohort: number;
  /** Floor of |U3|. */
  readonly minSurvivors: number;
  /** γ and δ of the plan. */
  readonly corruption: number;
  readonly dropout: number;
  readonly graph: "auto" | GraphKind;
}

export interface Session extends GraphParameters {
  /** 32 bytes. */
  readonly sid: Uint8Array;
  /** U1 in order of device keys; the position is the member's index. */
  readonly entries: readonly Advertisement[];
  /** Sorted, without the member itself. */
  readonly neighbours: (member: number) => readonly number[];
  /** Who holds a share of the member's secrets, and whose shares the member holds: the relation is symmetric. */
  readonly holders: (member: number) => readonly number[];
}

/**
 * Opens the session of a key directory; nothing in it is checked here.
 * @returns the rejection of `chooseGraph` where the directory is too small for the plan
 */
export function openSession(binding: RoundBinding, entries: readonly Advertisement[]): Result<Session> {
  const { task, round, planDigest, modelHash, corruption, dropout, graph } = binding;
  const n = entries.length;
  const chosen = chooseGraph({ n, corruption, dropout, graph, mode: "semi-malicious" });
  if (!chosen.ok) return chosen;
  const directory = directoryDigest(entries);
  const sid = sessionId({ task, round, planDigest, modelHash, directory });
  const { kind, degree } = chosen.value;
  const neighbours = remember(n, neighboursOf({ n, degree, kind, seed: graphSeed(sid) }));
  const everyone = Array.from({ length: n }, (_, i) => i);
  const holders = kind === "complete" ? () => everyone : neighbours;
  return accepted({ ...chosen.value, sid, entries, neighbours, holders });
}

/** The x at which a member's shares are taken: index + 1, as x = 0 is the secret. */
export function shareX(member: number): number {
  return member + 1;
}

/** Whether all keys of the members are different, cPublic and sPublic taken together. */
export function areKeysDistinct(entries: readonly Advertisement[]): boolean {
  const keys = entries.flatMap(({ cPublic, sPublic }) => [bytesToHex(cPublic), bytesToHex(sPublic)]);
  return new Set(keys).size === keys.length;
}

/** Whether `indices` is strictly increasing within 0 … n − 1. */
export function isSortedSubset(indices: readonly number[], n: number): boolean {
  return indices.every(
    (index, i) => Number.isInteger(index) && index >= 0 && index < n && (i === 0 || indices[i - 1]! < index),
  );
}

function remember(
  n: number,
  compute: (member: number) => readonly number[],
): (member: number) => readonly number[] {
  const known: (readonly number[] | undefined)[] = new Array(n);
  return (member) => {
    const neighbours = known[member] ?? compute(member);
    known[member] = neighbours;
    return neighbours;
  };
}
