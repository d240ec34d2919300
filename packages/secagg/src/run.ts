/**
 * A whole round in memory: the coordinator and every client, played through in a fixed order.
 *
 * Deterministic given its options, so its transcript is a test vector. It is for tests and experiments: all secrets
 * come from one seed.
 */
import {
  bytesToHex,
  type ClientMessage,
  encodeFrame,
  hashParts,
  packBits,
  type Rejection,
  rosterSigningBytes,
  type ServerMessage,
  sha256Bytes,
  sha256Hex,
  unpackBits,
  utf8ToBytes,
} from "@kindred/protocol";
import { type ClientEvent, type ClientOutput, startClient, stepClient } from "./client.ts";
import type { ClientState } from "./client-state.ts";
import type { CryptoSuite } from "./crypto.ts";
import { addInto, applyMasks, wipeMasks } from "./masks.ts";
import { recoverSum } from "./recovery.ts";
import { type RecoveryJob, wipeRecovery } from "./recovery-job.ts";
import { type ServerEvent, type ServerOutput, startServer, stepServer } from "./server.ts";
import { type ServerPhase, type ServerState, serverMembers } from "./server-state.ts";
import type { RoundBinding } from "./session.ts";

/** A client that falls silent: the message of phase `before` never leaves it. */
export interface Dropout {
  /** Position in `vectors`. */
  readonly client: number;
  readonly before: ServerPhase;
}

/** A message on its way; parties are positions in `vectors`. */
export type Delivery =
  | { readonly from: number; readonly to: "coordinator"; readonly message: ClientMessage }
  | { readonly from: "coordinator"; readonly to: number; readonly message: ServerMessage };

export interface RunOptions extends Partial<Omit<RoundBinding, "bits" | "length">> {
  /** One vector per client, all of one length, entries below 2^bits. */
  readonly vectors: readonly Uint32Array[];
  readonly bits: number;
  /** Any bytes; everything random in the round derives from them. */
  readonly seed: Uint8Array;
  readonly suite: CryptoSuite;
  readonly dropouts?: readonly Dropout[];
  /** An adversary on the wire: what arrives in place of a message; nothing, the same, another, or several. */
  readonly intercept?: (delivery: Delivery) => readonly Delivery[];
  /** Sees the job before it is done and wiped, and the masked sum. */
  readonly onRecovery?: (job: RecoveryJob, masked: Uint32Array) => void;
}

export interface TranscriptEntry {
  readonly from: Delivery["from"];
  readonly to: Delivery["to"];
  readonly type: string;
  /** SHA-256 of the message's frame as it was delivered, hexadecimal. */
  readonly digest: string;
}

export interface RunResult {
  /** `released`, or why the coordinator gave the round up. */
  readonly outcome: "released" | Rejection;
  /** Sum of the survivors' vectors modulo 2^bits; absent unless released. */
  readonly sum?: Uint32Array;
  /** U3 as positions in `vectors`, sorted; empty unless released. */
  readonly survivors: readonly number[];
  /** Members whose revealed shares did not match, as positions in `vectors`. */
  readonly corrupt: readonly number[];
  /** Survivors whose surplus noise could not be removed, as positions in `vectors`. */
  readonly kept: readonly number[];
  /** Absent where the cohort never formed. */
  readonly sid?: Uint8Array;
  readonly transcript: readonly TranscriptEntry[];
  /** What each client refused and what the coordinator rejected, in order. */
  readonly refusals: readonly { readonly client: number; readonly rejection: Rejection }[];
  readonly rejections: readonly { readonly client: number; readonly rejection: Rejection }[];
}

/** The phase whose message answers a message of the coordinator. */
const ANSWERED_IN: Partial<Record<ServerMessage["type"], ServerPhase>> = {
  roster: "sharing",
  neighbourhood: "sharing",
  inbox: "masking",
  survivors: "consistency",
  unmask: "unmasking",
};

/** Plays one round. @throws RangeError if there are no vectors or their lengths differ */
export function run(options: RunOptions): RunResult {
  return new InMemoryRound(options).play();
}

