import {
  type ParticipantState,
  startParticipant,
  stepParticipant,
  type TaskMessage,
  type TaskOutput,
} from "@kindred/engine";
import { appendEntry, type LedgerEntry, LedgerTree } from "@kindred/privacy";
import { bytesToHex, type ClientMessage, hexToBytes, planDigest, sha256Bytes } from "@kindred/protocol";
import type { CryptoSuite, KeyPair } from "@kindred/secagg";
import { nodeSuite } from "@kindred/secagg/node";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../../../packages/client/test/virtual-clock.ts";
import { freshHistory, testPlan } from "../../../../packages/engine/test/test-task.ts";
import { CoordinatorKey } from "../store/coordinator-key.ts";
import type { JournalRecord } from "../store/journal.ts";
import { RunningSum } from "./running-sum.ts";
import { TaskRuntime } from "./task-runtime.ts";
import type { TaskRuntimeOptions } from "./task-runtime-ports.ts";

const suite = nodeSuite();
const key = new CoordinatorKey(new Uint8Array(32).fill(3));
const plan = testPlan({ rounds: 3 });
const config = { plan, planDigest: planDigest(plan) };

interface Device {
  readonly name: string;
  readonly keys: KeyPair;
  state: ParticipantState;
}

/** A runtime over a journal in memory, with everything it says and does on record. */
class World {
  readonly clock = new VirtualClock();
  readonly journal: JournalRecord[] = [];
  readonly outputs: TaskOutput[] = [];
  readonly sent: { readonly to: string; readonly message: TaskMessage }[] = [];
  readonly errors: unknown[] = [];
  readonly connected = new Set<string>();
  readonly devices: Device[];
  /** Failures of the next commits and loads. */
  failing = { commits: 0, loads: 0 };
  loads = 0;
  /** Commits wait for this. */
  gate: Promise<void> = Promise.resolve();
  /** Runs before the suite verifies a signature of this device. */
  verifying: (publicKey: string) => void = () => undefined;
  signing: () => void = () => undefined;
  readonly options: TaskRuntimeOptions;
  #draws = 0;

  constructor(devices = 6) {
    this.devices = Array.from({ length: devices }, (_, i) => {
      const keys = suite.signingKeyPair(sha256Bytes(`device ${i}`));
      return { name: bytesToHex(keys.publicKey), keys, state: startParticipant() };
    });
    for (const { name } of this.devices) this.connected.add(name);
    const watched: CryptoSuite = {
      ...suite,
      verify: (signature, message, publicKey) => {
        this.verifying(bytesToHex(publicKey));
        return suite.verify(signature, message, publicKey);
      },
    };
    const signer = Object.create(key, {
      sign: {
        value: (message: Uint8Array) => {
          this.signing();
          return key.sign(message);
        },
      },
    }) as CoordinatorKey;
    this.options = {
      config,
      key: signer,
      suite: watched,
      clock: this.clock,
      random: (length) => new Uint8Array(length).fill(5),
      outbox: {
        connected: (device) => this.connected.has(device),
        send: (to, message) => this.sent.push({ to, message }),
      },
      load: async () => {
        this.loads++;
        if (this.failing.loads-- > 0) throw new Error("the database is away");
        const record = { status: "running" } as Awaited<ReturnType<TaskRuntimeOptions["load"]>>["record"];
        return {
          plan,
          record,
          history: freshHistory(),
          journal: structuredClone(this.journal),
          sequence: this.journal.length,
        };
      },
      commit: async ({ after, entries }) => {
        await this.gate;
        if (this.failing.commits-- > 0) throw new Error("the database is away");
        expect(after).toBe(this.journal.length);
        for (const entry of entries) this.journal.push({ ...entry, sequence: this.journal.length + 1 });
        return this.journal.length;
      },
      recover: () => Promise.reject(new Error("not reached")),
      newSum: () => new RunningSum({ task: plan.task, bits: 20, length: 1, spool: noSpool }),
      releases: { run: () => Promise.reject(new Error("not reached")), published: async () => undefined },
      observe: (output) => this.outputs.push(output),
      logger: { error: ({ error }: { error?: unknown }) => this.errors.push(error) },
      reconnectGrace: 1_000,
    };
  }

