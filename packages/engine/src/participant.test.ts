import type { ClientMessage, ServerMessage } from "@kindred/protocol";
import { sealedColumns, sha256Bytes } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { Fleet } from "../test/fleet.ts";
import { StartedRounds } from "../test/started-rounds.ts";
import { testPlan } from "../test/test-task.ts";
import { startParticipant, stepParticipant } from "./participant.ts";
import type { ParticipantEvent, ParticipantOutput, ParticipantState } from "./participant-state.ts";

const modelHash = sha256Bytes("model");
const beacon = sha256Bytes("beacon");

/** One device by itself, and every output it has given. */
class Device {
  readonly fleet: Fleet;
  readonly outputs: ParticipantOutput[] = [];
  readonly started: StartedRounds;
  readonly #selections = new Map<string, ServerMessage>();
  state: ParticipantState = startParticipant();

  constructor(plan = testPlan()) {
    this.fleet = new Fleet({ plan, clients: 1 });
    this.started = new StartedRounds(plan);
  }

  step(event: ParticipantEvent): readonly ParticipantOutput[] {
    const { state, outputs } = stepParticipant(this.state, event, this.fleet.context(0));
    this.state = state;
    this.outputs.push(...outputs);
    for (const output of outputs)
      if (output.type === "remember") this.fleet.devices[0]!.ledgerHead = output.head;
    return outputs;
  }

  hear(message: ServerMessage): readonly ParticipantOutput[] {
    return this.step({ type: "message", message });
  }

  selected(round: number, planDigest = this.fleet.context(0).config.planDigest): ServerMessage {
    const known = this.#selections.get(`${round} ${planDigest}`);
    if (known !== undefined) return known;
    const remembered = this.fleet.devices[0]!.ledgerHead?.size ?? 0;
    const selection = { type: "selected", round, planDigest, modelHash, beacon, trainForMs: 1_000 } as const;
    const message = this.started.start(selection, { remembered });
    this.#selections.set(`${round} ${planDigest}`, message);
    return message;
  }

  spend(round: number): void {
    const { task } = this.fleet.plan;
    this.fleet.devices[0]!.ledger.push({
      task,
      planDigest: this.fleet.digest,
      round,
      time: 0,
      epsilon: null,
      delta: 1e-6,
    });
  }

  /** Up to the point where it waits for `enrol`. */
  ready(round: number): this {
    this.hear(this.selected(round));
    this.step({ type: "trained", round });
    return this;
  }
}

const leave = (round: number, code: string) => ({ type: "send", message: { type: "leave", round, code } });
const released = (round: number): ServerMessage => ({ type: "released", round, modelHash, survivors: 6 });
const failed = (round: number): ServerMessage => ({
  type: "round-failed",
  round,
  code: "too-few-survivors",
  rule: "needs 4",
});

