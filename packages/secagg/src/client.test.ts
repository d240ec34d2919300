import {
  type Advertisement,
  advertisementSigningBytes,
  hexToBytes,
  revealedShares,
  type SealedShare,
  sealedShares,
  sha256Bytes,
} from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { show } from "#platform";
import { binding, Cohort, randomFrom, suite } from "../test/cohort.ts";
import primitives from "../test/vectors/primitives.json" with { type: "json" };
import { type ClientEvent, startClient, stepClient } from "./client.ts";
import { clientSessionId } from "./client-state.ts";
import { BOX_NONCE, shareKey } from "./keys.ts";

const everyone = [0, 1, 2, 3, 4];

/** The same advertisement with other content, properly signed by its device. */
function resigned(cohort: Cohort, member: number, changes: Partial<Advertisement>): Advertisement {
  const { secretKey } = cohort.devices[member]!;
  return cohort.readvertise(member, changes, (unsigned) =>
    suite.sign(advertisementSigningBytes(unsigned, cohort.binding), secretKey),
  );
}

describe("the honest course", () => {
  test("advertise, shares, masks, consistency, reveal: one share of each member, of the kind that U3 implies", () => {
    const cohort = new Cohort(5);
    const survivors = [0, 2, 3, 4];
    const signatures = cohort.confirm(survivors);
    const outputs = cohort.step(2, cohort.certificate(signatures));
    expect(outputs.map(({ type }) => type)).toEqual(["send", "finished"]);
    const [reveal] = outputs;
    if (reveal?.type !== "send" || reveal.message.type !== "reveal") throw new Error("no reveal");
    const kinds = new Map(revealedShares(reveal.message).map(({ owner, kind }) => [owner, kind]));
    expect(reveal.message.owners).toHaveLength(5);
    expect([...kinds].sort()).toEqual([
      [0, "self-mask"],
      [1, "mask-key"],
      [2, "self-mask"],
      [3, "self-mask"],
      [4, "self-mask"],
    ]);
    expect(new Set(revealedShares(reveal.message).map(({ share }) => share.join())).size).toBe(5);
  });

  test("the session id is known from the roster on, and the same for all", () => {
    const cohort = new Cohort(5);
    expect(clientSessionId(cohort.states[0]!)).toBeUndefined();
    cohort.mask();
    for (const state of cohort.states) expect(clientSessionId(state)).toEqual(cohort.sid());
    cohort.step(0, { type: "leave" });
    expect(clientSessionId(cohort.states[0]!)).toEqual(cohort.sid());
  });

  test("nobody else's box opens: each is sealed for its addressee", () => {
    const inboxes = new Cohort(5).share();
    const boxes = inboxes.flat().map(({ box }) => box.join());
    expect(new Set(boxes).size).toBe(20);
  });
});

