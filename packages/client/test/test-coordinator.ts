/** A coordinator in memory: the engine's round machine behind the SDK's transport and fetch, on a virtual clock. */
import { encoderLayout, initialWeights, trainableLayout } from "@kindred/encoder/layout";
import {
  computeRelease,
  initialClip,
  initialOptimiserState,
  type OptimiserState,
  type Release,
  type ReleaseOutput,
  type RoundRecord,
  releaseFigures,
  resolvePlan,
  resumeMessage,
  startTask,
  stepTask,
  type TaskConfig,
  type TaskEvent,
  type TaskMessage,
  type TaskOutput,
  type TaskState,
} from "@kindred/engine";
import { appendEntry, type LedgerEntry, type LedgerSigner, LedgerTree } from "@kindred/privacy";
import {
  bytesToHex,
  type ClientMessage,
  canonicalJson,
  catalogueHash,
  decodeClientFrame,
  decodeModel,
  encodeFrame,
  encodeModel,
  helloSigningBytes,
  hexToBytes,
  type Model,
  modelHash,
  type Plan,
  PROTOCOL_VERSION,
  parsePlanInput,
  planDigest,
  planSigningText,
  type Rejection,
  rejectionMessage,
  type ServerMessage,
  sha256Hex,
  unnamedClustering,
  unpackBits,
  utf8ToBytes,
  versionRejection,
} from "@kindred/protocol";
import { addInto, recoverSum } from "@kindred/secagg";
import { nodeSuite } from "@kindred/secagg/node";
import type { Clock } from "../src/clock.ts";
import type { ConnectionEvents, TransportFactory } from "../src/transport.ts";
import { AXES, COORDINATOR_SEED, catalogue, DIMENSION, ITEMS, PLAN_INPUT, testRandom } from "./test-task.ts";

const GRACE_MS = 5_000;

interface Peer {
  readonly events: ConnectionEvents;
  readonly nonce: Uint8Array;
  device: string | undefined;
  /** As the device says it. */
  ledgerSize: number;
  open: boolean;
}

export interface TestCoordinatorOptions {
  readonly clock: Clock;
  /** Merged over `PLAN_INPUT`, section by section. */
  readonly plan?: Readonly<Record<string, unknown>>;
}

export class TestCoordinator {
  readonly suite = nodeSuite();
  readonly plan: Plan;
  config: TaskConfig;
  readonly initial: Model;
  readonly blobs = new Map<string, Uint8Array>();
  /** Everything the machine put out, in order. */
  readonly outputs: TaskOutput[] = [];
  readonly releases: ReleaseOutput[] = [];
  /** Decoded client messages, in order of arrival. */
  readonly received: { readonly device: string; readonly message: ClientMessage }[] = [];
  readonly requests: string[] = [];
  /** While true nothing answers. */
  offline = false;
  /** Looks at every client message before it is handled; a returned rejection answers it. */
  refuse: (message: ClientMessage, device: string) => Rejection | undefined = () => undefined;
  /** What is waited for before a client message is handled. */
  delay: (entry: { readonly device: string; readonly message: ClientMessage }) => Promise<void> = async () =>
    undefined;
  /** Devices whose hello is not answered. */
  readonly unreachable = new Set<string>();
  /** Replaces what is served for a path. */
  tamper: (path: string, body: Uint8Array) => Uint8Array = (_path, body) => body;
  /** The entries of the round starts, releases and failures so far. */
  readonly ledger: LedgerEntry[] = [];
  /** The tree over them; a test may put another history in its place. */
  tree: LedgerTree;
  state: TaskState;
  readonly #signer: LedgerSigner;
  readonly #clock: Clock;
  readonly #random = testRandom("coordinator");
  readonly #peers = new Set<Peer>();
  readonly #spool = new Map<string, Uint32Array>();
  readonly #signed: Uint8Array;
  readonly #mailbox: { event: TaskEvent; resolve: (rejection: Rejection | undefined) => void }[] = [];
  #draining = false;
  #optimiser: OptimiserState;

