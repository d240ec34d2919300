/** Makes the vectors of a client's conversation: member 0 of a cohort, with every frame it has to refuse. */
import {
  type Advertisement,
  advertisementSigningBytes,
  bytesToHex,
  concatBytes,
  encodeFrame,
  encodeMemberSet,
  type ServerMessage,
  sharingSigningBytes,
} from "@kindred/protocol";
import type { ClientEvent } from "../src/client.ts";
import { shareKey } from "../src/keys.ts";
import { SHARE_PRIME } from "../src/shamir.ts";
import { Cohort, randomFrom, suite } from "./cohort.ts";
import { Conversation, type ConversationStart } from "./conversation.ts";

/** A frame of the coordinator. */
type Received = Exclude<ClientEvent, { type: "enrol" | "leave" }>;

interface Alteration {
  readonly name: string;
  /** 1: directory, 2: inbox, 3: survivors, 4: unmask. */
  readonly step: number;
  readonly event: Received;
}

interface Course {
  readonly name: string;
  readonly cohort: Cohort;
  /** Seed of member 0's device, and what member 0 draws. */
  readonly deviceSeed: Uint8Array;
  readonly events: readonly Received[];
  readonly alterations: readonly Alteration[];
}

function record({ name, cohort, deviceSeed, events, alterations }: Course) {
  const { binding, coordinator } = cohort;
  const start: ConversationStart = {
    binding: {
      ...binding,
      planDigest: bytesToHex(binding.planDigest),
      modelHash: bytesToHex(binding.modelHash),
      beacon: bytesToHex(binding.beacon),
    },
    coordinatorKey: bytesToHex(coordinator.publicKey),
    deviceSeed: bytesToHex(deviceSeed),
    random: draws(cohort),
    vector: Array.from({ length: binding.length }, (_, i) => (40_503 * (i + 1)) % 2 ** binding.bits),
  };
  const frame = (event: Received): string =>
    bytesToHex(encodeFrame({ ...event, round: binding.round } as ServerMessage));
  const received = [undefined, ...events.map(frame)];
  const conversation = new Conversation(start, suite);
  const steps = received.map((receive) => {
    const send = conversation.receive(receive);
    if (typeof send !== "string") throw new Error(`${name}: ${send.field} ${send.rule}`);
    return { ...(receive !== undefined && { receive }), send };
  });
  const refused = alterations.map(({ name: what, step, event }) => {
    const other = new Conversation(start, suite);
    for (const before of received.slice(0, step)) other.receive(before);
    const receive = frame(event);
    const refusal = other.receive(receive);
    if (typeof refusal === "string") throw new Error(`${name}: ${what} is not refused`);
    return { name: what, step, receive, code: refusal.code, field: refusal.field };
  });
  const session = cohort.session();
  const { kind, degree, threshold, quorum, windowFloor } = session;
  const graph = { kind, degree, threshold, quorum, windowFloor, neighbours: [...session.neighbours(0)] };
  return { name, ...start, sid: bytesToHex(cohort.sid()), graph, ring: [...session.ring], steps, refused };
}

/**
 * What member 0 draws in R0 and R1: keys, seed and nonce, with surplus noise the seed of its last component, then words for
 * the share polynomials of both secrets and of each component's.
 */
function draws(cohort: Cohort): string[] {
  const random = randomFrom("client 0");
  const components = cohort.binding.surplus?.length ?? 0;
  const lengths = [32, 32, 32, 16, ...(components > 0 ? [16] : [])];
  const shares = cohort.session().threshold - 1;
  const drawn = lengths.map((length) => bytesToHex(random(length)));
  // 36 bytes are nine chunks; of the words drawn at a time every second is thrown away on average.
  for (let secret = 0; secret < 2 + components; secret++) {
    for (let filled = 0; filled < 9 * shares; ) {
      const bytes = random(8 * (9 * shares - filled) + 32);
      const view = new DataView(bytes.buffer);
      for (let at = 0; at < bytes.length; at += 4) if (view.getUint32(at) < SHARE_PRIME) filled++;
      drawn.push(bytesToHex(bytes));
    }
  }
  return drawn;
}

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[copy.length >> 1]! ^= 1;
  return copy;
}

/** The item at a position replaced. */
function at<T>(items: readonly T[], position: number, change: (item: T) => T): T[] {
  return items.map((item, i) => (i === position ? change(item) : item));
}

function without<T>(items: readonly T[], position: number): T[] {
  return items.filter((_, i) => i !== position);
}

/** An advertisement of a member over other keys, validly signed by its device. */
function readvertised(cohort: Cohort, member: number, changes: Partial<Advertisement>): Advertisement {
  return cohort.readvertise(member, changes, (unsigned) =>
    suite.sign(advertisementSigningBytes(unsigned, cohort.binding), cohort.devices[member]!.secretKey),
  );
}