class InMemoryRound {
  readonly #options: RunOptions;
  readonly #binding: RoundBinding;
  readonly #clients: ClientState[];
  readonly #deviceOf: string[];
  readonly #clientOf: ReadonlyMap<string, number>;
  readonly #randoms: ((length: number) => Uint8Array)[];
  readonly #silentFrom: ReadonlyMap<number, ServerPhase>;
  readonly #deliveries: Delivery[] = [];
  readonly #transcript: TranscriptEntry[] = [];
  readonly #refusals: { client: number; rejection: Rejection }[] = [];
  readonly #rejections: { client: number; rejection: Rejection }[] = [];
  readonly #sum: Uint32Array;
  #server: ServerState;
  #end: Extract<ServerOutput, { type: "unmask" | "failed" }> | undefined;

  constructor(options: RunOptions) {
    const { vectors, bits, seed, suite } = options;
    const length = vectors[0]?.length;
    if (length === undefined || vectors.some((vector) => vector.length !== length))
      throw new RangeError("run needs vectors of one length");
    this.#options = options;
    this.#binding = {
      task: "in-memory",
      round: 1,
      planDigest: sha256Bytes("plan"),
      modelHash: sha256Bytes("model"),
      beacon: sha256Bytes("beacon"),
      minimumCohort: 2,
      maximumCohort: vectors.length,
      minSurvivors: 2,
      corruption: 0,
      dropout: 0,
      graph: "auto",
      ...withoutUndefined(options),
      bits,
      length,
    };
    this.#sum = new Uint32Array(length);
    this.#silentFrom = new Map(options.dropouts?.map(({ client, before }) => [client, before]));
    const coordinator = suite.signingKeyPair(seededRandom(seed, "coordinator")(32));
    this.#server = startServer({
      ...this.#binding,
      signRoster: (sid) => suite.sign(rosterSigningBytes(sid), coordinator.secretKey),
    });
    this.#randoms = vectors.map((_, client) => seededRandom(seed, `client ${client}`));
    const devices = this.#randoms.map((random) => suite.signingKeyPair(random(32)));
    this.#deviceOf = devices.map(({ publicKey }) => bytesToHex(publicKey));
    this.#clientOf = new Map(this.#deviceOf.map((device, client) => [device, client]));
    const coordinatorKey = coordinator.publicKey;
    this.#clients = devices.map((device) => startClient({ ...this.#binding, coordinatorKey, device }));
  }

  play(): RunResult {
    for (const client of this.#clients.keys()) {
      if (this.#silentFrom.get(client) !== "enrolling") this.#tellClient(client, { type: "enrol" });
    }
    this.#deliver();
    while (this.#end === undefined) {
      this.#tellServer({ type: "close" });
      this.#deliver();
    }
    return this.#result(this.#end);
  }

  #result(end: Extract<ServerOutput, { type: "unmask" | "failed" }>): RunResult {
    const members = serverMembers(this.#server);
    const clients = (indices: readonly number[]): number[] =>
      indices.map((index) => this.#clientOf.get(members!.devices[index]!)!).sort((a, b) => a - b);
    const record = {
      transcript: this.#transcript,
      refusals: this.#refusals,
      rejections: this.#rejections,
      ...(members && { sid: members.sid }),
    };
    const nothing = { survivors: [], corrupt: [], kept: [] };
    if (end.type === "failed") return { outcome: end.rejection, ...nothing, ...record };
    this.#options.onRecovery?.(end.job, this.#sum);
    const recovered = recoverSum(end.job, { sum: this.#sum, suite: this.#options.suite });
    wipeRecovery(end.job);
    if (!recovered.ok) return { outcome: recovered.rejection, ...nothing, ...record };
    const survivors = clients(end.survivors);
    const corrupt = clients(recovered.value.corrupt);
    const kept = clients(recovered.value.kept);
    return { outcome: "released", sum: this.#sum, survivors, corrupt, kept, ...record };
  }

  /** Delivers messages in the order in which they were sent until none is left. */
  #deliver(): void {
    for (let next = this.#deliveries.shift(); next !== undefined; next = this.#deliveries.shift()) {
      for (const delivery of this.#options.intercept?.(next) ?? [next]) {
        const { from, to, message } = delivery;
        const digest = sha256Hex(encodeFrame(message));
        this.#transcript.push({ from, to, type: message.type, digest });
        if (delivery.to === "coordinator") this.#receive(delivery.from, delivery.message);
        else this.#tellClient(delivery.to, delivery.message);
      }
    }
  }

  #receive(client: number, message: ClientMessage): void {
    const from = this.#deviceOf[client]!;
    switch (message.type) {
      case "advertise":
        this.#tellServer({ type: "advertise", advertisement: message.advertisement });
        return;
      case "shares":
      case "reveal":
        this.#tellServer({ ...message, from } as ServerEvent);
        return;
      case "consistency":
        this.#tellServer({ type: "consistency", from, signature: message.signature });
        return;
      case "masked-input": {
        const { bits, length } = this.#binding;
        const vector = unpackBits(message.vector, { bits, length });
        if (!vector.ok) {
          this.#rejections.push({ client, rejection: vector.rejection });
          return;
        }
        const { signature } = message;
        const digest = sha256Bytes(message.vector);
        const event = { type: "masked-input", from, signature, digest } as const;
        const isNew = this.#tellServer(event);
        if (isNew) addInto(this.#sum, vector.value, bits);
        return;
      }
      case "leave":
        this.#tellServer({ type: "departed", from });
        return;
      default:
        return;
    }
  }

  /** @returns whether the coordinator accepted a message that it had not had before */
  #tellServer(event: ServerEvent): boolean {
    const { state, outputs } = stepServer(this.#server, event, { suite: this.#options.suite });
    this.#server = state;
    let isNew = false;
    for (const output of outputs) {
      if (output.type === "accepted") isNew = !output.repeated;
      else if (output.type === "send")
        this.#send({ from: "coordinator", to: this.#clientOf.get(output.to)!, message: output.message });
      else if (output.type === "rejected")
        this.#rejections.push({ client: this.#clientOf.get(output.from)!, rejection: output.rejection });
      else if (output.type !== "phase") this.#end = output;
    }
    return isNew;
  }

  #tellClient(client: number, event: ServerMessage | { readonly type: "enrol" }): void {
    const phase = event.type === "enrol" ? "enrolling" : ANSWERED_IN[event.type];
    if (phase === undefined || this.#silentFrom.get(client) === phase) return;
    const env = { suite: this.#options.suite, random: this.#randoms[client]! };
    const { state, outputs } = stepClient(this.#clients[client]!, event as ClientEvent, env);
    this.#clients[client] = state;
    for (const output of outputs) this.#follow(client, output);
  }

  #follow(client: number, output: ClientOutput): void {
    const { round, bits } = this.#binding;
    switch (output.type) {
      case "send":
        this.#send({ from: client, to: "coordinator", message: output.message });
        return;
      case "mask": {
        const vector = this.#options.vectors[client]!.slice();
        applyMasks(vector, output.job, this.#options.suite);
        wipeMasks(output.job);
        const { signature } = output;
        const message = { type: "masked-input", round, vector: packBits(vector, bits), signature } as const;
        this.#send({ from: client, to: "coordinator", message });
        return;
      }
      case "refused": {
        const { rejection } = output;
        this.#refusals.push({ client, rejection });
        const message = { type: "leave", round, code: rejection.code } as const;
        this.#send({ from: client, to: "coordinator", message });
        return;
      }
      case "finished":
        return;
    }
  }

  #send(delivery: Delivery): void {
    this.#deliveries.push(delivery);
  }
}

/** Deterministic bytes: SHA-256 in counter mode under a seed and a label. */
function seededRandom(seed: Uint8Array, label: string): (length: number) => Uint8Array {
  let counter = 0;
  return (length) => {
    const out = new Uint8Array(length);
    for (let offset = 0; offset < length; offset += 32) {
      const index = new Uint8Array(4);
      new DataView(index.buffer).setUint32(0, counter++);
      const block = hashParts("kindred.run/1", [seed, utf8ToBytes(label), index]);
      out.set(block.subarray(0, length - offset), offset);
    }
    return out;
  };
}

/** The options of the binding that were given; an absent option must not hide its default. */
function withoutUndefined(options: RunOptions): Partial<RoundBinding> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Partial<RoundBinding>;
}