describe("roster (R1)", () => {
  const member = 2;
  /** What client 2 says to a roster; everything else is as it should be. */
  function refuses(change: (cohort: Cohort) => ClientEvent, changes: Parameters<typeof cohortOf>[0] = {}) {
    const cohort = cohortOf(changes);
    const rejection = cohort.refusal(member, change(cohort));
    expect(cohort.states[member]!.phase).toBe("ended");
    return rejection;
  }
  const cohortOf = (changes: Partial<typeof binding>) => new Cohort(5, changes);
  const without = <T>(items: readonly T[], gone: number) => items.filter((_, i) => i !== gone);
  const replaced = <T>(items: readonly T[], at: number, item: T) =>
    items.map((old, i) => (i === at ? item : old));

  test("below the client's minimum", () => {
    expect(refuses((c) => c.roster(c.advertisements), { minimumCohort: 6 }).code).toBe("cohort-too-small");
  });

  test("above the client's maximum", () => {
    expect(refuses((c) => c.roster(c.advertisements), { maximumCohort: 4 }).code).toBe("roster-invalid");
  });

  test("own key missing", () => {
    expect(refuses((c) => c.roster(without(c.advertisements, member)))).toMatchObject({
      code: "roster-invalid",
      rule: "must name this device",
    });
  });

  test("own entry with other keys, although properly signed", () => {
    const rejection = refuses((c) =>
      c.roster(replaced(c.advertisements, member, resigned(c, member, { nonce: new Uint8Array(16) }))),
    );
    expect(rejection.rule).toContain("own keys");
  });

  test("own key twice, or any device twice", () => {
    for (const twice of [member, 4]) {
      const rejection = refuses((c) =>
        c.roster([...c.advertisements.slice(0, twice + 1), ...c.advertisements.slice(twice)]),
      );
      expect(rejection.rule).toContain("strictly sorted");
    }
  });

  test("unsorted", () => {
    expect(refuses((c) => c.roster([...c.advertisements].reverse())).rule).toContain("strictly sorted");
  });

  test.each([
    ["cPublic", "cPublic"],
    ["sPublic", "sPublic"],
    ["cPublic", "sPublic"],
  ] as const)("a key twice: %s of one as %s of another", (mine, theirs) => {
    const rejection = refuses((c) => {
      const copied = resigned(c, 4, { [theirs]: c.advertisements[0]![mine] });
      return c.roster(replaced(c.advertisements, 4, copied));
    });
    expect(rejection).toMatchObject({ code: "roster-invalid", rule: "must not name a key twice" });
  });

  test("signed by somebody else than the coordinator", () => {
    const rejection = refuses((c) => {
      const roster = c.roster();
      return { ...roster, signature: suite.sign(c.sid(), c.devices[0]!.secretKey) };
    });
    expect(rejection).toMatchObject({ code: "signature-invalid", field: "roster.signature" });
  });

  test.each([
    ["model", { modelHash: sha256Bytes("another model") }],
    ["plan", { planDigest: sha256Bytes("another plan") }],
    ["round", { round: 4 }],
    ["task", { task: "another" }],
    ["beacon", { beacon: sha256Bytes("another beacon") }],
  ])(
    "the coordinator's signature is over another %s: the client computes the session id itself",
    (_, changes) => {
      const rejection = refuses((c) => c.roster(c.advertisements, changes));
      expect(rejection).toMatchObject({ code: "signature-invalid", field: "roster.signature" });
    },
  );

  test("a member's advertisement that its device did not sign", () => {
    const rejection = refuses((c) => {
      const { secretKey } = suite.signingKeyPair(sha256Bytes("somebody"));
      const forged = c.readvertise(4, { sPublic: sha256Bytes("chosen by the server") }, (unsigned) =>
        suite.sign(advertisementSigningBytes(unsigned, c.binding), secretKey),
      );
      return c.roster(replaced(c.advertisements, 4, forged));
    });
    expect(rejection).toMatchObject({ code: "signature-invalid", field: "roster.entries[4].signature" });
  });

  test("a member's advertisement of another round", () => {
    const rejection = refuses((c) => {
      const { secretKey } = c.devices[4]!;
      const replayed = c.readvertise(4, {}, (unsigned) =>
        suite.sign(
          advertisementSigningBytes(unsigned, { task: binding.task, round: binding.round - 1 }),
          secretKey,
        ),
      );
      return c.roster(replaced(c.advertisements, 4, replayed));
    });
    expect(rejection).toMatchObject({ code: "signature-invalid", field: "roster.entries[4].signature" });
  });

  test("a low-order point as encryption key", () => {
    const rejection = refuses((c) => {
      const low = resigned(c, 4, { cPublic: hexToBytes(primitives.lowOrder[2]!) });
      return c.roster(replaced(c.advertisements, 4, low));
    });
    expect(rejection).toMatchObject({ code: "roster-invalid", field: "roster.entries[4].cPublic" });
  });

  test("too small for the plan's dropout", () => {
    expect(refuses((c) => c.roster(), { dropout: 0.5 }).code).toBe("cohort-too-small");
  });

  test("a second roster, identical or not", () => {
    const cohort = new Cohort(5);
    cohort.share();
    expect(cohort.refusal(0, cohort.roster()).code).toBe("message-unexpected");
    expect(cohort.states[0]!.phase).toBe("ended");
  });
});