/** Boxes for member 0, before the cohort's machines have moved past R1; and one of the test's own content. */
function sharing(cohort: Cohort) {
  const secrets = cohort.states.map((state) =>
    state.phase === "enrolling" ? state.keys.c.expose().slice() : new Uint8Array(32),
  );
  const inbox = cohort.share()[0]!;
  const sealed = (peer: number, plaintext: Uint8Array): Uint8Array => {
    const agreement = suite.agree(secrets[peer]!, cohort.advertisements[0]!.cPublic)!;
    const key = shareKey(agreement, { sid: cohort.sid(), sender: peer, addressee: 0 }, suite);
    return suite.seal(plaintext, key, new Uint8Array(24));
  };
  return { inbox, sealed };
}

/** Alterations of R2 that both graphs share. */
function inboxAlterations(
  cohort: Cohort,
  { u2, inbox, sealed }: { u2: readonly number[] } & ReturnType<typeof sharing>,
): Alteration[] {
  const shares = inbox.filter(({ peer }) => u2.includes(peer));
  const honest = cohort.inbox(shares, u2);
  const first = shares[0]!.peer;
  const altered = (name: string, event: Received): Alteration => ({ name, step: 2, event });
  const withBox = (box: Uint8Array) =>
    cohort.inbox(
      at(shares, 0, (share) => ({ ...share, box })),
      u2,
    );
  const tooLarge = new Uint8Array(72).fill(0xff);
  return [
    altered("a box with one bit flipped", withBox(flipped(shares[0]!.box))),
    altered(
      "the boxes of two senders exchanged",
      cohort.inbox(
        shares.map(({ peer }, i) => ({ peer, box: shares[i < 2 ? 1 - i : i]!.box })),
        u2,
      ),
    ),
    altered("a box that holds values beyond the field", withBox(sealed(first, tooLarge))),
    altered(
      "boxes a byte too short",
      cohort.inbox(
        shares.map(({ peer, box }) => ({ peer, box: box.slice(1) })),
        u2,
      ),
    ),
    altered("a box missing", cohort.inbox(without(shares, 0), u2)),
    altered("a box twice", cohort.inbox([...shares.slice(0, -1), shares[0]!], u2)),
    altered(
      "U2 without this client",
      cohort.inbox(
        shares,
        u2.filter((member) => member !== 0),
      ),
    ),
    altered("U2 below the plan's floor", cohort.inbox([], [0, 1])),
    altered("U2 of a wrong length", {
      ...honest,
      sharing: encodeMemberSet(u2, cohort.devices.length + 8),
    }),
  ];
}

/** Alterations of R3 and R4 that both graphs share. */
function endAlterations(
  cohort: Cohort,
  { u2, u3, quorum }: { u2: readonly number[]; u3: readonly number[]; quorum: number },
): Alteration[] {
  const n = cohort.devices.length;
  const outside = cohort.everyone.find((member) => !u2.includes(member))!;
  const dropped = u2.find((member) => !u3.includes(member))!;
  const signatures = u3.map((member) => cohort.consistency(member, u3));
  const honest = cohort.certificate(signatures);
  const others = u3.filter((member) => member !== 0);
  const survivors = (members: readonly number[]) => cohort.survivors(0, members, u2);
  return [
    { name: "U3 without this client", step: 3, event: survivors(others) },
    { name: "U3 below the plan's floor", step: 3, event: survivors([0, others[0]!]) },
    { name: "U3 with somebody outside U2", step: 3, event: survivors([...u3, outside]) },
    {
      name: "U3 of a wrong length",
      step: 3,
      event: { ...survivors(u3), members: encodeMemberSet(u3, n + 8) },
    },
    {
      name: "fewer signatures than the quorum",
      step: 4,
      event: cohort.certificate(signatures.slice(0, quorum - 1)),
    },
    {
      name: "a signer outside U3",
      step: 4,
      event: cohort.certificate([...signatures, cohort.consistency(dropped, u3)]),
    },
    {
      name: "signatures over another U3",
      step: 4,
      event: cohort.certificate(u3.map((member) => cohort.consistency(member, others))),
    },
    {
      name: "a signature cut short",
      step: 4,
      event: { ...honest, signatures: honest.signatures.subarray(0, honest.signatures.length - 1) },
    },
    {
      name: "signatures in another order",
      step: 4,
      event: {
        ...honest,
        signatures: concatBytes(...[...signatures].reverse().map(({ signature }) => signature)),
      },
    },
    { name: "U3 a second time", step: 4, event: survivors(u3) },
  ];
}

/** Seeds of devices are SHA-256 of "device 0", "device 1", …; the cohort sorts them by public key. */
function seedOf(cohort: Cohort): Uint8Array {
  return cohort.devices[0]!.secretKey.slice(0, 32);
}