  constructor({ clock, plan = {} }: TestCoordinatorOptions) {
    this.#clock = clock;
    const key = this.suite.signingKeyPair(COORDINATOR_SEED);
    this.#signer = {
      publicKey: key.publicKey,
      sign: (message) => this.suite.sign(message, key.secretKey),
    };
    this.tree = new LedgerTree(this.#signer);
    const input = parsePlanInput(mergeSections(PLAN_INPUT, plan));
    const segments = trainableLayout(encoderLayout(input.encoder, ITEMS, input.training), input.training);
    const resolved = resolvePlan(input, {
      coordinatorKey: bytesToHex(key.publicKey),
      catalogueHash: catalogueHash(catalogue),
      itemCount: ITEMS,
      modelLength: segments.length,
    });
    // Devices want the certain honest survivors stated also where there is no noise to share.
    const { minSurvivors, corruption, maximum } = resolved.cohort;
    const honest = minSurvivors - Math.floor(corruption * maximum);
    const mechanism = { ...resolved.resolved.mechanism, honest };
    this.plan = { ...resolved, resolved: { ...resolved.resolved, mechanism } };
    this.config = { plan: this.plan, planDigest: planDigest(this.plan) };
    const signature = bytesToHex(this.suite.sign(utf8ToBytes(planSigningText(this.plan)), key.secretKey));
    this.#signed = utf8ToBytes(JSON.stringify({ plan: this.plan, signature }));
    const clusters = this.plan.clustering.clusters;
    const centroids = new Float32Array(clusters * DIMENSION);
    for (let c = 0; c < clusters; c++) centroids[c * DIMENSION + c] = 1;
    this.initial = {
      task: this.plan.task,
      round: 0,
      parent: "",
      weights: initialWeights(input.encoder, ITEMS, input.training),
      centroids,
      clusters,
      ...(this.plan.privacy.blocks.model.adaptive === undefined ? {} : { clip: initialClip(this.plan) }),
      cells: new Float32Array(),
      clustering: {
        ...unnamedClustering(clusters),
        layers: [
          { ids: [7], nextId: 8, names: [["all"]], parents: [] },
          { ids: [3, 5], nextId: 6, names: [["axis 0"], ["axis 1"]], parents: [0, 0] },
        ],
      },
    };
    this.blobs.set(catalogueHash(catalogue), utf8ToBytes(canonicalJson(catalogue)));
    this.#optimiser = initialOptimiserState(segments.length);
    this.state = startTask({
      round: 0,
      modelHash: this.#keep(this.initial),
      released: 0,
      poisson: true,
      spent: { coordinator: 0, observer: 0 },
      participations: new Map(),
    });
  }

  /** Begins the first round. */
  start(): void {
    void this.submit({ type: "start", pool: [...this.state.pool] });
  }

  /** `selecting`, `training`, `enrolling` … of the round under way. */
  get phase(): string {
    return this.state.phase.name === "secure" ? this.state.phase.stage : this.state.phase.name;
  }

  get records(): RoundRecord[] {
    return this.outputs.flatMap((output) => (output.type === "round" ? [output.record] : []));
  }