  /** Everybody checks in, trains, and is asked to enrol. */
  async toEnrolling(): Promise<TaskRuntime> {
    const runtime = await TaskRuntime.open(this.options);
    await this.clock.advance(0);
    for (const { name } of this.devices) await runtime.submit({ type: "check-in", device: name });
    await this.clock.until(() => runtime.state.phase.name === "training", "training");
    for (const device of this.devices) {
      for (const { message } of this.sent.filter(({ to }) => to === device.name)) this.hear(device, message);
      this.step(device, { type: "trained", round: 1 });
      await runtime.submit({ type: "ready", device: device.name, round: 1 });
    }
    expect(runtime.state.phase).toMatchObject({ name: "secure", stage: "enrolling" });
    return runtime;
  }

  hear(device: Device, message: TaskMessage): ClientMessage | undefined {
    if (message.type !== "selected") return this.step(device, { type: "message", message });
    const bodies = this.outputs.flatMap((output) => (output.type === "ledger" ? [output.body] : []));
    const tree = new LedgerTree(key);
    let tail: LedgerEntry | undefined;
    for (const body of bodies) {
      tail = appendEntry({ tail, body, time: new Date(0).toISOString(), signer: key });
      tree.append(tail);
    }
    const ledger = tree.evidence({ task: plan.task, round: message.round, remembered: 0 });
    return this.step(device, { type: "message", message: { ...message, ledger } });
  }

  step(device: Device, event: Parameters<typeof stepParticipant>[1]): ClientMessage | undefined {
    const { state, outputs } = stepParticipant(device.state, event, {
      config: {
        plan,
        planDigest: hexToBytes(config.planDigest),
        device: device.keys,
        coordinatorKey: key.publicKey,
      },
      env: {
        suite,
        random: (length) => sha256Bytes(`${device.name} ${this.#draws++}`).slice(0, length),
        ledger: [],
        ledgerHead: undefined,
      },
    });
    device.state = state;
    return outputs.flatMap((output) => (output.type === "send" ? [output.message] : []))[0];
  }

  async advertise(runtime: TaskRuntime, device: Device) {
    const message = this.hear(device, { type: "enrol", round: 1 });
    if (message?.type !== "advertise") throw new Error("a device that hears enrol advertises");
    return runtime.submit({ type: "member", device: device.name, message });
  }

  enrols(device: Device): number {
    return this.sent.filter(({ to, message }) => to === device.name && message.type === "enrol").length;
  }
}

/** No test here comes to a masked input. */
const noSpool = {
  kind: "spool",
  put: () => Promise.reject(new Error("not reached")),
  delete: async () => false,
} as unknown as ConstructorParameters<typeof RunningSum>[0]["spool"];

describe("an event that breaks the machine", () => {
  it("costs its sender a refusal, once; the round goes on from the journal", async () => {
    const world = new World();
    const runtime = await world.toEnrolling();
    const [culprit, ...others] = world.devices as [Device, ...Device[]];
    let thrown = 0;
    world.verifying = (device) => {
      if (device !== culprit.name) return;
      thrown++;
      throw new Error("a signature nobody has seen");
    };
    const before = runtime.state;
    expect(await world.advertise(runtime, culprit)).toMatchObject({ code: "internal" });
    expect(world.errors).toEqual([expect.objectContaining({ message: "a signature nobody has seen" })]);
    expect(runtime.state).not.toBe(before);
    expect(runtime.state.phase).toMatchObject({ name: "secure", stage: "enrolling", round: 1 });
    // Whoever is connected is asked again, because a message may have got lost in between.
    for (const device of others) expect(world.enrols(device)).toBe(2);
    const loads = world.loads;
    for (let i = 0; i < 5; i++)
      expect(await world.advertise(runtime, culprit)).toMatchObject({ code: "internal" });
    expect(thrown).toBe(1);
    expect(world.loads).toBe(loads);
    for (const device of others) expect(await world.advertise(runtime, device)).toBeUndefined();
    // The deadline, which the rebuilt state has set again, closes the phase without the culprit.
    await world.clock.until(
      () => world.outputs.some((o) => o.type === "phase" && o.phase === "sharing"),
      "R1",
    );
    expect(world.outputs.filter(({ type }) => type === "rejected")).toEqual([]);
    await runtime.stop();
    expect(world.clock.pendingTimers).toBe(0);
  });

  it("takes the events around it in the same batch as usual", async () => {
    const world = new World();
    const runtime = await world.toEnrolling();
    const [a, culprit, b] = world.devices as [Device, Device, Device];
    world.verifying = (device) => {
      if (device === culprit.name) throw new Error("poison");
    };
    const answers = await Promise.all([a, culprit, b].map((device) => world.advertise(runtime, device)));
    expect(answers).toEqual([undefined, expect.objectContaining({ code: "internal" }), undefined]);
    const { phase } = runtime.state;
    if (phase.name !== "secure") throw new Error(phase.name);
    expect([...phase.enrolled].sort()).toEqual([a.name, b.name].sort());
    await runtime.stop();
  });

  it("fails the round where it is the coordinator's own, and the next one starts", async () => {
    const world = new World();
    const runtime = await world.toEnrolling();
    for (const device of world.devices.slice(1)) await world.advertise(runtime, device);
    let signatures = 0;
    world.signing = () => {
      signatures++;
      throw new Error("the key is gone");
    };
    await world.clock.until(() => runtime.state.round === 2, "the next round");
    expect(signatures).toBe(1);
    expect(world.outputs).toContainEqual(
      expect.objectContaining({
        type: "round",
        record: expect.objectContaining({
          round: 1,
          status: "failed",
          reason: expect.stringMatching(/^internal/),
        }),
      }),
    );
    expect(runtime.state.phase).toMatchObject({ name: "selecting", round: 2 });
    await runtime.stop();
    expect(world.clock.pendingTimers).toBe(0);
  });
});