describe("inbox (R2)", () => {
  function refuses(change: (shares: readonly SealedShare[]) => readonly SealedShare[]) {
    const cohort = new Cohort(5);
    const inboxes = cohort.share();
    const rejection = cohort.refusal(1, cohort.inbox(change(inboxes[1]!)));
    expect(cohort.states[1]!.phase).toBe("ended");
    return rejection;
  }

  test("a tampered box", () => {
    const rejection = refuses(([first, ...rest]) => {
      const box = first!.box.slice();
      box[30]! ^= 1;
      return [{ ...first!, box }, ...rest];
    });
    expect(rejection).toMatchObject({ code: "share-invalid" });
    expect(rejection.rule).toContain("member 0");
  });

  test("a box under another sender's name", () => {
    const rejection = refuses(([first, second, ...rest]) => [
      { ...first!, box: second!.box },
      { ...second!, box: first!.box },
      ...rest,
    ]);
    expect(rejection.code).toBe("share-invalid");
  });

  test("a box for another addressee", () => {
    const cohort = new Cohort(5);
    const inboxes = cohort.share();
    const [first, ...rest] = inboxes[1]!;
    const shares = [{ peer: first!.peer, box: inboxes[2]![0]!.box }, ...rest];
    expect(cohort.refusal(1, cohort.inbox(shares)).code).toBe("share-invalid");
  });

  test("one sender twice", () => {
    expect(refuses((shares) => [...shares, shares[0]!]).rule).toContain("once");
  });

  test("a sender that is no neighbour: itself, or nobody", () => {
    for (const peer of [1, 5]) {
      const rejection = refuses((shares) => [...shares, { peer, box: shares[0]!.box }]);
      expect(rejection.rule).toContain("neighbour");
    }
  });

  test("too few senders to unmask", () => {
    // n = 5 gives t = 4: the client itself and three others.
    const cohort = new Cohort(5);
    const inboxes = cohort.share();
    const from = (client: number, senders: readonly number[]) =>
      cohort.inbox(
        inboxes[client]!.filter(({ peer }) => senders.includes(peer)),
        [...senders, client],
      );
    expect(cohort.refusal(1, from(1, [0, 2])).code).toBe("too-few-survivors");
    expect(cohort.step(4, from(4, [0, 1, 2])).map(({ type }) => type)).toEqual(["mask"]);
  });

  test("a neighbour in U2 whose box is withheld", () => {
    const rejection = refuses((shares) => shares.slice(1));
    expect(rejection).toMatchObject({
      code: "share-invalid",
      rule: expect.stringContaining("none of member 0"),
    });
  });

  test("U2 without the client, below its minimum, or no set of members", () => {
    const cohort = new Cohort(6, { minSurvivors: 5 });
    const inboxes = cohort.share();
    const to = (client: number, sharing: readonly number[]) =>
      cohort.inbox(
        inboxes[client]!.filter(({ peer }) => sharing.includes(peer)),
        sharing,
      );
    expect(cohort.refusal(0, to(0, [1, 2, 3, 4, 5]))).toMatchObject({
      code: "message-invalid",
      field: "inbox.sharing",
    });
    expect(cohort.refusal(1, to(1, [0, 1, 2, 3]))).toMatchObject({
      code: "too-few-survivors",
      field: "inbox.sharing",
    });
    const beyond = { ...to(2, cohort.everyone), sharing: Uint8Array.of(0b1111111) };
    expect(cohort.refusal(2, beyond)).toMatchObject({ code: "message-invalid", field: "inbox.sharing" });
  });

  test("a low-order point as mask key, from a member whose boxes open", () => {
    const cohort = new Cohort(5);
    const low = resigned(cohort, 4, { sPublic: hexToBytes(primitives.lowOrder[1]!) });
    const entries = cohort.advertisements.map((entry, i) => (i === 4 ? low : entry));
    const honest = [0, 1, 2, 3].flatMap((sender) =>
      sealedShares(cohort.send(sender, cohort.roster(entries), "shares")).flatMap(({ peer, box }) =>
        peer === 0 ? [{ peer: sender, box }] : [],
      ),
    );
    const malicious = suite.agreementKeyPair(randomFrom("client 4")(32));
    expect(malicious.publicKey).toEqual(low.cPublic);
    const agreement = suite.agree(malicious.secretKey, entries[0]!.cPublic)!;
    const key = shareKey(agreement, { sid: cohort.sid(entries), sender: 4, addressee: 0 }, suite);
    const box = suite.seal(new Uint8Array(2 * 36), key, BOX_NONCE);
    const shares = [1, 2, 3].map((peer) => ({ peer, box: honest.find((share) => share.peer === peer)!.box }));
    const inbox = cohort.inbox([...shares, { peer: 4, box }]);
    expect(cohort.refusal(0, inbox)).toMatchObject({
      code: "roster-invalid",
      field: "roster.entries[4].sPublic",
    });
  });

  test.each([
    ["cut short", new Uint8Array(2 * 36 - 4)],
    ["with a chunk that is no field element", new Uint8Array(2 * 36).fill(0xff)],
  ])("shares that open but are %s", (_, plaintext) => {
    const cohort = new Cohort(5);
    const [inbox] = cohort.share();
    const shares = inbox!.map(({ peer }) => {
      const malicious = suite.agreementKeyPair(randomFrom(`client ${peer}`)(32));
      const agreement = suite.agree(malicious.secretKey, cohort.advertisements[0]!.cPublic)!;
      const key = shareKey(agreement, { sid: cohort.sid(), sender: peer, addressee: 0 }, suite);
      return { peer, box: suite.seal(plaintext, key, BOX_NONCE) };
    });
    expect(cohort.refusal(0, cohort.inbox(shares)).code).toBe("share-invalid");
  });
});

