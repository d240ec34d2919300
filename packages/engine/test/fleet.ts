/** Plays one task in memory, every party real: the round machine, participant machines, the pipeline, a virtual clock. */

import {
  AesCtrRandom,
  type LedgerEntry,
  type LedgerSigner,
  LedgerTree,
  type SignedLedgerHead,
  verifyLedgerChain,
} from "@kindred/privacy";
import {
  bytesToHex,
  type ClientMessage,
  hexToBytes,
  type Plan,
  planDigest,
  type ServerMessage,
  sha256Bytes,
} from "@kindred/protocol";
import { addInto, applyMasks, recoverSum } from "@kindred/secagg";
import {
  type Contribution,
  decodeAggregate,
  encodeContribution,
  initialClip,
  type MeanContribution,
  nextClip,
  type ParticipantConfig,
  type ParticipantEnvironment,
  type ParticipantEvent,
  type ParticipantOutput,
  type ParticipantState,
  type ParticipationEntry,
  type Release,
  type RoundContent,
  startParticipant,
  startTask,
  stepParticipant,
  stepTask,
  type TaskEvent,
  type TaskHistory,
  type TaskMessage,
  type TaskOutput,
  type TaskState,
} from "../src/index.ts";
import { eventOf, signedLedger } from "./fleet-gateway.ts";
import { coordinator, coordinatorSigner, freshHistory, suite, zeroContribution } from "./test-task.ts";

export interface FleetOptions {
  readonly plan: Plan;
  readonly clients: number;
  readonly seed?: string;
  /** Called before a message reaches a client; `false` makes the client vanish for good before it hears it. */
  readonly deliver?: (client: number, message: ServerMessage) => boolean;
  /** Whether a vanished client's connection is seen to close, or it just stays silent. */
  readonly silent?: boolean;
  readonly contribution?: (client: number, round: number) => Contribution;
  /** Whether a client's message reaches the coordinator twice. */
  readonly echo?: (client: number, message: ClientMessage) => boolean;
  /** What a client sends in place of a message; the message itself by default. */
  readonly alter?: (client: number, message: ClientMessage) => ClientMessage;
  /** Rounds whose release cannot be computed although the sum is there. */
  readonly breaksAt?: readonly number[];
  readonly history?: Partial<TaskHistory>;
  /** Content hash of the model that a round releases, made from the mean; by default no file stands behind it. */
  readonly model?: (released: {
    round: number;
    parent: string;
    mean: MeanContribution;
    /** That of the next round, where the plan adapts it. */
    clip: number | undefined;
  }) => string;
  /** What a round carries that starts from a model; training by default. */
  readonly content?: (round: number, modelHash: string) => RoundContent;
  /** Computes a release in place of the fleet, from what the coordinator has. */
  readonly release?: (made: {
    readonly round: number;
    readonly sid: Uint8Array;
    readonly survivors: number;
    readonly kept: number;
    readonly sum: Uint32Array;
    readonly parentHash: string;
  }) => Release;
}

/** Events after which a run counts as endless: two orders of magnitude above what a task of the tests takes. */
const MAX_EVENTS = 20_000;

interface Device {
  readonly key: string;
  readonly keys: { publicKey: Uint8Array; secretKey: Uint8Array };
  state: ParticipantState;
  readonly ledger: ParticipationEntry[];
  ledgerHead: SignedLedgerHead | undefined;
  gone: boolean;
  readonly refused: string[];
}

/** What a released round was made of. */
export interface ReleasedRound {
  readonly round: number;
  readonly sum: Uint32Array;
  /** Plain sum of the survivors' encoded vectors, as the fleet knows it. */
  readonly expected: Uint32Array;
  readonly mean: MeanContribution;
  readonly survivors: readonly string[];
}

export class Fleet {
  readonly plan: Plan;
  readonly digest: string;
  readonly devices: Device[] = [];
  readonly outputs: TaskOutput[] = [];
  /** Times of the ledger's bodies among the outputs. */
  readonly #ledgerTimes: number[] = [];
  readonly journal: { event: TaskEvent; now: number; seed: Uint8Array }[] = [];
  readonly released: ReleasedRound[] = [];
  state: TaskState;
  now = 1_700_000_000_000;
  readonly #options: FleetOptions;
  readonly #queue: (() => void)[] = [];
  readonly #timers: { at: number; fire: () => void }[] = [];
  readonly #encoded = new Map<string, Uint32Array>();
  readonly #inputs = new Map<string, Uint32Array>();
  /** Clip norm of the round under way, where the plan adapts it. */
  #clip: number | undefined;
  /** Running sum of each round, as the coordinator keeps it: nothing is added but what the machine says. */
  readonly #sums = new Map<number, Uint32Array>();
  readonly #tree = new LedgerTree(coordinatorSigner);
  #draws = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.plan = options.plan;
    this.digest = planDigest(options.plan);
    if (this.#adaptive !== undefined) this.#clip = initialClip(options.plan);
    this.state = startTask({ ...freshHistory(), ...options.history });
    for (let i = 0; i < options.clients; i++) {
      const keys = suite.signingKeyPair(sha256Bytes(`device ${i}`));
      this.devices.push({
        key: bytesToHex(keys.publicKey),
        keys,
        state: startParticipant(),
        ledger: [],
        ledgerHead: undefined,
        gone: false,
        refused: [],
      });
    }
  }

