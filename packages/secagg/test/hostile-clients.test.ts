/**
 * The real coordinator machine against members that cheat, in both graphs, through whole rounds: it never throws, says
 * which rule was broken, and goes on to the exact sum. Every title names an attack.
 */
import {
  advertisementSigningBytes,
  bytesToHex,
  type ClientMessage,
  type ErrorCode,
  hexToBytes,
  packBits,
  type RevealedShare,
  revealedColumns,
  revealedShares,
  type SealedShare,
  sealedColumns,
  sealedShares,
  sha256Bytes,
} from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { type Delivery, type Dropout, type RunOptions, run } from "../src/run.ts";
import { startServer, stepServer } from "../src/server.ts";
import { Cohort, randomFrom, suite } from "./cohort.ts";
import primitives from "./vectors/primitives.json" with { type: "json" };

// 3 · 13 bits leave one bit of the last byte unused.
const bits = 13;
const GRAPHS = [
  { graph: "complete", n: 6, rates: { corruption: 0, dropout: 0.2 } },
  { graph: "regular", n: 20, rates: { corruption: 0.05, dropout: 0.1 } },
] as const;
/** The member that cheats, as a position in `vectors`. */
const villain = 3;

type MessageOf<T extends ClientMessage["type"]> = Extract<ClientMessage, { type: T }>;