/** A member of the complete graph of seven; one drops out of sharing and one of masking. */
export function completeConversation() {
  const cohort = new Cohort(7, { graph: "complete", length: 4, bits: 20 });
  const entries = cohort.advertisements;
  const boxes = sharing(cohort);
  const u2 = [0, 1, 2, 3, 4, 5];
  const u3 = [0, 1, 2, 3, 4];
  const events = [
    cohort.roster(),
    cohort.inbox(
      boxes.inbox.filter(({ peer }) => u2.includes(peer)),
      u2,
    ),
    cohort.survivors(0, u3, u2),
    cohort.certificate(u3.map((member) => cohort.consistency(member, u3))),
  ];
  const roster = (name: string, changed: readonly Advertisement[]): Alteration => ({
    name,
    step: 1,
    event: cohort.roster(changed),
  });
  const alterations: Alteration[] = [
    {
      name: "the coordinator's signature altered",
      step: 1,
      event: { ...cohort.roster(), signature: flipped(cohort.roster().signature) },
    },
    {
      name: "a roster signed for another beacon",
      step: 1,
      event: cohort.roster(entries, { beacon: new Uint8Array(32) }),
    },
    { name: "a roster signed for another round", step: 1, event: cohort.roster(entries, { round: 4 }) },
    {
      name: "a roster signed for another plan",
      step: 1,
      event: cohort.roster(entries, { planDigest: new Uint8Array(32) }),
    },
    {
      name: "a roster signed for another model",
      step: 1,
      event: cohort.roster(entries, { modelHash: new Uint8Array(32) }),
    },
    roster("a roster without this client", entries.slice(1)),
    roster("a roster below the plan's minimum", entries.slice(0, 2)),
    roster("a roster out of order", [entries[0]!, entries[2]!, entries[1]!, ...entries.slice(3)]),
    roster("a member twice", [...entries.slice(0, 4), entries[3]!, ...entries.slice(4)]),
    roster(
      "this client's keys replaced",
      at(entries, 0, () => readvertised(cohort, 0, { nonce: new Uint8Array(16) })),
    ),
    roster(
      "a member's signature forged",
      at(entries, 3, (entry) => ({ ...entry, signature: flipped(entry.signature) })),
    ),
    roster(
      "a key of one member used by another",
      at(entries, 3, () => readvertised(cohort, 3, { sPublic: entries[2]!.cPublic })),
    ),
    roster(
      "a cPublic of low order",
      at(entries, 3, () => readvertised(cohort, 3, { cPublic: new Uint8Array(32) })),
    ),
    { name: "a neighbourhood in the complete graph", step: 1, event: cohort.neighbourhood(0) },
    ...inboxAlterations(cohort, { u2, ...boxes }),
    ...endAlterations(cohort, { u2, u3, quorum: cohort.session().quorum }),
  ];
  return record({ name: "complete graph of 7", cohort, deviceSeed: seedOf(cohort), events, alterations });
}

/**
 * A member of the complete graph of six whose plan has surplus noise in three components; one drops out of masking. Five
 * survive, so the two lower components go, and the member reveals its shares of the seeds of the second.
 */
export function surplusConversation() {
  const surplus = [
    { survivors: 4, deviation: 10 },
    { survivors: 5, deviation: 100 },
    { survivors: 6, deviation: 1000 },
  ];
  const cohort = new Cohort(6, { graph: "complete", length: 4, bits: 20, surplus });
  const { inbox, sealed } = sharing(cohort);
  const u3 = [0, 1, 2, 3, 4];
  const honest = cohort.inbox(inbox);
  const events = [
    cohort.roster(),
    honest,
    cohort.survivors(0, u3),
    cohort.certificate(u3.map((member) => cohort.consistency(member, u3))),
  ];
  const withContent = (length: number, byte: number): Received =>
    cohort.inbox(inbox.map(({ peer }) => ({ peer, box: sealed(peer, new Uint8Array(length).fill(byte)) })));
  const alterations: Alteration[] = [
    { name: "boxes without shares of noise seeds", step: 2, event: withContent(72, 0) },
    { name: "boxes with shares of a component less", step: 2, event: withContent(72 + 2 * 36, 0) },
    { name: "boxes with shares of a component more", step: 2, event: withContent(72 + 4 * 36, 0) },
    {
      name: "boxes whose shares are beyond the field",
      step: 2,
      event: withContent(72 + 3 * 36, 0xff),
    },
    {
      name: "a certificate of another U3, at which more noise would go",
      step: 4,
      event: cohort.certificate(cohort.everyone.map((member) => cohort.consistency(member, cohort.everyone))),
    },
  ];
  const name = "complete graph of 6 with surplus noise";
  return record({ name, cohort, deviceSeed: seedOf(cohort), events, alterations });
}