  get #adaptive() {
    return this.plan.privacy.blocks.model.adaptive;
  }

  /** Checks every device in, starts, and runs until nothing is left to happen. */
  run(): this {
    for (const device of this.devices) this.submit({ type: "check-in", device: device.key });
    this.submit({ type: "start", pool: [] });
    for (;;) {
      const next = this.#queue.shift();
      if (next !== undefined) {
        next();
        continue;
      }
      this.#timers.sort((a, b) => a.at - b.at);
      const timer = this.#timers.shift();
      if (timer === undefined) return this;
      this.now = Math.max(this.now, timer.at);
      timer.fire();
    }
  }

  submit(event: TaskEvent): readonly TaskOutput[] {
    const filled: TaskEvent =
      event.type === "start" ? { type: "start", pool: [...this.state.pool].sort() } : event;
    const entry = { event: structuredClone(filled), now: this.now, seed: this.#random(32) };
    if (this.journal.push(entry) > MAX_EVENTS) throw new Error("the task does not end");
    const outputs = this.step(entry);
    for (const output of outputs) this.#effect(output);
    return outputs;
  }

  step({ event, now, seed }: { event: TaskEvent; now: number; seed: Uint8Array }): readonly TaskOutput[] {
    const random = new AesCtrRandom(seed);
    const transition = stepTask(this.state, event, {
      config: { plan: this.plan, planDigest: this.digest },
      env: {
        now,
        suite,
        random: (length) => {
          const out = new Uint8Array(length);
          random.fill(out);
          return out;
        },
        signRoster: (message) => suite.sign(message, coordinator.secretKey),
      },
    });
    this.state = transition.state;
    this.outputs.push(...transition.outputs);
    for (const { type } of transition.outputs) if (type === "ledger") this.#ledgerTimes.push(now);
    return transition.outputs;
  }

  records() {
    return this.outputs.flatMap((output) =>
      output.type === "round" && output.record.status !== "running" ? [output.record] : [],
    );
  }

  /** The ledger of this run, signed as a coordinator signs it. */
  ledger(signer: LedgerSigner = coordinatorSigner): LedgerEntry[] {
    const { plan, digest, outputs } = this;
    const bodies = outputs.flatMap((output) => (output.type === "ledger" ? [output.body] : []));
    const dated = bodies.map((body, i) => ({ body, time: this.#ledgerTimes[i]! }));
    const modelHash = this.#options.history?.modelHash ?? freshHistory().modelHash;
    return signedLedger(dated, { plan, digest, modelHash, signer, now: this.now });
  }

  /** Rules that the ledger of this run breaks by itself, were it signed and published. */
  ledgerViolations(): readonly unknown[] {
    return verifyLedgerChain(this.ledger(), { verify: suite.verify, publicKey: coordinator.publicKey });
  }

  #random(length: number): Uint8Array {
    return sha256Bytes(`${this.#options.seed ?? "fleet"} ${this.#draws++}`).slice(0, length);
  }

  #effect(output: TaskOutput): void {
    switch (output.type) {
      case "send": {
        const index = this.devices.findIndex(({ key }) => key === output.to);
        const message = this.#complete(index, output.message);
        this.#queue.push(() => this.#hear(index, message));
        break;
      }
      case "timer":
        this.#timers.push({
          at: output.at,
          fire: () => void this.submit({ type: "timer", round: output.round, name: output.name }),
        });
        break;
      case "accumulate": {
        const { modulusBits: bits, paddedLength } = this.plan.resolved.mechanism;
        const sum = this.#sums.get(output.round) ?? new Uint32Array(paddedLength);
        addInto(sum, this.#inputs.get(output.vector)!, bits);
        this.#sums.set(output.round, sum);
        break;
      }
      case "aggregate":
        this.#queue.push(() => this.#aggregate(output));
        break;
      case "next":
        this.#queue.push(() => void this.submit({ type: "start", pool: [] }));
        break;
      default:
        break;
    }
  }

  /** What the gateway adds to a selection. */
  #complete(index: number, message: TaskMessage): ServerMessage {
    if (message.type !== "selected") return message;
    for (const entry of this.ledger().slice(this.#tree.size)) this.#tree.append(entry);
    const remembered = this.devices[index]!.ledgerHead?.size ?? 0;
    const { task } = this.plan;
    return { ...message, ledger: this.#tree.evidence({ task, round: message.round, remembered }) };
  }

  #aggregate(output: Extract<TaskOutput, { type: "aggregate" }>): void {
    const { modulusBits: bits, paddedLength } = this.plan.resolved.mechanism;
    const sum = this.#sums.get(output.round)!;
    const recovered = recoverSum(output.job, { sum, suite });
    if (!recovered.ok) {
      this.submit({ type: "aggregation-failed", round: output.round, rejection: recovered.rejection });
      return;
    }
    const expected = new Uint32Array(paddedLength);
    const survivors = output.vectors.map((vector) => vector.split(":")[1]!);
    for (const device of survivors) addInto(expected, this.#encoded.get(`${output.round}:${device}`)!, bits);
    const { round, sid, survivors: counted } = output;
    const norm = this.#clip;
    const kept = recovered.value.kept.length;
    if (this.#options.release !== undefined && !this.#options.breaksAt?.includes(round)) {
      const made = { round, sid, survivors: counted, kept, sum, parentHash: this.state.modelHash };
      const release = this.#options.release(made);
      this.submit({ type: "aggregated", round, ...recovered.value, release });
      return;
    }
    const mean = decodeAggregate(sum, { plan: this.plan, sid, survivors: counted, clip: norm, kept });
    this.released.push({ round: output.round, sum, expected, mean, survivors });
    if (this.#options.breaksAt?.includes(output.round)) {
      const rejection = { code: "model-invalid", field: "update", rule: "broke", fix: "none" } as const;
      this.submit({ type: "aggregation-failed", round: output.round, rejection });
      return;
    }
    const clipping = this.#adapt(mean);
    this.submit({
      type: "aggregated",
      round: output.round,
      corrupt: recovered.value.corrupt,
      kept: recovered.value.kept,
      release: {
        modelHash:
          this.#options.model?.({
            round: output.round,
            parent: this.state.modelHash,
            mean,
            clip: this.#clip,
          }) ?? bytesToHex(sha256Bytes(`model ${output.round}`)),
        ...(clipping === undefined ? {} : { clipping }),
        optimiserHash: "b".repeat(64),
        loss: 1,
        lossDeviation: 0,
        silhouette: 0,
        clusters: { stage: "clusters", clusters: 4, moved: true, changes: [] },
      },
    });
  }

  /** Moves the clip norm as a release does. */
  #adapt({ withinClip: fraction }: MeanContribution) {
    const norm = this.#clip;
    const adaptive = this.#adaptive;
    if (adaptive === undefined || norm === undefined || fraction === undefined) return undefined;
    const next = nextClip(adaptive, { norm, fraction });
    this.#clip = next;
    return { norm, fraction, next };
  }

  #hear(index: number, message: ServerMessage): void {
    const device = this.devices[index]!;
    if (device.gone) return;
    if (this.#options.deliver?.(index, message) === false) {
      device.gone = true;
      if (!this.#options.silent) this.submit({ type: "departed", device: device.key });
      return;
    }
    this.participant(index, { type: "message", message });
  }

  participant(index: number, event: ParticipantEvent): void {
    const device = this.devices[index]!;
    const step = stepParticipant(device.state, event, this.context(index));
    device.state = step.state;
    for (const output of step.outputs) this.#participantEffect(index, output);
  }

  /** What a device's machine is given with every event. */
  context(index: number): { config: ParticipantConfig; env: ParticipantEnvironment } {
    const device = this.devices[index]!;
    return {
      config: {
        plan: this.plan,
        planDigest: hexToBytes(this.digest),
        device: device.keys,
        coordinatorKey: coordinator.publicKey,
      },
      env: {
        suite,
        random: (length) => this.#random(length),
        ledger: device.ledger,
        ledgerHead: device.ledgerHead,
      },
    };
  }

  #participantEffect(index: number, output: ParticipantOutput): void {
    const device = this.devices[index]!;
    switch (output.type) {
      case "send": {
        const message = this.#options.alter?.(index, output.message) ?? output.message;
        this.wire(device.key, message);
        if (this.#options.echo?.(index, message)) this.wire(device.key, message);
        break;
      }
      case "remember":
        device.ledgerHead = output.head;
        break;
      case "train":
        this.participant(index, { type: "trained", round: output.round });
        break;
      case "mask": {
        const contribution = this.#options.contribution?.(index, output.round) ?? zeroContribution(this.plan);
        const random = new AesCtrRandom(this.#random(32));
        const { plan } = this;
        const content = this.#options.content?.(output.round, this.state.modelHash);
        const { sid } = output;
        const vector = encodeContribution(contribution, { plan, sid, random, clip: this.#clip, content });
        this.#encoded.set(`${output.round}:${device.key}`, vector.slice());
        applyMasks(vector, output.job, suite);
        this.#inputs.set(`${output.round}:${device.key}`, vector);
        device.ledger.push({
          task: this.plan.task,
          planDigest: this.digest,
          round: output.round,
          time: this.now,
          epsilon: output.epsilon,
          delta: this.plan.privacy.delta,
        });
        this.participant(index, { type: "masked", round: output.round, vector: new Uint8Array(1) });
        break;
      }
      case "check-in":
        this.#timers.push({
          at: this.now + output.afterMs,
          fire: () => void this.submit({ type: "check-in", device: device.key }),
        });
        break;
      case "refused":
        device.refused.push(output.rejection.code);
        break;
      default:
        break;
    }
  }

  /** What the gateway does with a client's message. */
  wire(device: string, message: ClientMessage): void {
    const event = eventOf(device, message);
    if (event !== undefined) this.submit(event);
  }
}