describe("selected", () => {
  it("trains from the model of the round, says ready, and says it again when asked again", () => {
    const device = new Device();
    const hash = Buffer.from(modelHash).toString("hex");
    expect(device.hear(device.selected(2))).toEqual([
      { type: "remember", head: expect.objectContaining({ size: 1 }) },
      { type: "train", round: 2, modelHash: hash },
    ]);
    expect(device.hear(device.selected(2))).toEqual([]);
    const ready = { type: "send", message: { type: "ready", round: 2 } };
    expect(device.step({ type: "trained", round: 2 })).toEqual([ready]);
    expect(device.hear(device.selected(2))).toEqual([ready]);
    expect(device.step({ type: "trained", round: 2 })).toEqual([]);
  });

  it("under another plan than the verified one: leaves without training", () => {
    const device = new Device();
    const outputs = device.hear(device.selected(1, sha256Bytes("another plan")));
    expect(outputs).toEqual([
      leave(1, "plan-invalid"),
      expect.objectContaining({ type: "refused", round: 1 }),
      { type: "check-in", afterMs: 0 },
    ]);
    expect(device.state).toEqual({ name: "waiting" });
  });

  it.each(["training", "ready"])("under another beacon than before, in %s: leaves", (phase) => {
    const device = new Device();
    device.hear(device.selected(1));
    if (phase === "ready") device.step({ type: "trained", round: 1 });
    const message = { ...device.selected(1), beacon: sha256Bytes("another beacon") } as ServerMessage;
    const outputs = device.hear(message);
    expect(outputs[0]).toEqual(leave(1, "message-invalid"));
    expect(outputs).toContainEqual(
      expect.objectContaining({
        type: "refused",
        rejection: expect.objectContaining({ field: "selected.beacon" }),
      }),
    );
    expect(device.state).toEqual({ name: "waiting" });
  });

  it("beyond its own ledger: leaves without training", () => {
    const device = new Device(testPlan({ participation: { maximum: 1 } }));
    device.spend(1);
    for (const round of [1, 2])
      expect(device.hear(device.selected(round))[1]).toEqual(leave(round, "participation-cap"));
    expect(device.outputs).not.toContainEqual(expect.objectContaining({ type: "train" }));
  });

  it("for a later round: the one under way is forgotten", () => {
    const device = new Device().ready(2);
    expect(device.hear(device.selected(3))).toEqual([
      { type: "forget", round: 2 },
      { type: "remember", head: expect.objectContaining({ size: 2 }) },
      expect.objectContaining({ type: "train", round: 3 }),
    ]);
    expect(device.hear(device.selected(4, sha256Bytes("another plan")))).toContainEqual({
      type: "forget",
      round: 3,
    });
  });

  it("for an earlier round is ignored: nobody moves a device backwards", () => {
    const device = new Device().ready(2);
    expect(device.hear(device.selected(1))).toEqual([]);
    expect(device.state).toMatchObject({ name: "ready", round: 2 });
  });
});

describe("the ledger that a selection comes with", () => {
  type Selected = Extract<ServerMessage, { type: "selected" }>;
  const noisy = testPlan({ privacy: { epsilon: 8 } });

  it.each<[string, string, string, (message: Selected, device: Device) => Selected]>([
    [
      "a head that somebody else signed",
      "signature-invalid",
      "signature",
      ({ ledger, ...rest }) => ({ ...rest, ledger: { ...ledger, signature: new Uint8Array(64) } }),
    ],
    [
      "a history that was cut",
      "ledger-invalid",
      "size",
      (message, { fleet }) => new StartedRounds(fleet.plan).start(message),
    ],
    [
      "a history that was forked",
      "ledger-invalid",
      "consistency",
      (message, { fleet }) => {
        const other = new StartedRounds(fleet.plan);
        for (const round of [1, 2]) other.start({ ...message, round, beacon: sha256Bytes("fork") });
        return other.start(message, { remembered: 2 });
      },
    ],
    [
      "no proof from what the device remembers",
      "ledger-invalid",
      "consistency",
      ({ ledger, ...rest }) => ({ ...rest, ledger: { ...ledger, consistency: new Uint8Array(0) } }),
    ],
    [
      "an entry that is not under the head",
      "ledger-invalid",
      "inclusion",
      ({ ledger, ...rest }) => ({
        ...rest,
        ledger: { ...ledger, started: ledger.started.replace('"round":3', '"round":4') },
      }),
    ],
    ["another beacon than the entry's", "ledger-invalid", "started", (m) => ({ ...m, beacon: modelHash })],
    ["another model than the entry's", "ledger-invalid", "started", (m) => ({ ...m, modelHash: beacon })],
    ["another round than the entry's", "ledger-invalid", "started", (m) => ({ ...m, round: 4 })],
  ])("%s: leaves, and remembers what it knew", (_, code, field, alter) => {
    const device = new Device();
    device.hear(device.selected(1));
    device.hear(device.selected(2));
    const known = device.fleet.devices[0]!.ledgerHead;
    expect(known?.size).toBe(2);
    const outputs = device.hear(alter(device.selected(3) as Selected, device));
    const left = outputs.find(({ type }) => type === "send");
    expect(left).toMatchObject({ message: { type: "leave", code } });
    expect(outputs.find(({ type }) => type === "refused")).toMatchObject({
      rejection: { code, field: `selected.ledger.${field}` },
    });
    expect(outputs.map(({ type }) => type)).not.toContain("remember");
    expect(outputs.map(({ type }) => type)).not.toContain("train");
    expect(device.fleet.devices[0]!.ledgerHead).toEqual(known);
  });

  it.each([
    [null, false],
    [8.1, false],
    [8, true],
  ])("a round that is started with ε = %s promised, of 8 allowed", (promised, trains) => {
    const device = new Device(noisy);
    const { planDigest } = device.fleet.context(0).config;
    const outputs = device.hear(
      device.started.start(
        { type: "selected", round: 1, planDigest, modelHash, beacon, trainForMs: 1 },
        { promised },
      ),
    );
    expect(outputs.map(({ type }) => type).includes("train")).toBe(trains);
  });
});

