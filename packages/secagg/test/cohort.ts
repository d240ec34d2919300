/** A cohort of client machines for tests, moved through the phases by an honest coordinator written out by hand. */
import {
  type Advertisement,
  bytesToHex,
  type ClientMessage,
  concatBytes,
  consistencySigningBytes,
  directoryDigest,
  encodeMemberSet,
  type Rejection,
  rosterSigningBytes,
  type SealedShare,
  sealedColumns,
  sealedShares,
  sessionId,
  sha256Bytes,
  sharingSigningBytes,
} from "@kindred/protocol";
import { platformSuite } from "#platform";
import { type ClientEvent, type ClientOutput, startClient, stepClient } from "../src/client.ts";
import type { ClientState } from "../src/client-state.ts";
import type { CryptoSuite } from "../src/crypto.ts";
import { directoryOf, openSession, type RoundBinding, type Session } from "../src/session.ts";

/** The platform's suite, remembering what it has computed: the seeds of tests repeat, and so do their keys. */
export const suite: CryptoSuite = memoised(platformSuite());

/** Deterministic bytes that differ from label to label and from call to call. */
export function randomFrom(label: string): (length: number) => Uint8Array {
  let counter = 0;
  return (length) => {
    const blocks = Array.from({ length: Math.ceil(length / 32) }, () => sha256Bytes(`${label}/${counter++}`));
    return Uint8Array.from(blocks.flatMap((block) => [...block]).slice(0, length));
  };
}

export const binding: RoundBinding = {
  task: "test",
  round: 3,
  planDigest: sha256Bytes("plan"),
  modelHash: sha256Bytes("model"),
  beacon: sha256Bytes("beacon"),
  bits: 16,
  length: 4,
  minimumCohort: 3,
  maximumCohort: 50,
  minSurvivors: 3,
  corruption: 0,
  dropout: 0.2,
  graph: "complete",
};

/** A member's signature over U3. */
export interface IndexedSignature {
  readonly index: number;
  readonly signature: Uint8Array;
}

type EventOf<T extends ClientEvent["type"]> = Extract<ClientEvent, { type: T }>;

export class Cohort {
  readonly binding: RoundBinding;
  readonly coordinator = suite.signingKeyPair(sha256Bytes("coordinator"));
  /** Sorted by device key: the position is the member's index. */
  readonly devices;
  readonly states: ClientState[];
  readonly advertisements: Advertisement[];
  readonly #random: ((length: number) => Uint8Array)[];

  constructor(n: number, changes: Partial<RoundBinding> = {}) {
    this.binding = { ...binding, ...changes };
    this.devices = Array.from({ length: n }, (_, i) => suite.signingKeyPair(sha256Bytes(`device ${i}`))).sort(
      (a, b) => (bytesToHex(a.publicKey) < bytesToHex(b.publicKey) ? -1 : 1),
    );
    const coordinatorKey = this.coordinator.publicKey;
    this.#random = this.devices.map((_, i) => randomFrom(`client ${i}`));
    this.states = this.devices.map((device) => startClient({ ...this.binding, coordinatorKey, device }));
    this.advertisements = this.states.map(
      (_, i) => this.send(i, { type: "enrol" }, "advertise").advertisement,
    );
  }

  /** One step of one client. */
  step(client: number, event: ClientEvent): readonly ClientOutput[] {
    const { state, outputs } = stepClient(this.states[client]!, event, {
      suite,
      random: this.#random[client]!,
    });
    this.states[client] = state;
    return outputs;
  }

  /** One step that must answer with one message of the given type. */
  send<T extends ClientMessage["type"]>(
    client: number,
    event: ClientEvent,
    type: T,
  ): Extract<ClientMessage, { type: T }> {
    const outputs = this.step(client, event);
    const output = outputs[0];
    if (output?.type !== "send" || output.message.type !== type)
      throw new Error(`expected ${type}, got ${JSON.stringify(outputs)}`);
    return output.message as Extract<ClientMessage, { type: T }>;
  }

  /** One step that must be refused and say nothing else. */
  refusal(client: number, event: ClientEvent): Rejection {
    const outputs = this.step(client, event);
    const output = outputs[0];
    if (outputs.length !== 1 || output?.type !== "refused")
      throw new Error(`expected a refusal, got ${JSON.stringify(outputs)}`);
    return output.rejection;
  }

  sid(
    entries: readonly Advertisement[] = this.advertisements,
    changes: Partial<RoundBinding> = {},
  ): Uint8Array {
    return sessionId({
      ...this.binding,
      ...changes,
      directory: directoryDigest(directoryOf(entries).directory),
    });
  }

  /** The roster of these entries, properly signed. */
  roster(
    entries: readonly Advertisement[] = this.advertisements,
    changes: Partial<RoundBinding> = {},
  ): EventOf<"roster"> {
    return { type: "roster", entries, signature: this.signRoster(this.sid(entries, changes)) };
  }

  signRoster(sid: Uint8Array): Uint8Array {
    return suite.sign(rosterSigningBytes(sid), this.coordinator.secretKey);
  }

  /** The session of these entries; it has to open. */
  session(
    entries: readonly Advertisement[] = this.advertisements,
    changes: Partial<RoundBinding> = {},
  ): Session {
    const opened = openSession({ ...this.binding, ...changes }, directoryOf(entries).directory);
    if (!opened.ok) throw new Error(opened.rejection.rule);
    return { ...opened.value, entries };
  }

