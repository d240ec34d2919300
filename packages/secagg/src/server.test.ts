import {
  advertisementSigningBytes,
  bytesToHex,
  concatBytes,
  type ErrorCode,
  hexToBytes,
  revealedColumns,
  revealedShares,
  rosterSigningBytes,
  sealedColumns,
  sealedShares,
  sha256Bytes,
} from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { binding, Cohort, suite } from "../test/cohort.ts";
import primitives from "../test/vectors/primitives.json" with { type: "json" };
import type { ClientEvent } from "./client.ts";
import { type ServerEvent, type ServerOutput, startServer, stepServer } from "./server.ts";
import { type ServerPhase, type ServerState, serverMembers } from "./server-state.ts";
import type { RoundBinding } from "./session.ts";

const env = { suite };

/** The coordinator's machine against a cohort of honest client machines; the test decides what is delivered. */
class Round {
  readonly cohort: Cohort;
  readonly log: { before: ServerState; event: ServerEvent; outputs: readonly ServerOutput[] }[] = [];
  state: ServerState;

  constructor(n: number, changes: Partial<RoundBinding> = {}) {
    this.cohort = new Cohort(n, changes);
    const { secretKey } = this.cohort.coordinator;
    const signRoster = (sid: Uint8Array) => suite.sign(rosterSigningBytes(sid), secretKey);
    this.state = startServer({ ...this.cohort.binding, signRoster });
  }

  tell(event: ServerEvent): readonly ServerOutput[] {
    const before = this.state;
    const { state, outputs } = stepServer(before, event, env);
    this.state = state;
    this.log.push({ before, event, outputs });
    return outputs;
  }

  device(member: number): string {
    return bytesToHex(this.cohort.devices[member]!.publicKey);
  }

  /** Everybody advertises, and enrolling closes. */
  enrol(): readonly ServerOutput[] {
    for (const advertisement of this.cohort.advertisements) this.tell({ type: "advertise", advertisement });
    return this.tell({ type: "close" });
  }

  /** What the clients answer to the messages among `outputs`, by member. */
  answers(outputs: readonly ServerOutput[]): ServerEvent[] {
    return outputs.flatMap((output): ServerEvent[] => {
      if (output.type !== "send") return [];
      const member = this.cohort.devices.findIndex(({ publicKey }) => bytesToHex(publicKey) === output.to);
      const [answer] = this.cohort.step(member, output.message as ClientEvent);
      const from = output.to;
      if (answer?.type === "mask")
        return [{ type: "masked-input", from, signature: answer.signature, digest: sha256Bytes(from) }];
      if (answer?.type !== "send") throw new Error(JSON.stringify(answer));
      const { message } = answer;
      if (message.type === "consistency")
        return [{ type: "consistency", from, signature: message.signature }];
      if (message.type === "shares" || message.type === "reveal") return [{ ...message, from }];
      throw new Error(message.type);
    });
  }

  /** All events are told; returns what the last one brought. */
  all(events: readonly ServerEvent[]): readonly ServerOutput[] {
    return events.map((event) => this.tell(event)).at(-1) ?? [];
  }

  /** Plays honestly up to a phase; returns the answers that its members are about to give. */
  upTo(phase: Exclude<ServerPhase, "enrolling">): ServerEvent[] {
    let answers = this.answers(this.enrol());
    while (this.state.phase !== phase) answers = this.answers(this.all(answers));
    return answers;
  }

  failure(): ErrorCode | undefined {
    return this.state.phase === "failed" ? this.state.rejection.code : undefined;
  }
}

const phases = ["sharing", "masking", "consistency", "unmasking"] as const;
const rejection = (code: ErrorCode) => [{ type: "rejected", rejection: { code } }];
const accepted = (repeated: boolean) => [{ type: "accepted", repeated }];
const kinds = (outputs: readonly ServerOutput[]) => [...new Set(outputs.map(({ type }) => type))];

