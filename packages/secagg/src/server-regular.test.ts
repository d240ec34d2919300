/** The coordinator's machine in the regular graph: what it sends, what it refuses of clients, when it gives up. */
import { bytesToHex, encodeMemberSet, type ServerMessage, sharingSigningBytes } from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { Cohort, suite } from "../test/cohort.ts";
import type { ClientEvent } from "./client.ts";
import { type ServerEvent, type ServerOutput, startServer, stepServer } from "./server.ts";
import { type ServerState, serverMembers } from "./server-state.ts";

const N = 20;
const env = { suite };

class Round {
  readonly cohort = new Cohort(N, {
    graph: "regular",
    minimumCohort: 8,
    minSurvivors: 8,
    corruption: 0.05,
    dropout: 0.1,
  });
  state: ServerState;

  constructor() {
    const { cohort } = this;
    this.state = startServer({ ...cohort.binding, signRoster: (sid) => cohort.signRoster(sid) });
  }

  tell(event: ServerEvent): readonly ServerOutput[] {
    const { state, outputs } = stepServer(this.state, event, env);
    this.state = state;
    return outputs;
  }

  all(events: readonly ServerEvent[]): readonly ServerOutput[] {
    return events.flatMap((event) => this.tell(event));
  }

  device(member: number): string {
    return bytesToHex(this.cohort.devices[member]!.publicKey);
  }

  enrol(): readonly ServerOutput[] {
    for (const advertisement of this.cohort.advertisements) this.tell({ type: "advertise", advertisement });
    return this.tell({ type: "close" });
  }

  /** Messages by member. */
  sent(outputs: readonly ServerOutput[]): Map<number, ServerMessage> {
    return new Map(
      outputs.flatMap((output): [number, ServerMessage][] =>
        output.type === "send"
          ? [[this.cohort.devices.findIndex((_, i) => this.device(i) === output.to), output.message]]
          : [],
      ),
    );
  }

  /** What the clients answer. */
  answers(outputs: readonly ServerOutput[]): ServerEvent[] {
    return [...this.sent(outputs)].map(([member, message]): ServerEvent => {
      const [answer] = this.cohort.step(member, message as ClientEvent);
      const from = this.device(member);
      if (answer?.type === "mask") return { type: "masked-input", from, signature: answer.signature };
      if (answer?.type !== "send") throw new Error(JSON.stringify(answer));
      return { ...answer.message, from } as ServerEvent;
    });
  }
}

const rejection = (outputs: readonly ServerOutput[]) =>
  outputs.flatMap((output) => (output.type === "rejected" ? [output.rejection] : []))[0];

describe("what it sends", () => {
  test("a neighbourhood that every client accepts, of which all share what is as large as the cohort", () => {
    const round = new Round();
    const sent = round.sent(round.enrol());
    const messages = [...sent.values()] as Extract<ServerMessage, { type: "neighbourhood" }>[];
    expect(messages).toHaveLength(N);
    for (const [member, message] of sent)
      expect(message).toMatchObject({ ...round.cohort.neighbourhood(member), round: 3 });
    expect(new Set(messages.map(({ devices }) => devices)).size).toBe(1);
    const entries = new Set(messages.flatMap(({ neighbours }) => neighbours));
    expect(entries.size).toBe(N);
  });

  test("one U2, one U3 and one certificate for all, to the release", () => {
    const round = new Round();
    const inboxes = round.all(round.answers(round.enrol()));
    const survivors = round.all(round.answers(inboxes));
    const certificates = round.all(round.answers(survivors));
    const set = (outputs: readonly ServerOutput[], field: string) =>
      new Set([...round.sent(outputs).values()].map((message) => message[field as keyof ServerMessage]));
    expect([...set(inboxes, "sharing")]).toEqual([encodeMemberSet(round.cohort.everyone, N)]);
    expect([...set(survivors, "members")]).toEqual([encodeMemberSet(round.cohort.everyone, N)]);
    expect(new Set(round.sent(certificates).values()).size).toBe(1);
    const unmask = round.all(round.answers(certificates)).at(-1);
    expect(unmask).toMatchObject({ type: "unmask", survivors: round.cohort.everyone });
    expect(serverMembers(round.state)).toMatchObject({ quorum: 11, threshold: 2 });
  });
});

