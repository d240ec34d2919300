/**
 * An authenticated connection that comes back: challenge, hello, welcome; after a loss the same again, with
 * exponential backoff. It knows nothing about rounds.
 */
import {
  type ClientMessage,
  decodeServerFrame,
  ERROR_TABLE,
  encodeFrame,
  helloSigningBytes,
  PROTOCOL_VERSION,
  type Rejection,
  type ServerMessage,
} from "@kindred/protocol";
import type { CryptoSuite, KeyPair } from "@kindred/secagg";
import { Backoff, type Clock, within } from "./clock.ts";
import type { Connection, TransportFactory } from "./transport.ts";

/** What the coordinator said to a message, or that the connection was lost before it said anything. */
export type Answer =
  | { readonly type: "accepted" }
  | { readonly type: "rejected"; readonly rejection: Rejection }
  | { readonly type: "lost" };

type Welcome = Extract<ServerMessage, { type: "welcome" }>;

export interface SessionEvents {
  /** The device is authenticated; anything may be sent from here on. */
  readonly welcome: (message: Welcome) => void;
  /** A message after the welcome. */
  readonly message: (message: ServerMessage) => void;
  /** The connection was lost, or could not be made; the session tries again. */
  readonly lost: () => void;
  /** The coordinator refuses this device for good; the session has stopped. */
  readonly refused: (rejection: Rejection) => void;
  /** Bytes of frames, after each. */
  readonly traffic: (bytes: { readonly sent: number; readonly received: number }) => void;
}

export interface SessionOptions {
  readonly url: string;
  readonly task: string;
  readonly device: KeyPair;
  readonly suite: Pick<CryptoSuite, "sign">;
  readonly transport: TransportFactory;
  readonly clock: Clock;
  readonly random: (length: number) => Uint8Array;
  readonly events: SessionEvents;
  /** Size of the tree head that the device remembers of the coordinator's ledger, 0 for none. */
  readonly ledgerSize: () => number;
  /** Asks the app's backend for a token that names the account, at each hello, and once more where it is refused. */
  readonly account?: (() => Promise<string>) | undefined;
}

const SDK = "kindred-client/0.1.0";
const CONNECT_MS = 30_000;
const HELLO_MS = 30_000;
/** A connection that lasted this long lets the backoff start anew. */
const STABLE_MS = 10_000;
/** Every message is answered within this time … */
const ANSWER_MS = 60_000;
/** … plus this per byte, which allows a masked input 32 KiB a second. */
const ANSWER_MS_PER_BYTE = 1_000 / (32 * 1_024);