describe.each(GRAPHS)("hostile clients, $graph graph", ({ graph, n, rates }) => {
  const vectors = Array.from({ length: n }, (_, i) => Uint32Array.from([i, 7 * i, 8191]));
  const round: RunOptions = { vectors, bits, seed: randomFrom("hostile")(32), suite, graph, ...rates };
  const sumOf = (members: readonly number[]) =>
    [0, 1, 2].map((entry) => members.reduce((sum, i) => sum + vectors[i]![entry]!, 0) % 2 ** bits);
  const everyone = vectors.map((_, i) => i);
  const others = everyone.filter((i) => i !== villain);

  /** What an honest round sends, by client. */
  const honest = new Map<string, ClientMessage>();
  run({
    ...round,
    intercept(delivery) {
      if (delivery.to === "coordinator")
        honest.set(`${delivery.from} ${delivery.message.type}`, delivery.message);
      return [delivery];
    },
  });
  const honestMessage = <T extends ClientMessage["type"]>(type: T, from = villain) =>
    honest.get(`${from} ${type}`) as MessageOf<T>;

  const say = (message: ClientMessage, from = villain): Delivery => ({ from, to: "coordinator", message });

  /** Plays a round in which `before` is said ahead of the villain's honest message of a type, `after` behind it. */
  function play<T extends ClientMessage["type"]>(
    type: T,
    {
      before = [],
      after = [],
      dropouts = [],
    }: {
      before?: readonly ClientMessage[];
      after?: readonly ClientMessage[];
      dropouts?: readonly Dropout[];
    },
  ) {
    return run({
      ...round,
      dropouts,
      intercept: (delivery) =>
        delivery.from === villain && delivery.message.type === type
          ? [...before.map((message) => say(message)), delivery, ...after.map((message) => say(message))]
          : [delivery],
    });
  }

  /** Every one of these messages is turned away with this rejection, and the round ends as if they had not been. */
  function turnsAway<T extends ClientMessage["type"]>(
    type: T,
    {
      bad,
      code,
      field,
      when = "before",
    }: { bad: readonly ClientMessage[]; code: ErrorCode; field: string; when?: "before" | "after" },
  ) {
    const result = play(type, { [when]: bad });
    expect(
      result.rejections.map(({ client, rejection }) => [client, rejection.code, rejection.field]),
    ).toEqual(bad.map(() => [villain, code, field]));
    for (const { rejection } of result.rejections)
      for (const text of [rejection.rule, rejection.fix]) expect(text).toMatch(/\w/);
    expect(result).toMatchObject({ outcome: "released", survivors: everyone, corrupt: [], refusals: [] });
    expect([...result.sum!]).toEqual(sumOf(everyone));
  }

  test("a key on offer, a low-order point, a forged signature (R0)", () => {
    const { advertisement } = honestMessage("advertise");
    const intruder = suite.signingKeyPair(sha256Bytes("intruder"));
    const offer = (changes: object, key = intruder.secretKey): MessageOf<"advertise"> => {
      const unsigned = { ...advertisement, device: intruder.publicKey, ...changes };
      const signature = suite.sign(advertisementSigningBytes(unsigned, { task: "in-memory", round: 1 }), key);
      return { type: "advertise", round: 1, advertisement: { ...unsigned, signature } };
    };
    const own = suite.agreementKeyPair(sha256Bytes("own"));
    const cohort = new Cohort(3);
    const signRoster = (sid: Uint8Array) => cohort.signRoster(sid);
    const { state } = stepServer(
      startServer({ ...cohort.binding, task: "in-memory", round: 1, signRoster }),
      { type: "advertise", advertisement },
      { suite },
    );
    const verdict = (message: MessageOf<"advertise">) =>
      stepServer(state, { type: "advertise", advertisement: message.advertisement }, { suite }).outputs[0];
    const from = bytesToHex(intruder.publicKey);
    const fresh = { cPublic: own.publicKey, sPublic: suite.agreementKeyPair(sha256Bytes("other")).publicKey };
    expect(verdict(offer(fresh))).toEqual({ type: "accepted", from, repeated: false });
    for (const [changes, code] of [
      [{}, "roster-invalid"],
      [{ ...fresh, sPublic: advertisement.cPublic }, "roster-invalid"],
      ...primitives.lowOrder.map((point) => [{ ...fresh, cPublic: hexToBytes(point) }, "roster-invalid"]),
      ...primitives.lowOrder.map((point) => [{ ...fresh, sPublic: hexToBytes(point) }, "roster-invalid"]),
    ] as const)
      expect(verdict(offer(changes as object))).toMatchObject({
        type: "rejected",
        from,
        rejection: { code },
      });
    for (const forged of [
      offer(fresh, suite.signingKeyPair(sha256Bytes("somebody")).secretKey),
      { ...offer(fresh), advertisement: { ...offer(fresh).advertisement, signature: new Uint8Array(0) } },
    ])
      expect(verdict(forged)).toMatchObject({ type: "rejected", rejection: { code: "signature-invalid" } });
  });

  test("a generator that repeats itself: one key for both purposes (R0)", () => {
    const { advertisement } = honestMessage("advertise");
    const device = suite.signingKeyPair(sha256Bytes("weak"));
    const { publicKey } = suite.agreementKeyPair(new Uint8Array(32).fill(9));
    const unsigned = { ...advertisement, device: device.publicKey, cPublic: publicKey, sPublic: publicKey };
    const signature = suite.sign(
      advertisementSigningBytes(unsigned, { task: "in-memory", round: 1 }),
      device.secretKey,
    );
    const result = play("advertise", {
      before: [{ type: "advertise", round: 1, advertisement: { ...unsigned, signature } }],
    });
    expect(result.rejections.map(({ rejection }) => [rejection.code, rejection.field])).toEqual([
      ["roster-invalid", "advertisement.sPublic"],
    ]);
    expect(result).toMatchObject({ outcome: "released", survivors: everyone });
  });

  test("boxes missing, twice, for strangers, for index −1, for myself, cut, too long (R1)", () => {
    const shares = sealedShares(honestMessage("shares"));
    const [box, ...rest] = shares;
    const peers = new Set(shares.map(({ peer }) => peer));
    const outside = [...Array(n + 1).keys()].filter((peer) => !peers.has(peer));
    const wrong: (readonly SealedShare[])[] = [
      [],
      rest,
      [box!, ...shares],
      [box!, box!, ...rest.slice(1)],
      // The member itself, nobody, and in the regular graph members that are no neighbours.
      ...[...outside, -1].map((peer) => [{ ...box!, peer }, ...rest]),
      // Boxes of one message have one length: there is no other way to write them.
      ...[0, 87, 89, 1024].map((length) => shares.map((sent) => ({ ...sent, box: new Uint8Array(length) }))),
    ];
    const bad = wrong.map(
      (changed): ClientMessage => ({ type: "shares", round: 1, ...sealedColumns(changed) }),
    );
    turnsAway("shares", { bad, code: "share-invalid", field: "shares" });
  });

  test("a masked input whose signature is another member's, one over U3, cut, or stripped (R2)", () => {
    const message = honestMessage("masked-input");
    const wrong = [
      honestMessage("masked-input", 0).signature,
      honestMessage("consistency").signature,
      message.signature.slice(1),
      new Uint8Array(0),
      new Uint8Array(64),
    ];
    const bad = wrong.map((signature): ClientMessage => ({ ...message, signature }));
    turnsAway("masked-input", { bad, code: "signature-invalid", field: "masked-input.signature" });
  });

  test("a vector of a wrong length, or with bits beyond the modulus (R2)", () => {
    const message = honestMessage("masked-input");
    const { vector } = message;
    const beyond = vector.map((byte, i) => (i === vector.length - 1 ? byte | 0x80 : byte));
    const bad = [
      new Uint8Array(0),
      vector.slice(1),
      Uint8Array.from([...vector, 0]),
      packBits(new Uint32Array(3), 32),
      beyond,
    ].map((wrong): ClientMessage => ({ ...message, vector: wrong }));
    turnsAway("masked-input", { bad, code: "vector-invalid", field: "vector" });
  });

  test("a signature over another U3, over U2, of another, cut (R3)", () => {
    const wrong = [
      honestMessage("masked-input").signature,
      honestMessage("consistency", 0).signature,
      honestMessage("consistency").signature.slice(1),
      new Uint8Array(0),
    ];
    const bad = wrong.map((signature): ClientMessage => ({ type: "consistency", round: 1, signature }));
    turnsAway("consistency", { bad, code: "signature-invalid", field: "consistency.signature" });
  });

  test("reveals of the wrong kind, of both kinds, missing, twice, of strangers, of index −1, malformed (R4)", () => {
    const shares = revealedShares(honestMessage("reveal"));
    const [share, ...rest] = shares;
    const other: RevealedShare = { ...share!, kind: "mask-key" };
    const owners = new Set(shares.map(({ owner }) => owner));
    const outside = [...Array(n + 1).keys()].filter((owner) => !owners.has(owner));
    const wrong: (readonly RevealedShare[])[] = [
      [],
      rest,
      [other, ...rest],
      [...shares, other],
      [share!, ...shares],
      [share!, share!, ...rest.slice(1)],
      ...[...outside, -1].map((owner) => [{ ...share!, owner }, ...rest]),
      ...[0, 35, 37, 256].map((length) => shares.map((sent) => ({ ...sent, share: new Uint8Array(length) }))),
      [{ ...share!, share: new Uint8Array(36).fill(0xff) }, ...rest],
    ];
    const bad = wrong.map(
      (changed): ClientMessage => ({ type: "reveal", round: 1, ...revealedColumns(changed) }),
    );
    turnsAway("reveal", { bad, code: "share-invalid", field: "reveal.shares" });
  });

  test("a second, different answer in every phase: the first one stands", () => {
    const { advertisement } = honestMessage("advertise");
    const boxes = sealedShares(honestMessage("shares"));
    const shares = revealedShares(honestMessage("reveal"));
    const input = honestMessage("masked-input");
    const seconds: Record<
      "advertise" | "shares" | "masked-input" | "consistency" | "reveal",
      ClientMessage[]
    > = {
      advertise: [
        { type: "advertise", round: 1, advertisement: { ...advertisement, nonce: new Uint8Array(16) } },
      ],
      shares: [
        [],
        boxes.slice(1),
        [...boxes].reverse(),
        [...boxes, boxes[0]!],
        // The same boxes, addressed the other way round.
        boxes.map(({ box }, i) => ({ peer: boxes.at(-1 - i)!.peer, box })),
        boxes.map((sent, i) => (i === 0 ? { ...sent, box: new Uint8Array(sent.box.length) } : sent)),
      ].map((changed) => ({
        type: "shares",
        round: 1,
        ...sealedColumns(changed),
      })),
      "masked-input": [
        { ...input, vector: packBits(new Uint32Array(3), bits) },
        { ...input, signature: new Uint8Array(64) },
      ],
      consistency: [{ type: "consistency", round: 1, signature: new Uint8Array(64) }],
      reveal: [
        [],
        shares.slice(1),
        [...shares].reverse(),
        [...shares, shares[0]!],
        shares.map((sent, i) => ({ ...sent, owner: shares.at(-1 - i)!.owner })),
        shares.map((sent) => ({
          ...sent,
          kind: sent.kind === "self-mask" ? ("mask-key" as const) : ("self-mask" as const),
        })),
      ].map((changed) => ({
        type: "reveal",
        round: 1,
        ...revealedColumns(changed),
      })),
    };
    for (const type of ["advertise", "shares", "masked-input", "consistency", "reveal"] as const) {
      turnsAway(type, { bad: seconds[type], code: "message-unexpected", field: type, when: "after" });
    }
  });

  test("the same answer many times counts once: replays", () => {
    for (const type of ["advertise", "shares", "masked-input", "consistency", "reveal"] as const) {
      const again = honestMessage(type);
      const result = play(type, { before: [again, again], after: [again] });
      expect(result).toMatchObject({ outcome: "released", survivors: everyone, rejections: [] });
      expect([...result.sum!]).toEqual(sumOf(everyone));
    }
  });

  test("answers ahead of their phase", () => {
    const order = ["advertise", "shares", "masked-input", "consistency", "reveal"] as const;
    for (const [i, type] of order.entries())
      for (const early of order.slice(i + 1))
        turnsAway(type, { bad: [honestMessage(early)], code: "message-unexpected", field: early });
  });

  test("answers from a non-member in every phase: it never counts", () => {
    const order = ["shares", "masked-input", "consistency", "reveal"] as const;
    const heard = new Set<string>();
    const result = run({
      ...round,
      intercept(delivery) {
        const { type } = delivery.message;
        if (delivery.from === villain) return [];
        if (delivery.to !== "coordinator" || heard.has(type) || type === "advertise") return [delivery];
        heard.add(type);
        return [say(honestMessage(type as (typeof order)[number])), delivery];
      },
    });
    expect(result.rejections.map(({ client, rejection }) => [client, rejection.code])).toEqual(
      order.map(() => [villain, "dropped-out"]),
    );
    expect(result).toMatchObject({ outcome: "released", survivors: others });
    expect([...result.sum!]).toEqual(sumOf(others));
  });

  test("a masked input that arrives after its sender was declared dropped: discarded, and its keys recovered", () => {
    const kept: Delivery[] = [];
    const result = run({
      ...round,
      intercept(delivery) {
        if (delivery.from === villain && delivery.message.type === "masked-input") {
          kept.push(delivery);
          return [];
        }
        return delivery.message.type === "consistency" ? [...kept.splice(0), delivery] : [delivery];
      },
    });
    expect(result.rejections).toMatchObject([{ client: villain, rejection: { code: "dropped-out" } }]);
    expect(result).toMatchObject({ outcome: "released", survivors: others });
    expect([...result.sum!]).toEqual(sumOf(others));
  });

  test("a box that does not open: its addressee leaves, the round goes on to the others' sum", () => {
    const result = run({
      ...round,
      intercept(delivery) {
        if (delivery.from !== villain || delivery.message.type !== "shares") return [delivery];
        const boxes = delivery.message.boxes.slice().fill(0, 0, 88);
        return [say({ ...delivery.message, boxes })];
      },
    });
    expect(result.refusals).toMatchObject([{ rejection: { code: "share-invalid", field: "inbox.shares" } }]);
    const left = result.refusals[0]!.client;
    const survivors = everyone.filter((i) => i !== left);
    expect(result).toMatchObject({ outcome: "released", survivors });
    expect([...result.sum!]).toEqual(sumOf(survivors));
  });

  test("corrupt shares in R4: the offender is named, the sum is exact", () => {
    const result = run({
      ...round,
      intercept(delivery) {
        if (delivery.from !== villain || delivery.message.type !== "reveal") return [delivery];
        const shares = delivery.message.shares.map((byte, i) => (i % 36 === 7 ? byte ^ 4 : byte));
        return [say({ ...delivery.message, shares })];
      },
    });
    expect(result).toMatchObject({ outcome: "released", survivors: everyone, corrupt: [villain] });
    expect([...result.sum!]).toEqual(sumOf(everyone));
  });
});
