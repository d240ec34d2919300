/**
 * What the coordinator sends when a phase begins. Whatever is as large as the cohort exists once and is shared by the
 * messages of all members, so that a message of its own costs a member a few references.
 */
import {
  type Advertisement,
  concatBytes,
  encodeMemberSet,
  type MerkleTree,
  type ProvedAdvertisement,
  type ServerMessage,
} from "@kindred/protocol";
import type { ServerConfig, Slots } from "./server-state.ts";
import type { Session } from "./session.ts";

type MessageOf = (member: number) => ServerMessage;

/** R1: the whole roster in the complete graph, everybody's own neighbourhood in the regular one. */
export function directoryMessages(
  session: Session,
  { config, entries, tree }: { config: ServerConfig; entries: readonly Advertisement[]; tree: MerkleTree },
): MessageOf {
  const { round } = config;
  const signature = config.signRoster(session.sid);
  if (session.kind === "complete") {
    const roster: ServerMessage = { type: "roster", round, entries: [...entries], signature };
    return () => roster;
  }
  const { devices, root } = session.directory;
  const proved = entries.map(
    (advertisement, index): ProvedAdvertisement => ({ advertisement, proof: tree.inclusionProof(index) }),
  );
  return (member) => ({
    type: "neighbourhood",
    round,
    devices,
    root,
    proof: proved[member]!.proof,
    neighbours: session.neighbours(member).map((index) => proved[index]!),
    signature,
  });
}

/**
 * R2: U2, and the boxes that its members sealed for the addressee. They are gathered when a message is written, so that
 * those of a whole cohort do not exist at one time.
 */
export function inboxMessages(
  { size, neighbours }: Session,
  { round, sharing, shares }: { round: number; sharing: readonly number[]; shares: Slots<Uint8Array> },
): MessageOf {
  const set = encodeMemberSet(sharing, size);
  const present = new Set(sharing);
  return (member) => {
    const peers = Uint32Array.from(neighbours(member).filter((sender) => present.has(sender)));
    return {
      type: "inbox",
      round,
      sharing: set,
      peers,
      get boxes() {
        return boxesFor(member, { senders: peers, neighbours, shares });
      },
    };
  };
}

/** The boxes of these senders for one addressee. Every sender has sealed boxes of one length, in the order of its neighbours. */
function boxesFor(
  addressee: number,
  {
    senders,
    neighbours,
    shares,
  }: { senders: Uint32Array; neighbours: Session["neighbours"]; shares: Slots<Uint8Array> },
): Uint8Array {
  const first = senders[0];
  if (first === undefined) return new Uint8Array(0);
  const width = shares[first]!.length / neighbours(first).length;
  const boxes = new Uint8Array(width * senders.length);
  let at = 0;
  for (const sender of senders) {
    const sealed = shares[sender]!;
    const begin = width * positionOf(addressee, neighbours(sender));
    boxes.set(sealed.subarray(begin, begin + width), at);
    at += width;
  }
  return boxes;
}

/** Where a member stands in a sorted list that it is in. */
function positionOf(member: number, sorted: readonly number[]): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < member) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** R3: U3, and in the regular graph what the addressee's neighbours in it signed with their masked inputs. */
export function survivorsMessages(
  { kind, size, neighbours }: Session,
  {
    round,
    survivors,
    statements,
  }: { round: number; survivors: readonly number[]; statements: Slots<Uint8Array> },
): MessageOf {
  const members = encodeMemberSet(survivors, size);
  const alive = new Set(survivors);
  const near = (member: number): Uint8Array[] =>
    neighbours(member).flatMap((other) => (alive.has(other) ? [statements[other]!] : []));
  return (member) => ({
    type: "survivors",
    round,
    members,
    statements: kind === "complete" ? [] : near(member),
  });
}

/** R4: all signatures over U3, one message for everybody. */
export function certificateMessage(
  { size }: Session,
  {
    round,
    signers,
    signatures,
  }: { round: number; signers: readonly number[]; signatures: Slots<Uint8Array> },
): MessageOf {
  const message: ServerMessage = {
    type: "unmask",
    round,
    signers: encodeMemberSet(signers, size),
    signatures: concatBytes(...signers.map((member) => signatures[member]!)),
  };
  return () => message;
}