describe("training", () => {
  it("that fails: leaves, and tells the app why", () => {
    const device = new Device();
    const rejection = { code: "internal", field: "model", rule: "could not be had", fix: "later" } as const;
    device.hear(device.selected(1));
    expect(device.step({ type: "training-failed", round: 2, rejection })).toEqual([]);
    expect(device.step({ type: "trained", round: 2 })).toEqual([]);
    expect(device.step({ type: "training-failed", round: 1, rejection })).toEqual([
      leave(1, "internal"),
      { type: "forget", round: 1 },
      { type: "refused", round: 1, rejection },
      { type: "check-in", afterMs: 0 },
    ]);
    expect(device.step({ type: "training-failed", round: 1, rejection })).toEqual([]);
  });
});

describe("the coordinator's word on a round", () => {
  it.each(["training", "ready"])("come-back in %s: forgets and checks in later", (phase) => {
    const device = new Device();
    device.hear(device.selected(1));
    if (phase === "ready") device.step({ type: "trained", round: 1 });
    expect(device.hear({ type: "come-back", afterMs: 500, code: "rate-limited" })).toEqual([
      { type: "forget", round: 1 },
      { type: "check-in", afterMs: 500 },
    ]);
    expect(device.state).toEqual({ name: "waiting" });
  });

  it("come-back while waiting only says when", () => {
    expect(new Device().hear({ type: "come-back", afterMs: 9, code: "rate-limited" })).toEqual([
      { type: "check-in", afterMs: 9 },
    ]);
  });

  it("failed: forgets, tells the app, checks in; another round's failure is ignored", () => {
    const device = new Device().ready(2);
    expect(device.hear(failed(1))).toEqual([]);
    expect(device.hear(failed(2))).toEqual([
      { type: "forget", round: 2 },
      expect.objectContaining({
        type: "round-failed",
        round: 2,
        rejection: expect.objectContaining({ code: "too-few-survivors", rule: "needs 4" }),
      }),
      { type: "check-in", afterMs: 0 },
    ]);
    expect(device.hear(failed(2))).toEqual([]);
  });

  it("released: names the model; only its own round is over with it", () => {
    const device = new Device().ready(2);
    expect(device.hear(released(1))).toEqual([expect.objectContaining({ type: "released", round: 1 })]);
    expect(device.state).toMatchObject({ name: "ready" });
    expect(device.hear(released(2)).map(({ type }) => type)).toEqual(["forget", "released", "check-in"]);
    expect(device.state).toEqual({ name: "waiting" });
  });

  it("task finished: forgets, and stays finished", () => {
    const device = new Device().ready(2);
    const outputs = device.hear({ type: "task-finished", modelHash });
    expect(outputs.map(({ type }) => type)).toEqual(["forget", "finished"]);
    expect(device.state).toEqual({ name: "finished" });
  });

  it("what belongs to no round, or to none it is in, changes nothing", () => {
    const device = new Device().ready(2);
    const before = device.state;
    const strays: ServerMessage[] = [
      { type: "ok" },
      { type: "challenge", nonce: new Uint8Array(32) },
      { type: "welcome", task: "test", planDigest: modelHash, modelHash },
      { type: "rejection", code: "internal", field: "x", rule: "y", fix: "z" },
      { type: "enrol", round: 3 },
      { type: "roster", round: 2, entries: [], signature: new Uint8Array(64) },
      { type: "inbox", round: 2, sharing: Uint8Array.of(1), ...sealedColumns([]) },
      { type: "survivors", round: 2, members: Uint8Array.of(1), statements: [] },
      { type: "unmask", round: 2, signers: Uint8Array.of(1), signatures: new Uint8Array(64) },
    ];
    for (const message of strays) expect(device.hear(message)).toEqual([]);
    expect(device.step({ type: "masked", round: 2, vector: new Uint8Array(1) })).toEqual([]);
    expect(device.state).toBe(before);
  });

  it("an enrolment nobody trained for is ignored", () => {
    const device = new Device();
    expect(device.hear({ type: "enrol", round: 1 })).toEqual([]);
    device.hear(device.selected(1));
    expect(device.hear({ type: "enrol", round: 1 })).toEqual([]);
  });
});