describe("hostile clients", () => {
  test("a masked input for another U2, or signed by somebody else, counts for nothing", () => {
    const round = new Round();
    const answers = round.answers(round.all(round.answers(round.enrol())));
    const [honest] = answers;
    if (honest?.type !== "masked-input") throw new Error(honest?.type);
    const member = round.cohort.devices.findIndex((_, i) => round.device(i) === honest.from);
    const { secretKey } = round.cohort.devices[member === 0 ? 1 : 0]!;
    const all = encodeMemberSet(round.cohort.everyone, N);
    for (const signature of [
      round.cohort.statement(member, round.cohort.everyone.slice(1)),
      suite.sign(sharingSigningBytes(round.cohort.sid(), all), secretKey),
    ])
      expect(rejection(round.tell({ ...honest, signature }))).toMatchObject({
        code: "signature-invalid",
        field: "masked-input.signature",
      });
    expect(round.tell(honest)).toEqual([{ type: "accepted", from: honest.from, repeated: false }]);
    expect(round.tell(honest)).toEqual([{ type: "accepted", from: honest.from, repeated: true }]);
    const other = { ...honest, signature: new Uint8Array(64) };
    expect(rejection(round.tell(other))).toMatchObject({ code: "message-unexpected" });
  });

  test("boxes for others than the neighbours", () => {
    const round = new Round();
    const [honest] = round.answers(round.enrol());
    if (honest?.type !== "shares") throw new Error(honest?.type);
    const peers = new Set(honest.peers);
    const stranger = round.cohort.everyone.find((i) => !peers.has(i) && round.device(i) !== honest.from)!;
    const wrong = { ...honest, peers: Uint32Array.of(stranger, ...honest.peers.subarray(1)) };
    expect(rejection(round.tell(wrong))).toMatchObject({ code: "share-invalid" });
  });
});

describe("when it gives up", () => {
  test("fewer signatures than the quorum, by the deadline or as soon as it cannot be had", () => {
    const late = new Round();
    const answers = late.answers(late.all(late.answers(late.all(late.answers(late.enrol())))));
    late.all(answers.slice(0, 10));
    expect(late.state.phase).toBe("consistency");
    expect(late.tell({ type: "close" })).toMatchObject([
      {
        type: "failed",
        rejection: { code: "deadline-passed", rule: expect.stringContaining("at least 11") },
      },
    ]);

    const gone = new Round();
    gone.all(gone.answers(gone.all(gone.answers(gone.enrol()))));
    for (let member = 0; member < 9; member++) gone.tell({ type: "departed", from: gone.device(member) });
    expect(gone.state.phase).toBe("consistency");
    expect(gone.tell({ type: "departed", from: gone.device(9) })).toMatchObject([
      { type: "failed", rejection: { code: "too-few-survivors" } },
    ]);
  });

  test("survivors with gaps in the ring, which every client would refuse", () => {
    const round = new Round();
    const answers = round.answers(round.all(round.answers(round.enrol())));
    const { ring, degree } = round.cohort.session();
    const cut = [...ring.slice(0, degree / 2), ...ring.slice(10, 10 + degree / 2)].map((i) =>
      round.device(i),
    );
    round.all(answers.filter((event) => "from" in event && !cut.includes(event.from)));
    expect(round.tell({ type: "close" })).toMatchObject([
      {
        type: "failed",
        rejection: { code: "too-few-survivors", field: "masking", rule: expect.stringContaining("windows") },
      },
    ]);
  });
});