describe("a commit", () => {
  it("comes before every acknowledgement, message and timer of its transitions", async () => {
    const world = new World();
    const runtime = await world.toEnrolling();
    let open = (): void => undefined;
    world.gate = new Promise((resolve) => {
      open = resolve;
    });
    const before = {
      sent: world.sent.length,
      outputs: world.outputs.length,
      timers: world.clock.pendingTimers,
    };
    const answers: unknown[] = [];
    const all = Promise.all(
      world.devices.map(async (device) => answers.push(await world.advertise(runtime, device))),
    );
    await world.clock.settle();
    expect(runtime.state.phase).toMatchObject({ stage: "sharing" });
    expect(answers).toEqual([]);
    const now = { sent: world.sent.length, outputs: world.outputs.length, timers: world.clock.pendingTimers };
    expect(now).toEqual(before);
    open();
    await all;
    expect(answers).toHaveLength(6);
    expect(world.sent.slice(before.sent).map(({ message }) => message.type)).toEqual(
      world.devices.map(() => "roster"),
    );
    await runtime.stop();
  });
});

describe("a store that fails", () => {
  it("a commit: nothing is acknowledged, and the state is what is stored", async () => {
    const world = new World();
    const runtime = await world.toEnrolling();
    const [device, other] = world.devices as [Device, Device];
    world.failing.commits = 1;
    expect(await world.advertise(runtime, device)).toMatchObject({ code: "internal" });
    const { phase } = runtime.state;
    expect(phase).toMatchObject({ stage: "enrolling", enrolled: new Set() });
    expect(await world.advertise(runtime, other)).toBeUndefined();
    await runtime.stop();
  });

  it("for longer: messages are refused until the store is back, then the round goes on", async () => {
    const world = new World();
    const runtime = await world.toEnrolling();
    const [device] = world.devices as [Device];
    world.failing = { commits: 1, loads: 3 };
    expect(await world.advertise(runtime, device)).toMatchObject({ code: "internal" });
    await world.clock.settle();
    const entries = world.journal.length;
    expect(await world.advertise(runtime, device)).toMatchObject({ code: "internal" });
    expect(runtime.resume(device.name)).toBeUndefined();
    expect(world.journal.length).toBe(entries);
    await world.clock.until(() => runtime.resume(device.name) !== undefined, "service again");
    expect(await world.advertise(runtime, device)).toBeUndefined();
    await runtime.stop();
    expect(world.clock.pendingTimers).toBe(0);
  });

  it("while it stops: no timer is left behind", async () => {
    const world = new World();
    const runtime = await world.toEnrolling();
    world.failing = { commits: 1, loads: 1_000 };
    const answer = world.advertise(runtime, world.devices[0]!);
    await runtime.stop();
    expect(await answer).toMatchObject({ code: "internal" });
    runtime.disconnected(world.devices[1]!.name);
    expect(world.clock.pendingTimers).toBe(0);
    expect(await runtime.submit({ type: "cancel" })).toMatchObject({ code: "internal" });
  });
});

describe("a device that leaves", () => {
  it("leaves the round it names and no other", async () => {
    const world = new World();
    const runtime = await world.toEnrolling();
    const [device] = world.devices as [Device];
    const present = (): boolean => {
      const { phase } = runtime.state;
      return phase.name === "secure" && phase.present.has(device.name);
    };
    expect(await runtime.leave(device.name, 7)).toBeUndefined();
    expect(present()).toBe(true);
    expect(await runtime.leave(device.name, 1)).toBeUndefined();
    expect(present()).toBe(false);
    await runtime.stop();
  });
});