describe("the honest course", () => {
  test("phases follow one another as soon as everybody has answered", () => {
    const round = new Round(5);
    const answers = round.upTo("unmasking");
    const members = serverMembers(round.state)!;
    expect(members).toMatchObject({ sharing: [0, 1, 2, 3, 4], survivors: [0, 1, 2, 3, 4], threshold: 4 });
    expect(members.sid).toEqual(round.cohort.sid());
    expect(members.waitingFor).toEqual(members.devices);
    expect([...members.indexOf]).toEqual(members.devices.map((device, index) => [device, index]));
    const outputs = round.all(answers);
    expect(kinds(outputs)).toEqual(["accepted", "unmask"]);
    expect(outputs[1]).toMatchObject({
      survivors: [0, 1, 2, 3, 4],
      job: { bits: 16, length: 4 },
    });
    expect(serverMembers(round.state)).toMatchObject({ survivors: [0, 1, 2, 3, 4], waitingFor: [] });
    const begun = round.log
      .flatMap(({ outputs }) => outputs)
      .flatMap((o) => (o.type === "phase" ? [o.phase] : []));
    expect(begun).toEqual([...phases]);
  });

  test("a step leaves the state it was given as it was: replaying every event from it gives the same outputs", () => {
    const round = new Round(5);
    round.all(round.upTo("unmasking"));
    for (const { before, event, outputs } of round.log)
      expect(stepServer(before, event, env).outputs).toEqual(outputs);
  });
});

describe("enrolling (R0)", () => {
  test("the same advertisement again is accepted without effect, another one is not", () => {
    const round = new Round(5);
    const [advertisement] = round.cohort.advertisements;
    expect(round.tell({ type: "advertise", advertisement: advertisement! })).toMatchObject(accepted(false));
    const state = round.state;
    expect(round.tell({ type: "advertise", advertisement: advertisement! })).toMatchObject(accepted(true));
    expect(round.state).toEqual(state);
    const other = { ...advertisement!, nonce: new Uint8Array(16) };
    expect(round.tell({ type: "advertise", advertisement: other })).toMatchObject(
      rejection("message-unexpected"),
    );
    round.enrol();
    expect(round.tell({ type: "advertise", advertisement: advertisement! })).toMatchObject(accepted(true));
    expect(round.tell({ type: "advertise", advertisement: other })).toMatchObject(
      rejection("message-unexpected"),
    );
  });

  test("a signature that is not the device's, a key on offer, a point of low order", () => {
    const round = new Round(5);
    const [first, second] = round.cohort.advertisements;
    const { secretKey } = round.cohort.devices[1]!;
    const signed = (changes: object, key = secretKey) =>
      round.cohort.readvertise(1, changes, (unsigned) =>
        suite.sign(advertisementSigningBytes(unsigned, binding), key),
      );
    round.tell({ type: "advertise", advertisement: first! });
    const bad = [
      ["signature-invalid", { ...second!, signature: first!.signature }],
      ["signature-invalid", signed({}, round.cohort.devices[2]!.secretKey)],
      ["roster-invalid", signed({ sPublic: first!.cPublic })],
      ["roster-invalid", signed({ sPublic: second!.cPublic })],
      ["roster-invalid", signed({ cPublic: hexToBytes(primitives.lowOrder[3]!) })],
      ["roster-invalid", signed({ sPublic: hexToBytes(primitives.lowOrder[0]!) })],
    ] as const;
    for (const [code, advertisement] of bad)
      expect(round.tell({ type: "advertise", advertisement })).toMatchObject(rejection(code));
    expect(round.tell({ type: "advertise", advertisement: second! })).toMatchObject(accepted(false));
  });

  test("too few: the round fails; the failed machine answers with rejections only", () => {
    const round = new Round(5);
    for (const advertisement of round.cohort.advertisements.slice(0, 2))
      round.tell({ type: "advertise", advertisement });
    expect(kinds(round.tell({ type: "close" }))).toEqual(["failed"]);
    expect(round.failure()).toBe("cohort-too-small");
    expect(serverMembers(round.state)).toBeUndefined();
    const advertisement = round.cohort.advertisements[0]!;
    expect(round.tell({ type: "advertise", advertisement })).toMatchObject(rejection("message-unexpected"));
    expect(round.tell({ type: "close" })).toEqual([]);
    expect(round.tell({ type: "departed", from: round.device(0) })).toEqual([]);
  });

  test("more than the maximum: the first to come are in, the rest is told", () => {
    const round = new Round(6, { maximumCohort: 4, dropout: 0 });
    const order = [5, 2, 0, 4, 1, 3];
    for (const member of order)
      round.tell({ type: "advertise", advertisement: round.cohort.advertisements[member]! });
    const outputs = round.tell({ type: "close" });
    const turnedAway = outputs.flatMap((output) => (output.type === "rejected" ? [output.from] : []));
    expect(turnedAway).toEqual([1, 3].map((member) => round.device(member)));
    expect(serverMembers(round.state)!.devices).toEqual([0, 2, 4, 5].map((member) => round.device(member)));
  });

  test("who departs before the close is not in the roster, and its keys are free again", () => {
    const round = new Round(5);
    for (const advertisement of round.cohort.advertisements) round.tell({ type: "advertise", advertisement });
    round.tell({ type: "departed", from: round.device(0) });
    const again = { type: "advertise", advertisement: round.cohort.advertisements[0]! } as const;
    expect(round.tell(again)).toMatchObject(accepted(false));
    round.tell({ type: "departed", from: round.device(0) });
    round.tell({ type: "departed", from: "nobody" });
    round.tell({ type: "close" });
    expect(serverMembers(round.state)?.devices).toEqual([1, 2, 3, 4].map((member) => round.device(member)));
  });
});