describe("withdrawal", () => {
  it("while waiting says nothing to anybody", () => {
    const device = new Device();
    expect(device.step({ type: "withdraw" })).toEqual([]);
    device.hear({ type: "task-finished", modelHash });
    expect(device.step({ type: "withdraw" })).toEqual([]);
  });

  it("in a round: leaves and forgets", () => {
    const device = new Device().ready(1);
    expect(device.step({ type: "withdraw" })).toEqual([
      leave(1, "consent-missing"),
      { type: "forget", round: 1 },
    ]);
  });
});

/**
 * Plays a round of real parties until client 0 is about to hear `type`, and hands that message over. Whatever the
 * test does with client 0 then, the others go on without it.
 */
function atMessage<T extends ServerMessage["type"]>(
  type: T,
  act: (fleet: Fleet, message: Extract<ServerMessage, { type: T }>) => void,
): Fleet {
  let acted = false;
  const fleet: Fleet = new Fleet({
    plan: testPlan({ rounds: 1 }),
    clients: 6,
    deliver: (client, message) => {
      if (client !== 0 || message.type !== type) return true;
      acted = true;
      act(fleet, message as Extract<ServerMessage, { type: T }>);
      return false;
    },
  });
  fleet.run();
  expect(acted).toBe(true);
  return fleet;
}

/** Steps client 0 without carrying anything out. */
function step(fleet: Fleet, event: ParticipantEvent): readonly ParticipantOutput[] {
  const device = fleet.devices[0]!;
  const { state, outputs } = stepParticipant(device.state, event, fleet.context(0));
  device.state = state;
  return outputs;
}
const sent = (outputs: readonly ParticipantOutput[]): ClientMessage[] =>
  outputs.flatMap((output) => (output.type === "send" ? [output.message] : []));