describe("survivors (R3)", () => {
  function refuses(survivors: readonly number[], changes: Partial<typeof binding> = {}) {
    const cohort = new Cohort(5, changes);
    cohort.mask();
    return cohort.refusal(1, cohort.survivors(1, survivors));
  }

  test("without the client", () => {
    expect(refuses([0, 2, 3, 4])).toMatchObject({ code: "message-invalid", field: "survivors.members" });
  });

  test.each([
    ["cut short", new Uint8Array(0)],
    ["too long", Uint8Array.of(0b11111, 0)],
    ["with a member beyond the roster", Uint8Array.of(0b111111)],
  ])("a set %s", (_, members) => {
    const cohort = new Cohort(5);
    cohort.mask();
    expect(cohort.refusal(1, { type: "survivors", members, statements: [] })).toMatchObject({
      code: "message-invalid",
      field: "survivors.members",
    });
  });

  test("fewer than the client's minimum, a set of one above all", () => {
    expect(refuses([1]).code).toBe("too-few-survivors");
    expect(refuses([0, 1, 2, 3], { minSurvivors: 5 }).code).toBe("too-few-survivors");
  });

  test("a member that the client has no masks with", () => {
    const cohort = new Cohort(5);
    cohort.mask([0, 1, 2, 3]);
    const rejection = cohort.refusal(1, cohort.survivors(1, everyone));
    expect(rejection.rule).toContain("member 4");
  });

  test("a second set of survivors", () => {
    const cohort = new Cohort(5);
    cohort.confirm(everyone);
    expect(cohort.refusal(1, cohort.survivors(1, [0, 1, 2, 3])).code).toBe("message-unexpected");
  });
});