describe.each(phases)("%s", (phase) => {
  test("an answer is accepted once, its repetition without effect, another one not at all", () => {
    const round = new Round(5);
    const answers = round.upTo(phase);
    const [first] = answers;
    expect(round.tell(first!)).toMatchObject(accepted(false));
    const state = round.state;
    expect(round.tell(first!)).toMatchObject(accepted(true));
    expect(round.state).toBe(state);
    expect(round.tell(altered(first!))).toMatchObject(rejection("message-unexpected"));
    expect(round.state).toBe(state);
    // After the phase too: the acknowledgement of the last answer may be lost.
    round.all(answers.slice(1));
    if (phase !== "unmasking") {
      expect(round.state.phase).not.toBe(phase);
      expect(round.tell(first!)).toMatchObject(accepted(true));
      expect(round.tell(altered(first!))).toMatchObject(rejection("message-unexpected"));
    }
  });

  test("a message of a later phase, or from no member, is rejected", () => {
    const round = new Round(5);
    const [first] = round.upTo(phase);
    const early = { type: "reveal", from: round.device(1), ...revealedColumns([]) } as const;
    if (phase !== "unmasking") expect(round.tell(early)).toMatchObject(rejection("message-unexpected"));
    expect(round.tell({ ...first!, from: "00" } as ServerEvent)).toMatchObject(rejection("dropped-out"));
    const last = { type: "close", phase: "enrolling" } as const;
    expect(round.tell(last)).toEqual([]);
    expect(round.state.phase).toBe(phase);
  });

  test("one silent member: the phase ends by its deadline, one that departs by itself", () => {
    for (const event of ["close", "departed"] as const) {
      const round = new Round(5);
      const answers = round.upTo(phase);
      round.all(answers.slice(1));
      expect(round.state.phase).toBe(phase);
      const from = round.device(0);
      const outputs = round.tell(event === "close" ? { type: "close", phase } : { type: "departed", from });
      expect(kinds(outputs)).toEqual(phase === "unmasking" ? ["unmask"] : ["phase", "send"]);
      if (phase !== "unmasking") {
        expect(serverMembers(round.state)!.waitingFor).toHaveLength(4);
        // The late answer: its sender counts as dropped.
        expect(round.tell(answers[0]!)).toMatchObject(rejection("dropped-out"));
      }
    }
  });

  test("too few answers: the round fails, by the deadline or as soon as it cannot succeed", () => {
    const late = new Round(5);
    late.all(late.upTo(phase).slice(0, 3));
    late.tell({ type: "close" });
    const closing = phase === "sharing" || phase === "masking" ? "too-few-survivors" : "deadline-passed";
    expect(late.failure()).toBe(closing);
    expect(serverMembers(late.state)?.devices).toHaveLength(5);

    const gone = new Round(5);
    gone.upTo(phase);
    gone.tell({ type: "departed", from: gone.device(0) });
    gone.tell({ type: "departed", from: gone.device(0) });
    expect(gone.state.phase).toBe(phase);
    expect(kinds(gone.tell({ type: "departed", from: gone.device(1) }))).toEqual(["failed"]);
    expect(gone.failure()).toBe("too-few-survivors");
  });
});

/** The same kind of answer with other content. */
function altered(event: ServerEvent): ServerEvent {
  switch (event.type) {
    case "shares":
      return { ...event, ...sealedColumns(sealedShares(event).slice(1)) };
    case "masked-input":
      return { ...event, digest: sha256Bytes("another vector") };
    case "consistency":
      return { ...event, signature: new Uint8Array(64) };
    case "reveal":
      return { ...event, ...revealedColumns(revealedShares(event).reverse()) };
    default:
      throw new Error(event.type);
  }
}

