/** One round of the server: the real machine, fed with real frames, and what it took. */
import {
  checkPacked,
  decodeClientFrame,
  encodeFrame,
  type FrameMemory,
  rosterSigningBytes,
  type ServerMessage,
  sha256Hex,
} from "@kindred/protocol";
import {
  type CryptoSuite,
  type KeyPair,
  type RecoveryJob,
  recoveryTerms,
  type ServerEvent,
  type ServerOutput,
  type ServerPhase,
  type ServerState,
  startServer,
  stepServer,
} from "@kindred/secagg";
import { PackedSum, type RecoveryPool, releaseMemory } from "@kindred/secagg/node";
import { roundBinding } from "./cohort.ts";
import type { SecaggOptions } from "./options.ts";
import { threadCpuMs } from "./thread-cpu.ts";
import type { Wire } from "./wire.ts";

export type ServerStage = ServerPhase | "recovery";

export interface ServerRoundContext {
  readonly suite: CryptoSuite;
  /** The coordinator's signing keys. */
  readonly coordinator: KeyPair;
  readonly pool: RecoveryPool;
  readonly frames: FrameMemory;
  readonly progress: (stage: ServerStage, done: number, of: number) => void;
}

export interface ServerRoundFigures {
  /** CPU of the event loop's thread and of all threads, and wall, by stage, milliseconds. */
  readonly threadMs: Record<ServerStage, number>;
  readonly cpuMs: Record<ServerStage, number>;
  readonly wallMs: Record<ServerStage, number>;
  readonly degree: number;
  readonly threshold: number;
  /** Masks taken off. */
  readonly masks: number;
  /** SHA-256 of the sum as little-endian u32. */
  readonly sumDigest: string;
}

export interface FinishedRound {
  readonly figures: ServerRoundFigures;
  /** What the sum was recovered from, whose shares are still there, and the sum of the masked inputs. */
  readonly job: RecoveryJob;
  readonly masked: Uint32Array;
}

/** Messages that all members get alike: they are encoded once. */
const SHARED = new Set<ServerMessage["type"]>(["roster", "unmask"]);