/** A member of the regular graph of twelve; a neighbour drops out of sharing and another of masking. */
export function regularConversation() {
  const cohort = new Cohort(12, { graph: "regular", length: 4, bits: 20 });
  const session = cohort.session();
  const near = session.neighbours(0);
  const far = cohort.everyone.filter((member) => member !== 0 && !near.includes(member));
  const u2 = cohort.everyone.filter((member) => member !== near[0]);
  const u3 = u2.filter((member) => member !== near[1]);
  const boxes = sharing(cohort);
  const honest = cohort.neighbourhood(0);
  const survivors = cohort.survivors(0, u3, u2);
  const events = [
    honest,
    cohort.inbox(
      boxes.inbox.filter(({ peer }) => u2.includes(peer)),
      u2,
    ),
    survivors,
    cohort.certificate(u3.map((member) => cohort.consistency(member, u3))),
  ];
  const directory = (name: string, changes: Partial<typeof honest>): Alteration => ({
    name,
    step: 1,
    event: { ...honest, ...changes },
  });
  const stranger = cohort.neighbourhood(far[0]!);
  const forged = at(cohort.advertisements, near[1]!, (entry) => ({
    ...entry,
    signature: flipped(entry.signature),
  }));
  // A roster of these keys has another sid and so another graph: the forged entry is a neighbour's there as well.
  const forgedNear = cohort.session(forged).neighbours(0).includes(near[1]!);
  const ring = [...session.ring];
  const start = ring.indexOf(0);
  // Two places on either side of the ring's far side: four members in a row would be one gap, two pairs are two.
  const gap = [2, 3, 6, 7].map((step) => ring[(start + step) % ring.length]!);
  const gapped = cohort.everyone.filter((member) => !gap.includes(member) && member !== near[0]);
  const alterations: Alteration[] = [
    directory("the coordinator's signature altered", { signature: flipped(honest.signature) }),
    directory("another root", { root: flipped(honest.root) }),
    directory("this client's proof altered", { proof: flipped(honest.proof) }),
    directory("a neighbour's proof altered", {
      neighbours: at(honest.neighbours, 1, (one) => ({ ...one, proof: flipped(one.proof) })),
    }),
    directory("a neighbour's keys altered", {
      neighbours: at(honest.neighbours, 1, (one) => ({
        ...one,
        advertisement: { ...one.advertisement, sPublic: flipped(one.advertisement.sPublic) },
      })),
    }),
    directory("a neighbour missing", { neighbours: without(honest.neighbours, 1) }),
    directory("neighbours of another member", { neighbours: stranger.neighbours }),
    directory("neighbours in another order", { neighbours: [...honest.neighbours].reverse() }),
    directory("device keys cut short", { devices: honest.devices.subarray(0, honest.devices.length - 1) }),
    directory("device keys below the plan's minimum", { devices: honest.devices.subarray(0, 64) }),
    directory("device keys out of order", {
      devices: concatBytes(
        honest.devices.subarray(32, 64),
        honest.devices.subarray(0, 32),
        honest.devices.subarray(64),
      ),
    }),
    directory("device keys without this client's", { devices: honest.devices.subarray(32) }),
    ...(forgedNear
      ? [{ name: "a neighbour's signature forged", step: 1, event: cohort.neighbourhood(0, forged) }]
      : []),
    {
      name: "a neighbourhood signed for another beacon",
      step: 1,
      event: {
        ...honest,
        signature: cohort.signRoster(cohort.sid(cohort.advertisements, { beacon: new Uint8Array(32) })),
      },
    },
    { name: "a roster in the regular graph", step: 1, event: cohort.roster() },
    ...inboxAlterations(cohort, { u2, ...boxes }),
    ...endAlterations(cohort, { u2, u3, quorum: session.quorum }),
    {
      name: "a neighbour's statement forged",
      step: 3,
      event: { ...survivors, statements: at(survivors.statements, 0, flipped) },
    },
    {
      name: "a neighbour's statement missing",
      step: 3,
      event: { ...survivors, statements: without(survivors.statements, 0) },
    },
    {
      name: "a neighbour that masked for another U2",
      step: 3,
      event: {
        ...survivors,
        statements: at(survivors.statements, 0, () => {
          const member = near.find((other) => u3.includes(other))!;
          const set = encodeMemberSet(cohort.everyone, cohort.devices.length);
          return suite.sign(sharingSigningBytes(cohort.sid(), set), cohort.devices[member]!.secretKey);
        }),
      },
    },
    { name: "a U3 whose gaps cut the ring", step: 3, event: cohort.survivors(0, gapped, u2) },
  ];
  return record({ name: "regular graph of 12", cohort, deviceSeed: seedOf(cohort), events, alterations });
}