  /** An empty history that this coordinator could sign as well. */
  otherTree(): LedgerTree {
    return new LedgerTree(this.#signer);
  }

  /** Makes a model the newest one, whatever it holds. */
  publish(model: Model): void {
    this.state = { ...this.state, modelHash: this.#keep(model) };
  }

  /** Cuts a device's connection, or all. */
  cut(device?: string): void {
    for (const peer of [...this.#peers])
      if (device === undefined || peer.device === device) this.#close(peer);
  }

  connected(device: string): boolean {
    return [...this.#peers].some((peer) => peer.device === device);
  }

  /** Sends a message of the test's choice. */
  push(device: string, message: ServerMessage): void {
    for (const peer of this.#peers) if (peer.device === device) this.#send(peer, message);
  }

  /** What the gateway adds to a selection. */
  #complete(device: string, message: TaskMessage): ServerMessage {
    if (message.type !== "selected") return message;
    const remembered = [...this.#peers].find((peer) => peer.device === device)?.ledgerSize ?? 0;
    const { task } = this.plan;
    return { ...message, ledger: this.tree.evidence({ task, round: message.round, remembered }) };
  }

  submit(event: TaskEvent): Promise<Rejection | undefined> {
    return new Promise((resolve) => {
      this.#mailbox.push({ event, resolve });
      if (!this.#draining) this.#drain();
    });
  }

  readonly transport: TransportFactory = async (_url, events) => {
    if (this.offline) throw new Error("offline");
    const peer: Peer = { events, nonce: this.#random(32), device: undefined, ledgerSize: 0, open: true };
    this.#peers.add(peer);
    this.#send(peer, { type: "challenge", nonce: peer.nonce });
    return {
      request: async (frame) => {
        await Promise.resolve();
        if (!peer.open || this.offline) throw new Error("closed");
        const answer = await this.#answer(peer, frame);
        if (!peer.open) throw new Error("closed");
        return answer === undefined ? new Uint8Array() : encodeFrame(answer);
      },
      close: () => this.#close(peer),
    };
  };

  readonly fetch = (async (input: string | URL | Request) => {
    await Promise.resolve();
    const path = new URL(String(input)).pathname;
    this.requests.push(path);
    if (this.offline) throw new TypeError("fetch failed");
    const body = this.#file(path);
    return body === undefined
      ? new Response("{}", { status: 404 })
      : new Response(this.tamper(path, body) as Uint8Array<ArrayBuffer>);
  }) as typeof fetch;

  #file(path: string): Uint8Array | undefined {
    const task = `/v1/tasks/${this.plan.task}`;
    if (path === `${task}/plan`) return this.#signed;
    if (path === task) {
      const { phase, round, modelHash: hash } = this.state;
      const status = phase.name === "finished" || phase.name === "cancelled" ? phase.name : "running";
      const latest = round === 0 ? null : round;
      return utf8ToBytes(JSON.stringify({ status, model: { hash, round: 0 }, rounds: { latest } }));
    }
    return path.startsWith("/v1/blobs/") ? this.blobs.get(path.slice("/v1/blobs/".length)) : undefined;
  }

  #keep(model: Model): string {
    const file = encodeModel(model);
    const hash = modelHash(file);
    this.blobs.set(hash, file);
    return hash;
  }

  #close(peer: Peer): void {
    if (!peer.open) return;
    peer.open = false;
    this.#peers.delete(peer);
    const { device } = peer;
    if (device !== undefined)
      this.#clock.setTimer(GRACE_MS, () => {
        if (!this.connected(device)) void this.submit({ type: "departed", device });
      });
    queueMicrotask(peer.events.closed);
  }

  #send(peer: Peer, message: ServerMessage): void {
    const frame = encodeFrame(message);
    queueMicrotask(() => {
      if (peer.open) peer.events.frame(frame);
    });
  }

  async #answer(peer: Peer, frame: Uint8Array): Promise<ServerMessage | undefined> {
    const decoded = decodeClientFrame(frame);
    if (!decoded.ok) return rejectionMessage(decoded.rejection);
    const message = decoded.value;
    this.received.push({ device: peer.device ?? "", message });
    await this.delay({ device: peer.device ?? "", message });
    const refused = this.refuse(message, peer.device ?? "");
    if (refused !== undefined) return rejectionMessage(refused);
    if (message.type === "hello") return this.#hello(peer, message);
    const { device } = peer;
    if (device === undefined) throw new Error("the client sent a message before its hello");
    if (message.type === "check-in") peer.ledgerSize = message.ledgerSize;
    const rejection = await this.submit(this.#event(device, message));
    return rejection === undefined ? { type: "ok" } : rejectionMessage(rejection);
  }

  #hello(peer: Peer, message: Extract<ClientMessage, { type: "hello" }>): ServerMessage | undefined {
    if (message.protocol !== PROTOCOL_VERSION)
      return rejectionMessage(versionRejection(message.protocol).rejection);
    if (this.unreachable.has(bytesToHex(message.device))) {
      this.#close(peer);
      return undefined;
    }
    const signed = helloSigningBytes({ task: message.task, nonce: peer.nonce });
    if (!this.suite.verify(message.signature, signed, message.device))
      throw new Error("the client's hello does not verify");
    peer.device = bytesToHex(message.device);
    peer.ledgerSize = message.ledgerSize;
    this.#send(peer, {
      type: "welcome",
      task: message.task,
      planDigest: hexToBytes(this.config.planDigest),
      modelHash: hexToBytes(this.state.modelHash),
    });
    const pending = resumeMessage(this.state, peer.device, { config: this.config, now: this.#clock.now() });
    if (pending !== undefined) this.#send(peer, this.#complete(peer.device, pending));
    return undefined;
  }

  #event(device: string, message: Exclude<ClientMessage, { type: "hello" }>): TaskEvent {
    switch (message.type) {
      case "check-in":
        return { type: "check-in", device };
      case "ready":
        return { type: "ready", device, round: message.round };
      case "masked-input": {
        const { modulusBits: bits, paddedLength: length } = this.plan.resolved.mechanism;
        const unpacked = unpackBits(message.vector, { bits, length });
        if (!unpacked.ok) throw new Error(unpacked.rejection.rule);
        const vector = sha256Hex(message.vector);
        this.#spool.set(vector, unpacked.value);
        return { type: "masked-input", device, round: message.round, vector, signature: message.signature };
      }
      case "leave":
        return { type: "departed", device };
      default:
        return { type: "member", device, message };
    }
  }