/** A round from its first message to its sum. */
export class ServerRound {
  /** Rejects where the machine refuses a message or ends the round. */
  readonly finished: Promise<FinishedRound>;
  readonly #options: SecaggOptions;
  readonly #context: ServerRoundContext;
  readonly #sum: PackedSum;
  readonly #wireOf = new Map<number, Wire>();
  readonly #clientOf = new Map<string, number>();
  readonly #deviceOf = new Map<number, string>();
  readonly #threadMs = zero();
  readonly #cpuMs = zero();
  readonly #wallMs = zero();
  #state: ServerState;
  #stage: ServerStage = "enrolling";
  #threadMark = threadCpuMs();
  #cpuMark = process.cpuUsage();
  #wallMark = performance.now();
  #answered = 0;
  #encoded: { message: ServerMessage; frame: Uint8Array } | undefined;
  #finish: (round: FinishedRound) => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(options: SecaggOptions, context: ServerRoundContext) {
    const { suite, coordinator } = context;
    this.#options = options;
    this.#context = context;
    this.#sum = new PackedSum(options);
    this.#state = startServer({
      ...roundBinding(options),
      signRoster: (sid) => suite.sign(rosterSigningBytes(sid), coordinator.secretKey),
    });
    this.finished = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
  }

  /** Takes a client's frame in, whose memory is given back where nothing refers to it. */
  receive(client: number, frame: Uint8Array, wire: Wire): void {
    try {
      this.#read(client, frame, wire);
    } catch (error) {
      this.#fail(error);
    }
  }

  #read(client: number, frame: Uint8Array, wire: Wire): void {
    const decoded = decodeClientFrame(frame);
    if (!decoded.ok) throw new Error(decoded.rejection.rule);
    const message = decoded.value;
    const { clients } = this.#options;
    if (this.#answered === 0 && this.#stage === "enrolling") this.#mark();
    this.#answered++;
    if (this.#answered % 50 === 0) this.#context.progress(this.#stage, this.#answered, clients);
    switch (message.type) {
      case "advertise": {
        this.#wireOf.set(client, wire);
        this.#step({ type: "advertise", advertisement: message.advertisement }, client);
        if (this.#clientOf.size === clients) this.#step({ type: "close" });
        return;
      }
      case "leave":
        this.#step({ type: "departed", from: this.#deviceOf.get(client)! });
        return;
      case "masked-input": {
        const vector = checkPacked(message.vector, this.#options);
        if (!vector.ok) throw new Error(vector.rejection.rule);
        const from = this.#deviceOf.get(client)!;
        this.#step({ type: "masked-input", from, signature: message.signature });
        this.#sum.add(vector.value);
        releaseMemory(frame);
        return;
      }
      default:
        this.#step({ ...message, from: this.#deviceOf.get(client)! } as ServerEvent);
    }
  }

  #step(event: ServerEvent, advertising?: number): void {
    const stepped = stepServer(this.#state, event, { suite: this.#context.suite });
    this.#state = stepped.state;
    for (const output of stepped.outputs) this.#follow(output, advertising);
  }

  #follow(output: ServerOutput, advertising: number | undefined): void {
    switch (output.type) {
      case "accepted":
        if (advertising === undefined) return;
        this.#clientOf.set(output.from, advertising);
        this.#deviceOf.set(advertising, output.from);
        return;
      case "send":
        this.#send(this.#clientOf.get(output.to)!, output.message);
        return;
      case "phase":
        this.#enter(output.phase);
        return;
      case "unmask":
        this.#enter("recovery");
        this.#recover(output.job).then(this.#finish, this.#fail);
        return;
      case "rejected":
      case "failed":
        throw new Error(`${output.rejection.field} ${output.rejection.rule}`);
    }
  }

  #send(client: number, message: ServerMessage): void {
    const wire = this.#wireOf.get(client)!;
    const { frames } = this.#context;
    if (SHARED.has(message.type)) wire.send(client, () => this.#sharedFrame(message));
    else
      wire.send(
        client,
        () => frames.encode(message),
        (frame) => frames.release(frame),
      );
  }

  #sharedFrame(message: ServerMessage): Uint8Array {
    if (this.#encoded?.message !== message) this.#encoded = { message, frame: encodeFrame(message) };
    return this.#encoded.frame;
  }

  async #recover(job: RecoveryJob): Promise<FinishedRound> {
    const { pool, progress } = this.#context;
    progress("recovery", 0, 1);
    const masked = this.#sum.total();
    const recovered = await pool.recover(job, masked.slice());
    this.#enter("recovery");
    if (!recovered.ok) throw new Error(`${recovered.rejection.field} ${recovered.rejection.rule}`);
    if (this.#state.phase !== "finished") throw new Error("only a finished round has a result");
    const { degree, threshold } = this.#state.roll.session;
    const figures = {
      threadMs: this.#threadMs,
      cpuMs: this.#cpuMs,
      wallMs: this.#wallMs,
      degree,
      threshold,
      masks: recoveryTerms(job),
      sumDigest: sha256Hex(new Uint8Array(recovered.value.sum.buffer)),
    };
    return { figures, job, masked };
  }

  /** Books what was spent since the last change of stage. */
  #enter(next: ServerStage): void {
    this.#threadMs[this.#stage] += threadCpuMs() - this.#threadMark;
    const { user, system } = process.cpuUsage(this.#cpuMark);
    this.#cpuMs[this.#stage] += (user + system) / 1_000;
    this.#wallMs[this.#stage] += performance.now() - this.#wallMark;
    this.#stage = next;
    this.#answered = 0;
    this.#mark();
  }

  /** What follows counts; the first time with the first message: whatever starting up cost is no part of a round. */
  #mark(): void {
    this.#threadMark = threadCpuMs();
    this.#cpuMark = process.cpuUsage();
    this.#wallMark = performance.now();
  }
}

function zero(): Record<ServerStage, number> {
  return { enrolling: 0, sharing: 0, masking: 0, consistency: 0, unmasking: 0, recovery: 0 };
}