describe("unmask (R4)", () => {
  // n = 5, so t = 4 members have to vouch for the same survivors, the client among them.
  test("too few signatures", () => {
    const cohort = new Cohort(5);
    const signatures = cohort.confirm(everyone);
    expect(cohort.refusal(0, cohort.certificate(signatures.slice(0, 3)))).toMatchObject({
      code: "signature-invalid",
      rule: expect.stringContaining("found 3"),
    });
    expect(cohort.step(1, cohort.certificate(signatures.slice(0, 4)))[0]!.type).toBe("send");
  });

  test("equivocation: the others signed another set of survivors", () => {
    const cohort = new Cohort(5);
    cohort.confirm(everyone);
    // Members 2 to 4 were shown a U3 without member 1, so that they would reveal its mask key.
    const signatures = [2, 3, 4].map((member) => cohort.consistency(member, [0, 2, 3, 4]));
    expect(cohort.refusal(0, cohort.certificate(signatures)).rule).toContain("found 1");
  });

  test("signatures under others' names, signers that are no survivors, sets and signatures that do not fit", () => {
    const survivors = [0, 1, 2, 3];
    const refuses = (change: (cohort: Cohort) => ClientEvent) => {
      const cohort = new Cohort(5);
      cohort.confirm(survivors);
      return cohort.refusal(0, change(cohort));
    };
    const signed = (cohort: Cohort, member: number) => cohort.consistency(member, survivors);
    const borrowed = refuses((cohort) =>
      cohort.certificate([1, 2, 3].map((index) => ({ ...signed(cohort, 1), index }))),
    );
    expect(borrowed.rule).toContain("found 2");
    const outsider = refuses((cohort) =>
      cohort.certificate([1, 2, 4].map((member) => signed(cohort, member))),
    );
    expect(outsider).toMatchObject({ code: "message-invalid", field: "unmask.signers" });
    const short = refuses((cohort) => {
      const certificate = cohort.certificate([1, 2, 3].map((member) => signed(cohort, member)));
      return { ...certificate, signatures: certificate.signatures.slice(64) };
    });
    expect(short).toMatchObject({ code: "message-invalid", field: "unmask.signatures" });
    const beyond = refuses((cohort) => {
      const certificate = cohort.certificate([1, 2, 3].map((member) => signed(cohort, member)));
      return { ...certificate, signers: Uint8Array.of(0b101110) };
    });
    expect(beyond).toMatchObject({ code: "message-invalid", field: "unmask.signers" });
  });

  test("signatures of another session", () => {
    const cohort = new Cohort(5);
    cohort.confirm(everyone);
    const other = new Cohort(5, { modelHash: sha256Bytes("another") });
    const signatures = everyone.map((member) => other.consistency(member, everyone));
    expect(cohort.refusal(0, cohort.certificate(signatures)).code).toBe("signature-invalid");
  });

  test("a replay gets no second answer, whatever it asks for", () => {
    const cohort = new Cohort(5);
    const signatures = cohort.confirm(everyone);
    const event = cohort.certificate(signatures);
    expect(cohort.step(0, event).map(({ type }) => type)).toEqual(["send", "finished"]);
    for (const again of [event, cohort.survivors(0, [0, 2, 3, 4]), { type: "enrol" }] as const)
      expect(cohort.refusal(0, again).code).toBe("message-unexpected");
  });
});

describe("secrets", () => {
  test("do not show in any state, nor in the masks", () => {
    const random = randomFrom("shown");
    const device = suite.signingKeyPair(random(32));
    const secrets: Uint8Array[] = [device.secretKey.slice(0, 32)];
    const recorded = (length: number) => {
      const bytes = random(length);
      if (length === 32) secrets.push(bytes.slice());
      return bytes;
    };
    const cohort = new Cohort(5);
    let state = startClient({ ...binding, coordinatorKey: cohort.coordinator.publicKey, device });
    const env = { suite, random: recorded };
    const step = stepClient(state, { type: "enrol" }, env);
    state = step.state;
    const states = [...cohort.states, state];
    cohort.mask();
    states.push(...cohort.states);
    const text = states.map((s) => JSON.stringify(s, bytesAsText) + show(s)).join();
    expect(secrets.length).toBeGreaterThan(3);
    expect(text).toContain("[secret]");
    for (const secret of secrets)
      expect(text.replaceAll(/\s+/g, " ")).not.toContain([...secret.slice(0, 12)].join(", "));
  });

  test("are wiped once used, and at the latest at the end", () => {
    const cohort = new Cohort(5);
    const enrolling = cohort.states[0]!;
    if (enrolling.phase !== "enrolling") throw new Error(enrolling.phase);
    const { c, s, seed } = enrolling.keys;
    const bytes = [c, s, seed].map((secret) => secret.expose());
    const identity = enrolling.identity.expose();
    cohort.mask();
    for (const wiped of bytes) expect(wiped.every((byte) => byte === 0)).toBe(true);
    const masking = cohort.states[0]!;
    if (masking.phase !== "masking") throw new Error(masking.phase);
    const shares = [...masking.held.values()].flatMap(({ maskKey, selfMask }) => [
      maskKey.expose(),
      selfMask.expose(),
    ]);
    expect(shares).toHaveLength(10);
    expect(identity.some((byte) => byte !== 0)).toBe(true);
    cohort.refusal(0, { type: "enrol" });
    for (const wiped of [...shares, identity]) expect(wiped.every((byte) => byte === 0)).toBe(true);
    expect(cohort.devices[0]!.secretKey.some((byte) => byte !== 0)).toBe(true);
  });

  test("leaving ends the machine without a word", () => {
    const cohort = new Cohort(5);
    cohort.mask();
    expect(cohort.step(3, { type: "leave" })).toEqual([]);
    expect(cohort.states[3]!.phase).toBe("ended");
  });
});

/** JSON with byte strings in the form in which `inspect` shows them. */
function bytesAsText(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? [...value].join(", ") : value;
}