describe("what members hold against", () => {
  test("shares: one box too few, one twice, one for a stranger, one too long", () => {
    const round = new Round(5);
    const [first] = round.upTo("sharing");
    if (first?.type !== "shares") throw new Error(first?.type);
    const boxes = sealedShares(first);
    const [box, ...rest] = boxes;
    const bad = [
      rest,
      [box!, box!, ...rest.slice(1)],
      [{ ...box!, peer: 0 }, ...rest],
      boxes.map(({ peer }) => ({ peer, box: new Uint8Array(89) })),
    ].map(sealedColumns);
    const longer = { ...first, boxes: concatBytes(first.boxes, new Uint8Array(1)) };
    for (const columns of [...bad, longer])
      expect(round.tell({ ...first, ...columns })).toMatchObject(rejection("share-invalid"));
    expect(round.tell(first)).toMatchObject(accepted(false));
  });

  test("shares of a member that departed before the others answered do not count", () => {
    const round = new Round(5);
    const answers = round.upTo("sharing");
    round.all(answers.slice(0, 2));
    expect(round.tell({ type: "departed", from: round.device(0) })).toEqual([]);
    expect(kinds(round.tell({ type: "departed", from: round.device(1) }))).toEqual(["failed"]);
    expect(round.failure()).toBe("too-few-survivors");
  });

  test("a masked input that comes after its sender was declared dropped never counts", () => {
    const round = new Round(5);
    const answers = round.upTo("masking");
    round.all(answers.slice(1));
    round.tell({ type: "close" });
    expect(round.tell(answers[0]!)).toMatchObject(rejection("dropped-out"));
    expect(serverMembers(round.state)!.survivors).toEqual([1, 2, 3, 4]);
  });

  test("a masked input of a member that departs afterwards stays in the sum", () => {
    const round = new Round(5);
    const answers = round.upTo("masking");
    round.tell(answers[0]!);
    round.tell({ type: "departed", from: round.device(0) });
    const outputs = round.all(answers.slice(1));
    expect(serverMembers(round.state)!.survivors).toEqual([0, 1, 2, 3, 4]);
    expect(outputs.filter(({ type }) => type === "send")).toHaveLength(4);
    const unmask = round.all(round.answers(round.all(round.answers(outputs)))).at(-1);
    expect(unmask).toMatchObject({
      type: "unmask",
      survivors: [0, 1, 2, 3, 4],
      job: { survivors: { length: 5 }, dropped: [] },
    });
  });

  test("departures between the phases: a phase that too few can answer does not begin", () => {
    const round = new Round(5);
    const answers = round.upTo("masking");
    round.all(answers.slice(0, 2));
    round.tell({ type: "departed", from: round.device(0) });
    round.tell({ type: "departed", from: round.device(1) });
    expect(kinds(round.all(answers.slice(2)))).toEqual(["accepted", "failed"]);
    expect(round.failure()).toBe("too-few-survivors");
  });

  test("consistency: a signature over other survivors", () => {
    const round = new Round(5);
    const [first] = round.upTo("consistency");
    const { signature } = round.cohort.consistency(0, [0, 1, 2, 3]);
    expect(round.tell({ type: "consistency", from: round.device(0), signature })).toMatchObject(
      rejection("signature-invalid"),
    );
    expect(round.tell(first!)).toMatchObject(accepted(false));
  });

  test("reveal: both kinds for one member, the wrong kind, one missing, one malformed", () => {
    const round = new Round(5);
    const [first] = round.upTo("unmasking");
    if (first?.type !== "reveal") throw new Error(first?.type);
    const [share, ...rest] = revealedShares(first);
    const other = { ...share!, kind: "mask-key" } as const;
    const malformed = { ...share!, share: new Uint8Array(36).fill(0xff) };
    const bad = [
      [share!, other, ...rest],
      [other, ...rest],
      rest,
      [malformed, ...rest],
      [rest[0]!, ...rest],
    ].map(revealedColumns);
    const uneven = [
      { kinds: first.kinds.subarray(1) },
      { kinds: first.kinds.map(() => 2) },
      { shares: first.shares.subarray(1) },
    ];
    for (const columns of [...bad, ...uneven])
      expect(round.tell({ ...first, ...columns })).toMatchObject(rejection("share-invalid"));
    expect(round.tell(first)).toMatchObject(accepted(false));
  });
});
