/** What a key directory fixes for everybody: the session id, the graph, and who holds shares of whom. */
import {
  type Advertisement,
  accepted,
  advertisementBytes,
  bytesToHex,
  concatBytes,
  directoryDigest,
  MerkleTree,
  type Result,
  sessionId,
} from "@kindred/protocol";
import { chooseGraph, drawGraph, type GraphKind, type GraphParameters } from "./graph.ts";
import { graphSeed } from "./keys.ts";
import type { SurplusNoise } from "./surplus-seeds.ts";

/** The part of the plan and of the round that client and coordinator must agree on. */
export interface RoundBinding {
  readonly task: string;
  readonly round: number;
  /** 32 bytes each. */
  readonly planDigest: Uint8Array;
  readonly modelHash: Uint8Array;
  /** Public randomness of the round, fixed before anybody checks in for it; 32 bytes. */
  readonly beacon: Uint8Array;
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
  /** Noise that is removed when enough survive, by rising numbers of survivors; none by default. */
  readonly surplus?: readonly SurplusNoise[] | undefined;
}

/** What the session id commits to of U1. */
export interface Directory {
  /** 32-byte device keys one after another, strictly increasing; the position is the member's index. */
  readonly devices: Uint8Array;
  /** Merkle root over `advertisementBytes` of the members in this order. */
  readonly root: Uint8Array;
}

export interface Session extends GraphParameters {
  /** 32 bytes. */
  readonly sid: Uint8Array;
  /** n = |U1|. */
  readonly size: number;
  readonly directory: Directory;
  /** Advertisements by index: of all members, or on a client in the regular graph of itself and its neighbours. */
  readonly entries: Readonly<Record<number, Advertisement>>;
  /** Sorted, without the member itself. */
  readonly neighbours: (member: number) => readonly number[];
  /** Who holds a share of the member's secrets, and whose shares the member holds: the relation is symmetric. */
  readonly holders: (member: number) => readonly number[];
  /** Members in their order on the ring of the regular graph. */
  readonly ring: Uint32Array;
}

/** Bytes of a device key. */
export const DEVICE_BYTES = 32;

/** The directory of these advertisements, and the tree behind its root. */
export function directoryOf(entries: readonly Advertisement[]): { directory: Directory; tree: MerkleTree } {
  const tree = new MerkleTree(entries.map(advertisementBytes));
  const devices = concatBytes(...entries.map(({ device }) => device));
  return { directory: { devices, root: tree.root }, tree };
}

/**
 * Opens the session of a key directory; nothing in it is checked here.
 * @returns the session, which knows no advertisement yet; the rejection of `chooseGraph` where the directory is too
 *   small for the plan
 */
export function openSession(binding: RoundBinding, directory: Directory): Result<Session> {
  const { task, round, planDigest, modelHash, beacon, corruption, dropout, graph } = binding;
  const n = directory.devices.length / DEVICE_BYTES;
  const chosen = chooseGraph({ n, corruption, dropout, graph });
  if (!chosen.ok) return chosen;
  const digest = directoryDigest(directory);
  const sid = sessionId({ task, round, planDigest, modelHash, beacon, directory: digest });
  const { kind, degree } = chosen.value;
  const drawn = drawGraph({ n, degree, kind, seed: graphSeed(sid) });
  const neighbours = remember(n, drawn.neighbours);
  const everyone = Array.from({ length: n }, (_, i) => i);
  const holders = kind === "complete" ? () => everyone : neighbours;
  const { ring } = drawn;
  return accepted({ ...chosen.value, sid, size: n, directory, entries: {}, neighbours, holders, ring });
}

/** A member's device key, a view of 32 bytes. */
export function deviceOf({ directory }: Session, member: number): Uint8Array {
  return directory.devices.subarray(member * DEVICE_BYTES, (member + 1) * DEVICE_BYTES);
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