describe("in the cryptographic phases", () => {
  it.each(["enrol", "roster", "survivors", "unmask"] as const)(
    "answers %s again with the same bytes, and never twice with others",
    (type) => {
      atMessage(type, (fleet, message) => {
        const first = sent(step(fleet, { type: "message", message }));
        expect(first).toHaveLength(1);
        expect(sent(step(fleet, { type: "message", message }))).toEqual(first);
        expect(sent(step(fleet, { type: "message", message: structuredClone(message) }))).toEqual(first);
      });
    },
  );

  it("a second, different message of a phase it answered ends the round for it", () => {
    atMessage("unmask", (fleet, message) => {
      expect(sent(step(fleet, { type: "message", message }))[0]!.type).toBe("reveal");
      const other = { ...message, signatures: message.signatures.slice(64) };
      const outputs = step(fleet, { type: "message", message: other });
      expect(sent(outputs)).toEqual([{ type: "leave", round: 1, code: "message-unexpected" }]);
      expect(outputs).toContainEqual({ type: "forget", round: 1 });
      expect(step(fleet, { type: "message", message })).toEqual([]);
    });
  });

  it("another set of survivors after it signed one: no share is revealed", () => {
    atMessage("survivors", (fleet, message) => {
      step(fleet, { type: "message", message });
      const other = { ...message, members: Uint8Array.of(message.members[0]! & 0b11111) };
      expect(sent(step(fleet, { type: "message", message: other }))).toEqual([
        { type: "leave", round: 1, code: "message-unexpected" },
      ]);
    });
  });

  it("repeats nothing while it masks, signs nothing before its own input, and sends that once", () => {
    atMessage("inbox", (fleet, message) => {
      const outputs = step(fleet, { type: "message", message });
      expect(outputs.map(({ type }) => type)).toEqual(["mask"]);
      expect(step(fleet, { type: "message", message })).toEqual([]);
      expect(step(fleet, { type: "masked", round: 2, vector: new Uint8Array(3) })).toEqual([]);
      const vector = new Uint8Array(3);
      const input = { type: "masked-input", round: 1, vector, signature: expect.any(Uint8Array) };
      expect(sent(step(fleet, { type: "masked", round: 1, vector }))).toEqual([input]);
      expect(step(fleet, { type: "masked", round: 1, vector: new Uint8Array(9) })).toEqual([]);
      expect(sent(step(fleet, { type: "message", message }))).toEqual([input]);
    });
    atMessage("inbox", (fleet, message) => {
      step(fleet, { type: "message", message });
      const early: ServerMessage = {
        type: "survivors",
        round: 1,
        members: Uint8Array.of(0b111111),
        statements: [],
      };
      expect(sent(step(fleet, { type: "message", message: early }))).toEqual([
        { type: "leave", round: 1, code: "message-unexpected" },
      ]);
      expect(step(fleet, { type: "masked", round: 1, vector: new Uint8Array(3) })).toEqual([]);
    });
  });

  it("asks its ledger once more before it masks, and wipes the masks if that says no", () => {
    atMessage("inbox", (fleet, message) => {
      const { task } = fleet.plan;
      const spent = { task, planDigest: fleet.digest, round: 1, time: 0, epsilon: null, delta: 1e-6 };
      fleet.devices[0]!.ledger.push(spent);
      const outputs = step(fleet, { type: "message", message });
      expect(outputs.map(({ type }) => type)).toEqual(["send", "forget", "refused", "check-in"]);
      expect(sent(outputs)).toEqual([{ type: "leave", round: 1, code: "participation-cap" }]);
    });
  });

  it.each([
    ["withdraws", { type: "withdraw" }],
    [
      "is told to come back",
      { type: "message", message: { type: "come-back", afterMs: 1, code: "rate-limited" } },
    ],
    ["hears that the round failed", { type: "message", message: failed(1) }],
    ["hears of the release", { type: "message", message: released(1) }],
    ["hears that the task is over", { type: "message", message: { type: "task-finished", modelHash } }],
  ] as [string, ParticipantEvent][])("wipes the round's secrets when it %s", (_, event) => {
    atMessage("survivors", (fleet) => {
      const { state } = fleet.devices[0]!;
      if (state.name !== "secure" || state.client.phase !== "masking") throw new Error("not masking");
      const { held, identity } = state.client;
      expect(step(fleet, event)).toContainEqual({ type: "forget", round: 1 });
      const secrets = [
        identity,
        ...[...held.values()].flatMap(({ maskKey, selfMask }) => [maskKey, selfMask]),
      ];
      for (const secret of secrets) expect(() => secret.expose()).toThrow("wiped");
    });
  });

  it("a second selection for the same round does not start it anew", () => {
    atMessage("roster", (fleet) => {
      const { planDigest } = fleet.context(0).config;
      const { state } = fleet.devices[0]!;
      if (state.name !== "secure") throw new Error(state.name);
      const again = new StartedRounds(fleet.plan).start({
        type: "selected",
        round: 1,
        planDigest,
        modelHash,
        beacon: state.beacon,
        trainForMs: 1,
      });
      expect(step(fleet, { type: "message", message: again })).toEqual([]);
      expect(fleet.devices[0]!.state.name).toBe("secure");
      const outputs = step(fleet, { type: "message", message: { ...again, beacon } });
      expect(sent(outputs)).toEqual([{ type: "leave", round: 1, code: "message-invalid" }]);
      expect(outputs).toContainEqual({ type: "forget", round: 1 });
    });
  });

  it("a roster that is not signed by the coordinator for this plan and model: leaves before dealing shares", () => {
    const fleet = atMessage("roster", (own, message) => {
      const outputs = step(own, {
        type: "message",
        message: { ...message, signature: new Uint8Array(64) },
      });
      expect(sent(outputs)).toEqual([{ type: "leave", round: 1, code: "signature-invalid" }]);
      expect(outputs).toContainEqual(expect.objectContaining({ type: "refused", round: 1 }));
    });
    expect(fleet.records()[0]).toMatchObject({ status: "published", survivors: 5 });
  });
});