  /** A member's part of the directory of these entries, properly proved and signed. */
  neighbourhood(
    member: number,
    entries: readonly Advertisement[] = this.advertisements,
    changes: Partial<RoundBinding> = {},
  ): EventOf<"neighbourhood"> {
    const { directory, tree } = directoryOf(entries);
    const session = this.session(entries, changes);
    const proved = (index: number) => ({
      advertisement: entries[index]!,
      proof: tree.inclusionProof(index),
    });
    return {
      type: "neighbourhood",
      ...directory,
      proof: tree.inclusionProof(member),
      neighbours: session.neighbours(member).map(proved),
      signature: this.signRoster(session.sid),
    };
  }

  /** What R1 sends the member. */
  directory(member: number): EventOf<"roster" | "neighbourhood"> {
    return this.session().kind === "complete" ? this.roster() : this.neighbourhood(member);
  }

  get everyone(): readonly number[] {
    return [...this.states.keys()];
  }

  /** U2 and boxes for a member. */
  inbox(shares: readonly SealedShare[], sharing: readonly number[] = this.everyone): EventOf<"inbox"> {
    return { type: "inbox", sharing: encodeMemberSet(sharing, this.states.length), ...sealedColumns(shares) };
  }

  /** What a member signs with its masked input. */
  statement(member: number, sharing: readonly number[] = this.everyone): Uint8Array {
    const set = encodeMemberSet(sharing, this.states.length);
    return suite.sign(sharingSigningBytes(this.sid(), set), this.devices[member]!.secretKey);
  }

  /** U3 for a member, with the statements of its neighbours in the regular graph. */
  survivors(
    member: number,
    survivors: readonly number[],
    sharing: readonly number[] = this.everyone,
  ): EventOf<"survivors"> {
    const { kind, neighbours } = this.session();
    const near = kind === "complete" ? [] : neighbours(member).filter((other) => survivors.includes(other));
    return {
      type: "survivors",
      members: encodeMemberSet(survivors, this.states.length),
      statements: near.map((other) => this.statement(other, sharing)),
    };
  }

  /** The certificate of these signatures. */
  certificate(signatures: readonly IndexedSignature[]): EventOf<"unmask"> {
    const sorted = [...signatures].sort((a, b) => a.index - b.index);
    return {
      type: "unmask",
      signers: encodeMemberSet(
        sorted.map(({ index }) => index),
        this.states.length,
      ),
      signatures: concatBytes(...sorted.map(({ signature }) => signature)),
    };
  }

  /** Every client answers the directory; returns each one's inbox. */
  share(): SealedShare[][] {
    const inboxes = this.states.map((): SealedShare[] => []);
    for (const sender of this.states.keys()) {
      for (const { peer, box } of sealedShares(this.send(sender, this.directory(sender), "shares")))
        inboxes[peer]!.push({ peer: sender, box });
    }
    return inboxes;
  }

  /** Every client is handed its masks; `sharing` is U2. */
  mask(sharing: readonly number[] = [...this.states.keys()]): Extract<ClientOutput, { type: "mask" }>[] {
    const inboxes = this.share();
    return sharing.map((client) => {
      const shares = inboxes[client]!.filter(({ peer }) => sharing.includes(peer));
      const output = this.step(client, this.inbox(shares, sharing))[0];
      if (output?.type !== "mask") throw new Error(`expected masks, got ${JSON.stringify(output)}`);
      return output;
    });
  }

  /** Every survivor signs U3. */
  confirm(survivors: readonly number[]): IndexedSignature[] {
    this.mask();
    return survivors.map((index) => ({
      index,
      signature: this.send(index, this.survivors(index, survivors), "consistency").signature,
    }));
  }

  /** A member's signature over survivors of the test's choice. */
  consistency(member: number, survivors: readonly number[]): IndexedSignature {
    const message = consistencySigningBytes(this.sid(), survivors);
    return { index: member, signature: suite.sign(message, this.devices[member]!.secretKey) };
  }

  /** An advertisement of the member over changed keys, signed by the member itself. */
  readvertise(
    member: number,
    changes: Partial<Advertisement>,
    sign: (unsigned: Advertisement) => Uint8Array,
  ): Advertisement {
    const unsigned = { ...this.advertisements[member]!, ...changes };
    return { ...unsigned, signature: sign(unsigned) };
  }
}

/** Remembers results; hands out copies, because callers wipe what they got. */
function memoised(inner: CryptoSuite): CryptoSuite {
  const known = new Map<string, Uint8Array | undefined>();
  const remember = (label: string, inputs: Uint8Array[], compute: () => Uint8Array | undefined) => {
    const key = [label, ...inputs.map(bytesToHex)].join();
    if (!known.has(key)) known.set(key, compute()?.slice());
    return known.get(key)?.slice();
  };
  return {
    ...inner,
    signingKeyPair: (seed) => {
      const publicKey = remember("signing public", [seed], () => inner.signingKeyPair(seed).publicKey)!;
      const secretKey = remember("signing secret", [seed], () => inner.signingKeyPair(seed).secretKey)!;
      return { publicKey, secretKey };
    },
    agreementKeyPair: (seed) => ({
      publicKey: remember("public", [seed], () => inner.agreementKeyPair(seed).publicKey)!,
      secretKey: seed.slice(),
    }),
    agree: (secretKey, publicKey) =>
      remember("agree", [secretKey, publicKey], () => inner.agree(secretKey, publicKey)),
    sign: (message, secretKey) =>
      remember("sign", [message, secretKey], () => inner.sign(message, secretKey))!,
    verify: (signature, message, publicKey) =>
      remember("verify", [signature, message, publicKey], () =>
        Uint8Array.of(inner.verify(signature, message, publicKey) ? 1 : 0),
      )![0] === 1,
  };
}