/** One life of a connection, from its opening to its end. */
interface Link {
  connection: Connection | undefined;
  welcomed: boolean;
  /** Milliseconds since the epoch; the time of the welcome once there was one. */
  since: number;
  /** Messages that overtook the acknowledgement of the hello. */
  readonly early: ServerMessage[];
  readonly end: () => void;
  /** The coordinator's challenge. */
  nonce: Uint8Array | undefined;
  /** A refused token was replaced by a fresh one, which happens once. */
  tokenRenewed: boolean;
  ended: boolean;
  cancelHelloTimer: () => void;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #backoff: Backoff;
  #link: Link | undefined;
  #stopped = true;
  #cancelPause: () => void = () => undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random);
  }

  /** Whether messages can be sent now. */
  get ready(): boolean {
    return this.#link?.welcomed === true;
  }

  /** Connects, and stays connected until `stop`. */
  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#backoff.reset();
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelPause();
    this.#link?.end();
  }

  /** Drops the connection; the session makes a new one after a pause. */
  reconnect(): void {
    this.#link?.end();
  }

  /** Sends a message. A lost one is not repeated here: the coordinator asks again after the next hello. */
  async send(message: ClientMessage): Promise<Answer> {
    const link = this.#link;
    if (link?.connection === undefined || !link.welcomed) return { type: "lost" };
    const answer = await this.#request(link, message);
    if (answer === undefined) return { type: "lost" };
    if (answer === "silent" || answer.type === "ok") return { type: "accepted" };
    if (answer.type === "rejection") return { type: "rejected", rejection: rejectionOf(answer) };
    // Any other message may come as the answer instead of after it.
    this.#options.events.message(answer);
    return { type: "accepted" };
  }

  #open(): void {
    const link: Link = {
      connection: undefined,
      welcomed: false,
      since: 0,
      early: [],
      nonce: undefined,
      tokenRenewed: false,
      ended: false,
      end: () => this.#end(link),
      cancelHelloTimer: () => undefined,
    };
    this.#link = link;
    const { url, transport, clock } = this.#options;
    const opening = transport(url, { frame: (frame) => this.#onFrame(link, frame), closed: link.end });
    // A connection that opens after its time is closed again.
    opening.then(
      (connection) => {
        if (link.ended) connection.close();
      },
      () => undefined,
    );
    within(opening, { ms: CONNECT_MS, clock, field: "connection" }).then((connection) => {
      if (link.ended) return;
      link.connection = connection;
      link.cancelHelloTimer = clock.setTimer(HELLO_MS, link.end);
      for (const early of link.early.splice(0)) this.#onMessage(link, early);
    }, link.end);
  }

  #end(link: Link): void {
    if (link.ended) return;
    const { clock, events } = this.#options;
    // Two clients with one identity take the connection from each other: a short life is no success.
    if (link.welcomed && clock.now() - link.since >= STABLE_MS) this.#backoff.reset();
    link.ended = true;
    link.welcomed = false;
    link.cancelHelloTimer();
    link.connection?.close();
    if (this.#link === link) this.#link = undefined;
    if (this.#stopped) return;
    events.lost();
    this.#cancelPause = clock.setTimer(this.#backoff.next(), () => {
      if (!this.#stopped) this.#open();
    });
  }

  #onFrame(link: Link, frame: Uint8Array): void {
    if (link.ended) return;
    this.#options.events.traffic({ sent: 0, received: frame.length });
    const decoded = decodeServerFrame(frame);
    if (decoded.ok) this.#onMessage(link, decoded.value);
    else if (decoded.rejection.code === "protocol-version") this.#refuse(decoded.rejection);
    else link.end();
  }

  #onMessage(link: Link, message: ServerMessage): void {
    if (link.ended) return;
    if (link.connection === undefined) {
      link.early.push(message);
      return;
    }
    switch (message.type) {
      case "challenge":
        link.nonce = message.nonce;
        if (!link.welcomed) void this.#hello(link, message.nonce);
        return;
      case "welcome":
        this.#welcomed(link, message);
        return;
      case "rejection":
        if (!link.welcomed) this.#onRefusedHello(link, rejectionOf(message));
        return;
      default:
        if (link.welcomed) this.#options.events.message(message);
        else link.early.push(message);
    }
  }

  async #hello(link: Link, nonce: Uint8Array): Promise<void> {
    const { task, device, suite, account } = this.#options;
    let token: string | undefined;
    try {
      token = await account?.();
    } catch {
      // The app's backend does not answer: the next link asks again.
      link.end();
    }
    if (link.ended) return;
    const signature = suite.sign(helloSigningBytes({ task, nonce }), device.secretKey);
    const answer = await this.#request(link, {
      type: "hello",
      protocol: PROTOCOL_VERSION,
      task,
      device: device.publicKey,
      signature,
      sdk: SDK,
      ledgerSize: this.#options.ledgerSize(),
      ...(token === undefined ? {} : { account: token }),
    });
    // The welcome itself is the answer, or a message of its own.
    if (answer === undefined || answer === "silent") return;
    this.#onMessage(link, answer);
  }

  #welcomed(link: Link, message: Welcome): void {
    if (link.welcomed) return;
    link.welcomed = true;
    link.since = this.#options.clock.now();
    link.cancelHelloTimer();
    this.#options.events.welcome(message);
    for (const early of link.early.splice(0)) this.#onMessage(link, early);
  }

  #onRefusedHello(link: Link, rejection: Rejection): void {
    if (ERROR_TABLE[rejection.code].retry) link.end();
    else if (this.#mayRenewToken(link, rejection)) {
      link.tokenRenewed = true;
      void this.#hello(link, link.nonce!); // there was a hello, so there was a challenge
    } else this.#refuse(rejection);
  }

  /** A token that expired on its way is not the device's fault: a fresh one may pass. */
  #mayRenewToken({ tokenRenewed, nonce }: Link, { code, field }: Rejection): boolean {
    const isOfToken = code === "not-authenticated" && field === "hello.account";
    return isOfToken && !tokenRenewed && nonce !== undefined && this.#options.account !== undefined;
  }

  #refuse(rejection: Rejection): void {
    this.stop();
    this.#options.events.refused(rejection);
  }

  /** @returns the decoded answer, `silent` for one without bytes, `undefined` when the link broke */
  async #request(link: Link, message: ClientMessage): Promise<ServerMessage | "silent" | undefined> {
    const { clock, events } = this.#options;
    const frame = encodeFrame(message);
    const ms = Math.round(ANSWER_MS + frame.length * ANSWER_MS_PER_BYTE);
    try {
      const request = link.connection!.request(frame); // only called once the connection is there
      events.traffic({ sent: frame.length, received: 0 });
      const answer = await within(request, { ms, clock, field: message.type });
      if (answer.length === 0) return "silent";
      events.traffic({ sent: 0, received: answer.length });
      const decoded = decodeServerFrame(answer);
      if (decoded.ok) return decoded.value;
      if (decoded.rejection.code === "protocol-version") {
        this.#refuse(decoded.rejection);
        return undefined;
      }
    } catch {
      // Lost or too late: both end the link, and the next one begins with a hello.
    }
    link.end();
    return undefined;
  }
}

function rejectionOf({ code, field, rule, fix }: Extract<ServerMessage, { type: "rejection" }>): Rejection {
  return { code, field, rule, fix };
}