  #drain(): void {
    this.#draining = true;
    for (let letter = this.#mailbox.shift(); letter !== undefined; letter = this.#mailbox.shift()) {
      const { state, outputs } = stepTask(this.state, letter.event, {
        config: this.config,
        env: {
          now: this.#clock.now(),
          random: this.#random,
          suite: this.suite,
          signRoster: (message) =>
            this.suite.sign(message, this.suite.signingKeyPair(COORDINATOR_SEED).secretKey),
        },
      });
      this.state = state;
      this.outputs.push(...outputs);
      for (const output of outputs) this.#effect(output);
      const rejected = outputs.find((output) => output.type === "rejected");
      letter.resolve(rejected?.type === "rejected" ? rejected.rejection : undefined);
    }
    this.#draining = false;
  }

  #effect(output: TaskOutput): void {
    switch (output.type) {
      case "send":
        this.push(output.to, this.#complete(output.to, output.message));
        return;
      case "ledger": {
        const time = new Date(this.#clock.now()).toISOString();
        const { body } = output;
        const entry = appendEntry({ tail: this.ledger.at(-1), body, time, signer: this.#signer });
        this.ledger.push(entry);
        this.tree.append(entry);
        return;
      }
      case "timer":
        this.#clock.setTimer(output.at - this.#clock.now(), () => {
          void this.submit({ type: "timer", round: output.round, name: output.name });
        });
        return;
      case "next":
        void this.submit({ type: "start", pool: [...this.state.pool] });
        return;
      case "aggregate":
        void this.submit({ type: "aggregated", round: output.round, release: this.#release(output) });
        return;
      default:
        return;
    }
  }

  #release(output: Extract<TaskOutput, { type: "aggregate" }>): Release {
    const { plan } = this;
    const { modulusBits, paddedLength } = plan.resolved.mechanism;
    const sum = new Uint32Array(paddedLength);
    for (const name of output.vectors) addInto(sum, this.#spool.get(name)!, modulusBits);
    const recovered = recoverSum(output.job, { sum, suite: this.suite });
    if (!recovered.ok) throw new Error(recovered.rejection.rule);
    const parentHash = this.state.modelHash;
    const parent = decodeModel(this.blobs.get(parentHash)!, parentHash);
    if (!parent.ok) throw new Error(parent.rejection.rule);
    const release = computeRelease({
      plan,
      sid: output.sid,
      round: output.round,
      survivors: output.survivors,
      kept: recovered.value.kept.length,
      sum,
      parent: parent.value,
      parentHash,
      optimiser: this.#optimiser,
      segments: trainableLayout(encoderLayout(plan.encoder, ITEMS, plan.training), plan.training).tensors,
      describe: () => ({ items: catalogue.items, units: AXES }),
    });
    this.#optimiser = release.optimiser;
    this.releases.push(release);
    return {
      modelHash: this.#keep(release.model),
      optimiserHash: sha256Hex(`optimiser ${output.round}`),
      ...releaseFigures(release),
    };
  }
}

function mergeSections(base: object, changes: object): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const before = merged[key];
    const both = typeof before === "object" && before !== null && typeof value === "object" && value !== null;
    merged[key] = both ? { ...before, ...value } : value;
  }
  return merged;
}
