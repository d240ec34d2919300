/**
 * The real client machine against a coordinator that lies, in both graphs. Every title names an attack; every refusal
 * is typed, ends the machine, and nothing can be had from it afterwards.
 */
import {
  type Advertisement,
  advertisementSigningBytes,
  concatBytes,
  ERROR_CODES,
  encodeMemberSet,
  hexToBytes,
  type Rejection,
  revealedShares,
  type SealedShare,
  sealedColumns,
  sealedShares,
  sha256Bytes,
} from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { type ClientEvent, startClient, stepClient } from "../src/client.ts";
import { BOX_NONCE, shareKey } from "../src/keys.ts";
import type { RoundBinding } from "../src/session.ts";
import { Cohort, type IndexedSignature, randomFrom, suite } from "./cohort.ts";
import primitives from "./vectors/primitives.json" with { type: "json" };

/** One corrupt member is assumed in both, so a quorum is more than half of the cohort and that one. */
const GRAPHS = [
  { graph: "complete", n: 8, rates: { minimumCohort: 5, minSurvivors: 3, corruption: 0.125, dropout: 0.1 } },
  { graph: "regular", n: 20, rates: { minimumCohort: 10, minSurvivors: 9, corruption: 0.05, dropout: 0.1 } },
] as const;
/** The client under attack. */
const member = 3;

describe.each(GRAPHS)("a hostile coordinator, $graph graph", ({ graph, n, rates }) => {
  const cohortOf = (changes: Partial<RoundBinding> = {}) => new Cohort(n, { ...rates, graph, ...changes });

  /** What a client is told in R1 of these entries: proved, and signed by the coordinator. */
  const directory = (
    cohort: Cohort,
    {
      to = member,
      entries = cohort.advertisements,
      changes = {},
    }: { to?: number; entries?: readonly Advertisement[]; changes?: Partial<RoundBinding> } = {},
  ) => (graph === "complete" ? cohort.roster(entries, changes) : cohort.neighbourhood(to, entries, changes));

  const resigned = (cohort: Cohort, who: number, changes: Partial<Advertisement>) =>
    cohort.readvertise(who, changes, (unsigned) =>
      suite.sign(advertisementSigningBytes(unsigned, cohort.binding), cohort.devices[who]!.secretKey),
    );

  /** Entries in which a neighbour of the client's has another advertisement; the graph follows from the entries. */
  function withAltered(cohort: Cohort, change: (who: number) => Advertisement) {
    for (const who of cohort.everyone) {
      if (who === member) continue;
      const entries = cohort.advertisements.map((entry, i) => (i === who ? change(who) : entry));
      if (cohort.session(entries).neighbours(member).includes(who)) return { entries, who };
    }
    throw new Error("no altered member is a neighbour");
  }

  /** The client refuses with this rejection, and from then on gives nothing away whatever it is told. */
  function refuses(cohort: Cohort, event: ClientEvent, expected: Partial<Record<keyof Rejection, unknown>>) {
    const rejection = cohort.refusal(member, event);
    expect(rejection).toMatchObject(expected);
    expect(ERROR_CODES).toContain(rejection.code);
    for (const text of [rejection.field, rejection.rule, rejection.fix]) expect(text).toMatch(/\w/);
    expect(cohort.states[member]!.phase).toBe("ended");
    for (const again of [
      event,
      { type: "enrol" },
      { type: "inbox", sharing: new Uint8Array(0), ...sealedColumns([]) },
    ] as const)
      expect(cohort.refusal(member, again).code).toBe("message-unexpected");
  }

  describe("key directory (R1)", () => {
    const rejected = (code: string, field: RegExp) => ({ code, field: expect.stringMatching(field) });

    test("a roster without me", () => {
      const cohort = cohortOf();
      const entries = cohort.advertisements.filter((_, i) => i !== member);
      refuses(cohort, directory(cohort, { entries }), {
        code: "roster-invalid",
        rule: "must name this device",
      });
    });

    test("a roster under my minimum, or over my maximum: the server does not choose n", () => {
      const small = cohortOf({ minimumCohort: n + 1 });
      refuses(
        small,
        directory(small),
        rejected("cohort-too-small", /^(roster\.entries|neighbourhood\.devices)$/),
      );
      const large = cohortOf({ maximumCohort: n - 1 });
      refuses(large, directory(large), { code: "roster-invalid", rule: expect.stringContaining("at most") });
    });

    test("a roster too small for the plan's dropout and corruption: the server does not choose t", () => {
      const cohort = cohortOf({ dropout: 0.6 });
      const claim = directory(cohortOf());
      refuses(cohort, claim, { code: expect.stringMatching(/^(cohort-too-small|plan-invalid)$/) });
    });

    test.each([
      ["model", { modelHash: sha256Bytes("another model") }],
      ["plan", { planDigest: sha256Bytes("another plan") }],
      ["round", { round: 4 }],
      ["task", { task: "another" }],
      ["beacon", { beacon: sha256Bytes("another beacon") }],
    ])("another %s under the same id", (_, changes) => {
      const cohort = cohortOf();
      const other = directory(cohort, { changes });
      // The entries that the client's own session implies, signed for the other one.
      const claim = { ...directory(cohort), signature: other.signature };
      refuses(cohort, claim, rejected("signature-invalid", /^(roster|neighbourhood)\.signature$/));
      // In the regular graph another session is another graph: its neighbours are not the client's.
      const code = graph === "complete" ? "signature-invalid" : "roster-invalid";
      refuses(cohortOf(), other, rejected(code, /^(roster|neighbourhood)\./));
    });

    test("the coordinator's signature forged or stripped", () => {
      const { secretKey } = cohortOf().devices[0]!;
      for (const forge of [
        (cohort: Cohort) => suite.sign(cohort.sid(), cohort.coordinator.secretKey),
        (cohort: Cohort) => suite.sign(cohort.sid(), secretKey),
        () => new Uint8Array(64),
        () => new Uint8Array(0),
      ]) {
        const cohort = cohortOf();
        const claim = { ...directory(cohort), signature: forge(cohort) };
        refuses(cohort, claim, rejected("signature-invalid", /^(roster|neighbourhood)\.signature$/));
      }
    });

    test("a neighbour's signature forged or stripped", () => {
      for (const signature of [new Uint8Array(64), new Uint8Array(0), sha256Bytes("half a signature")]) {
        const cohort = cohortOf();
        const { entries } = withAltered(cohort, (who) => ({ ...cohort.advertisements[who]!, signature }));
        refuses(cohort, directory(cohort, { entries }), rejected("signature-invalid", /\.signature$/));
      }
    });

    test("a neighbour's keys chosen by the coordinator", () => {
      const cohort = cohortOf();
      const { entries } = withAltered(cohort, (who) =>
        cohort.readvertise(who, { sPublic: sha256Bytes("chosen") }, (unsigned) =>
          suite.sign(advertisementSigningBytes(unsigned, cohort.binding), cohort.coordinator.secretKey),
        ),
      );
      refuses(cohort, directory(cohort, { entries }), rejected("signature-invalid", /\.signature$/));
    });

    test("a neighbour's advertisement replayed from another round: a key is used once", () => {
      const cohort = cohortOf();
      const { task, round } = cohort.binding;
      const { entries } = withAltered(cohort, (who) =>
        cohort.readvertise(who, {}, (unsigned) =>
          suite.sign(
            advertisementSigningBytes(unsigned, { task, round: round - 1 }),
            cohort.devices[who]!.secretKey,
          ),
        ),
      );
      refuses(cohort, directory(cohort, { entries }), rejected("signature-invalid", /\.signature$/));
    });

    test("my own keys altered, although properly signed", () => {
      const cohort = cohortOf();
      const own = resigned(cohort, member, { nonce: new Uint8Array(16) });
      const entries = cohort.advertisements.map((entry, i) => (i === member ? own : entry));
      refuses(cohort, directory(cohort, { entries }), {
        code: "roster-invalid",
        rule: expect.stringContaining("own keys"),
      });
    });

    test("me twice, or another device twice", () => {
      for (const twice of [member, member + 1]) {
        const cohort = cohortOf();
        const entries = [...cohort.advertisements.slice(0, twice + 1), ...cohort.advertisements.slice(twice)];
        refuses(cohort, directory(cohort, { entries }), {
          code: "roster-invalid",
          rule: expect.stringContaining("strictly sorted"),
        });
      }
    });

    test("a key of mine or of a neighbour twice", () => {
      for (const mine of ["cPublic", "sPublic"] as const)
        for (const theirs of ["cPublic", "sPublic"] as const) {
          const cohort = cohortOf();
          const copy = cohort.advertisements[member]![mine];
          const { entries } = withAltered(cohort, (who) => resigned(cohort, who, { [theirs]: copy }));
          refuses(cohort, directory(cohort, { entries }), {
            code: "roster-invalid",
            rule: "must not name a key twice",
          });
        }
    });

    test("every low-order point as encryption key: the shares would be public", () => {
      for (const point of primitives.lowOrder) {
        const cohort = cohortOf();
        const { entries } = withAltered(cohort, (who) =>
          resigned(cohort, who, { cPublic: hexToBytes(point) }),
        );
        refuses(cohort, directory(cohort, { entries }), rejected("roster-invalid", /\.cPublic$/));
      }
    });

    test("the other graph in place of the plan's", () => {
      const cohort = cohortOf();
      const { devices, root, proof, signature } = cohort.neighbourhood(member);
      const claim =
        graph === "regular"
          ? cohort.roster()
          : ({ type: "neighbourhood", devices, root, proof, neighbours: [], signature } as const);
      refuses(cohort, claim, rejected("roster-invalid", /^(roster|neighbourhood)$/));
    });
  });

  describe("inbox (R2)", () => {
    const shareInvalid = { code: "share-invalid", field: "inbox.shares" };

    /** The client refuses what became of its inbox. */
    function refusesInbox(change: (boxes: readonly SealedShare[], cohort: Cohort) => readonly SealedShare[]) {
      const cohort = cohortOf();
      const boxes = cohort.share()[member]!;
      refuses(cohort, cohort.inbox(change(boxes, cohort)), shareInvalid);
    }
    const replaceFirst = (boxes: readonly SealedShare[], box: Uint8Array) => [
      { ...boxes[0]!, box },
      ...boxes.slice(1),
    ];
    /** A box that the sender seals for the client by hand. */
    function sealed(
      cohort: Cohort,
      {
        sender,
        plaintext = new Uint8Array(2 * 36),
        ...data
      }: { sender: number; plaintext?: Uint8Array } & Partial<Parameters<typeof shareKey>[1]>,
    ) {
      const { secretKey } = suite.agreementKeyPair(randomFrom(`client ${sender}`)(32));
      const agreement = suite.agree(secretKey, cohort.advertisements[member]!.cPublic)!;
      const key = shareKey(agreement, { sid: cohort.sid(), sender, addressee: member, ...data }, suite);
      return suite.seal(plaintext, key, BOX_NONCE);
    }

    test("a box of a well-formed share, sealed for me in this session, is taken", () => {
      const cohort = cohortOf();
      const boxes = cohort.share()[member]!;
      const box = sealed(cohort, { sender: boxes[0]!.peer });
      expect(cohort.step(member, cohort.inbox(replaceFirst(boxes, box)))[0]!.type).toBe("mask");
    });

    test("a box altered, cut, lengthened, or empty", () => {
      refusesInbox((boxes) =>
        replaceFirst(
          boxes,
          boxes[0]!.box.map((byte, i) => (i === 30 ? byte ^ 1 : byte)),
        ),
      );
      // Boxes of one message have one length: there is no other way to write them.
      const each = (change: (box: Uint8Array) => Uint8Array) =>
        refusesInbox((boxes) => boxes.map(({ peer, box }) => ({ peer, box: change(box) })));
      each((box) => box.slice(1));
      each((box) => concatBytes(box, new Uint8Array(1)));
      each(() => new Uint8Array(0));
      for (const change of [-1, 1]) {
        const cohort = cohortOf();
        const inbox = cohort.inbox(cohort.share()[member]!);
        const boxes = new Uint8Array(inbox.boxes.length + change);
        boxes.set(inbox.boxes.subarray(0, boxes.length));
        refuses(cohort, { ...inbox, boxes }, shareInvalid);
      }
    });

    test("a box under another sender's name, and one for another addressee", () => {
      refusesInbox(([first, second, ...rest]) => [
        { ...first!, box: second!.box },
        { ...second!, box: first!.box },
        ...rest,
      ]);
      const cohort = cohortOf();
      const inboxes = cohort.share();
      const { peer } = inboxes[member]![0]!;
      const to = cohort
        .session()
        .neighbours(peer)
        .find((other) => other !== member)!;
      const stolen = inboxes[to]!.find((share) => share.peer === peer)!.box;
      refuses(cohort, cohort.inbox(replaceFirst(inboxes[member]!, stolen)), shareInvalid);
    });

    test.each([
      ["of another session", { sid: sha256Bytes("another session") }],
      ["of another sender", { sender: member }],
      ["of another addressee", { addressee: 0 }],
    ])("a box whose associated data is %s", (_, data) => {
      refusesInbox((boxes, cohort) => {
        const { peer: sender } = boxes[0]!;
        const { secretKey } = suite.agreementKeyPair(randomFrom(`client ${sender}`)(32));
        const agreement = suite.agree(secretKey, cohort.advertisements[member]!.cPublic)!;
        const bound = { sid: cohort.sid(), sender, addressee: member, ...data };
        return replaceFirst(
          boxes,
          suite.seal(new Uint8Array(2 * 36), shareKey(agreement, bound, suite), BOX_NONCE),
        );
      });
    });

    test("shares of a wrong length, or with entries outside the field", () => {
      for (const plaintext of [
        new Uint8Array(0),
        new Uint8Array(2 * 36 - 4),
        new Uint8Array(2 * 36 + 4),
        new Uint8Array(2 * 36).fill(0xff),
      ])
        refusesInbox((boxes, cohort) =>
          boxes.map(({ peer }) => ({ peer, box: sealed(cohort, { sender: peer, plaintext }) })),
        );
    });

    test("share index 0, shares of strangers, of nobody or of myself, and one sender's twice", () => {
      // Shares are taken at x = index + 1: index −1 would be asked for the secret itself.
      for (const peer of [-1, member, n, 2 ** 32])
        refusesInbox((boxes) => [...boxes, { peer, box: boxes[0]!.box }]);
      refusesInbox((boxes) => [...boxes, boxes[0]!]);
    });

    test("a neighbour's box withheld", () => {
      refusesInbox((boxes) => boxes.slice(1));
    });

    test("a U2 without me, under my minimum, cut, lengthened, or with members that do not exist", () => {
      const told = (change: (cohort: Cohort) => { sharing: Uint8Array }, expected: object) => {
        const cohort = cohortOf({ minSurvivors: n - 2 });
        const boxes = cohort.share()[member]!;
        refuses(
          cohort,
          { ...cohort.inbox(boxes), ...change(cohort) },
          { field: "inbox.sharing", ...expected },
        );
      };
      const set = (members: readonly number[]) => encodeMemberSet(members, n);
      told(({ everyone }) => ({ sharing: set(everyone.filter((i) => i !== member)) }), {
        code: "message-invalid",
      });
      told(({ everyone }) => ({ sharing: set(everyone.slice(0, n - 3)) }), { code: "too-few-survivors" });
      told(() => ({ sharing: new Uint8Array(0) }), { code: "message-invalid" });
      told(({ everyone }) => ({ sharing: concatBytes(set(everyone), new Uint8Array(1)) }), {
        code: "message-invalid",
      });
      told(({ everyone }) => ({ sharing: encodeMemberSet([...everyone, n], n + 1) }), {
        code: "message-invalid",
      });
    });

    test("a U2 that leaves me alone with fewer holders of my shares than reconstruct them", () => {
      const cohort = cohortOf();
      const boxes = cohort.share()[member]!;
      const { threshold, neighbours } = cohort.session();
      const near = neighbours(member);
      // In the complete graph the client holds a share of its own.
      const kept = near.slice(0, graph === "complete" ? threshold - 2 : threshold - 1);
      const sharing = cohort.everyone.filter((i) => kept.includes(i) || !near.includes(i));
      const event = cohort.inbox(
        boxes.filter(({ peer }) => kept.includes(peer)),
        sharing,
      );
      refuses(cohort, event, { code: "too-few-survivors", field: "inbox.shares" });
    });

    test("a second inbox: nobody masks twice", () => {
      const cohort = cohortOf();
      const boxes = cohort.share()[member]!;
      expect(cohort.step(member, cohort.inbox(boxes))[0]!.type).toBe("mask");
      const gone = boxes[0]!.peer;
      const other = cohort.inbox(
        boxes.slice(1),
        cohort.everyone.filter((i) => i !== gone),
      );
      refuses(cohort, other, { code: "message-unexpected" });
    });

    test("every low-order point as mask key, from a member whose boxes open: the mask would be public", () => {
      for (const point of primitives.lowOrder) {
        const cohort = cohortOf();
        const { entries, who } = withAltered(cohort, (i) =>
          resigned(cohort, i, { sPublic: hexToBytes(point) }),
        );
        cohort.send(member, directory(cohort, { entries }), "shares");
        const shares = cohort
          .session(entries)
          .neighbours(member)
          .map((peer): SealedShare => {
            if (peer === who)
              return { peer, box: sealed(cohort, { sender: peer, sid: cohort.sid(entries) }) };
            const sent = cohort.send(peer, directory(cohort, { to: peer, entries }), "shares");
            return { peer, box: sealedShares(sent).find((share) => share.peer === member)!.box };
          });
        refuses(cohort, cohort.inbox(shares), {
          code: "roster-invalid",
          field: expect.stringMatching(/\.sPublic$/),
        });
      }
    });
  });

  describe("survivors (R3)", () => {
    const masked = (changes: Partial<RoundBinding> = {}) => {
      const cohort = cohortOf(changes);
      cohort.mask();
      return cohort;
    };

    test("|U3| = 1, none, and a U3 under my minimum", () => {
      for (const survivors of [[member], [member, 0]]) {
        const cohort = masked();
        refuses(cohort, cohort.survivors(member, survivors), {
          code: "too-few-survivors",
          field: "survivors.members",
        });
      }
      const none = masked();
      refuses(none, none.survivors(member, []), { code: "message-invalid", field: "survivors.members" });
      const few = masked({ minSurvivors: n });
      const survivors = few.everyone.slice(0, n - 1);
      refuses(few, few.survivors(member, survivors), {
        code: "too-few-survivors",
        rule: expect.stringContaining(`at least ${n}`),
      });
    });

    test("a U3 without me", () => {
      const cohort = masked();
      const others = cohort.everyone.filter((i) => i !== member);
      refuses(cohort, cohort.survivors(member, others), {
        code: "message-invalid",
        rule: "must name this client",
      });
    });

    test("a U3 cut, lengthened, or with members that do not exist", () => {
      const all = encodeMemberSet(cohortOf().everyone, n);
      for (const members of [
        new Uint8Array(0),
        concatBytes(all, new Uint8Array(1)),
        encodeMemberSet([...cohortOf().everyone, n], n + 1),
      ]) {
        const cohort = masked();
        const event = { ...cohort.survivors(member, cohort.everyone), members };
        refuses(cohort, event, { code: "message-invalid", field: "survivors.members" });
      }
    });

    test("U2 shown in two versions: a survivor whom I was told to have dropped", () => {
      const cohort = cohortOf();
      const boxes = cohort.share()[member]!;
      const hidden = boxes[0]!.peer;
      const seen = cohort.everyone.filter((i) => i !== hidden);
      expect(cohort.step(member, cohort.inbox(boxes.slice(1), seen))[0]!.type).toBe("mask");
      refuses(cohort, cohort.survivors(member, cohort.everyone), {
        code: "message-invalid",
        rule: expect.stringContaining(`member ${hidden}`),
      });
    });

    test("a second U3 after I signed one", () => {
      const cohort = cohortOf();
      cohort.confirm(cohort.everyone);
      const fewer = cohort.everyone.filter((i) => i !== 0);
      refuses(cohort, cohort.survivors(member, fewer), { code: "message-unexpected" });
    });
  });

  describe("unmask (R4)", () => {
    /** A cohort that has signed U3 of everybody, and what became of its certificate. */
    function refusesCertificate(
      change: (signatures: readonly IndexedSignature[], cohort: Cohort) => ClientEvent,
      expected: object,
    ) {
      const cohort = cohortOf();
      refuses(cohort, change(cohort.confirm(cohort.everyone), cohort), expected);
    }
    const invalid = { code: "signature-invalid", field: "unmask.signatures" };
    const withSignatures = (cohort: Cohort, sign: (signer: number) => Uint8Array) =>
      cohort.certificate(cohort.everyone.map((index) => ({ index, signature: sign(index) })));

    test("signatures stripped: one fewer than the quorum, or none", () => {
      refusesCertificate((signatures, cohort) => {
        const others = signatures.filter(({ index }) => index !== member);
        return cohort.certificate(others.slice(0, cohort.session().quorum - 2));
      }, invalid);
      refusesCertificate((_, cohort) => cohort.certificate([]), invalid);
      const whole = cohortOf();
      const signatures = whole.confirm(whole.everyone).filter(({ index }) => index !== member);
      const enough = whole.certificate(signatures.slice(0, whole.session().quorum - 1));
      expect(whole.step(member, enough).map(({ type }) => type)).toEqual(["send", "finished"]);
    });

    test("signatures forged: zeros, another's under each name, the coordinator's own", () => {
      refusesCertificate((_, cohort) => withSignatures(cohort, () => new Uint8Array(64)), invalid);
      refusesCertificate(([one], cohort) => withSignatures(cohort, () => one!.signature), invalid);
      refusesCertificate(
        (_, cohort) => withSignatures(cohort, () => cohort.signRoster(cohort.sid())),
        invalid,
      );
    });

    test("signatures over U2 passed off as signatures over U3", () => {
      refusesCertificate(
        (_, cohort) => withSignatures(cohort, (signer) => cohort.statement(signer)),
        invalid,
      );
    });

    test("signatures of another session", () => {
      const other = cohortOf({ modelHash: sha256Bytes("another model") });
      refusesCertificate(
        (_, cohort) =>
          withSignatures(cohort, (signer) => other.consistency(signer, cohort.everyone).signature),
        invalid,
      );
    });

    test("U3 shown in two versions: signatures over the other one", () => {
      refusesCertificate((_, cohort) => {
        const others = cohort.everyone.filter((i) => i !== 0);
        return withSignatures(cohort, (signer) => cohort.consistency(signer, others).signature);
      }, invalid);
    });

    test("signers and signatures that do not fit, or signers outside U3", () => {
      const malformed = (field: string) => ({ code: "message-invalid", field });
      refusesCertificate((signatures, cohort) => {
        const whole = cohort.certificate(signatures);
        return { ...whole, signatures: whole.signatures.subarray(1) };
      }, malformed("unmask.signatures"));
      refusesCertificate(
        (signatures, cohort) => ({ ...cohort.certificate(signatures), signers: new Uint8Array(0) }),
        malformed("unmask.signers"),
      );
      const cohort = cohortOf();
      const survivors = cohort.everyone.filter((i) => i !== 0);
      const signatures = [cohort.consistency(0, survivors), ...cohort.confirm(survivors)];
      refuses(cohort, cohort.certificate(signatures), malformed("unmask.signers"));
    });

    test("both share kinds of one client: nobody answers twice, and one answer has one share of each owner", () => {
      const cohort = cohortOf();
      const survivors = cohort.everyone.filter((i) => i !== 0);
      const certificate = cohort.certificate(cohort.confirm(survivors));
      const [reveal] = cohort.step(member, certificate);
      if (reveal?.type !== "send" || reveal.message.type !== "reveal") throw new Error("no reveal");
      const shares = revealedShares(reveal.message);
      expect(new Set(shares.map(({ owner }) => owner)).size).toBe(shares.length);
      for (const { owner, kind } of shares)
        expect([owner, kind]).toEqual([owner, owner === 0 ? "mask-key" : "self-mask"]);
      for (const again of [
        certificate,
        cohort.survivors(member, cohort.everyone),
        cohort.certificate(cohort.everyone.map((i) => cohort.consistency(i, cohort.everyone))),
      ])
        expect(cohort.refusal(member, again).code).toBe("message-unexpected");
    });

    test("U3 shown in two versions, the corrupt member signing both: no client's two secrets come out", () => {
      for (const deceived of [Math.floor(n / 4), Math.floor(n / 2), n - 3]) {
        const cohort = cohortOf();
        cohort.mask();
        const target = n - 1;
        const corrupt = n - 2;
        const without = cohort.everyone.filter((i) => i !== target);
        // The first clients are told that the target dropped, the others that it is there.
        const told = (i: number) => (i < deceived ? without : cohort.everyone);
        const signed = cohort.everyone
          .filter((i) => i !== corrupt)
          .map((index) => ({
            index,
            signature: cohort.send(index, cohort.survivors(index, told(index)), "consistency").signature,
          }));
        const kinds = new Set<string>();
        for (const survivors of [without, cohort.everyone]) {
          const certificate = cohort.certificate([
            ...signed.filter(({ index }) => told(index) === survivors),
            cohort.consistency(corrupt, survivors),
          ]);
          for (const { index } of signed.filter(({ index }) => told(index) === survivors)) {
            const [output] = cohort.step(index, certificate);
            if (output?.type !== "send" || output.message.type !== "reveal") continue;
            for (const { owner, kind } of revealedShares(output.message))
              if (owner === target) kinds.add(kind);
          }
        }
        expect(kinds.size).toBeLessThan(2);
      }
    });
  });

  test("phases skipped, repeated or out of turn: only the event of the phase is answered", () => {
    const event = {
      enrol: () => ({ type: "enrol" }),
      directory: (cohort) => directory(cohort),
      inbox: (cohort) => cohort.inbox([]),
      survivors: (cohort) => cohort.survivors(member, cohort.everyone),
      unmask: (cohort) =>
        cohort.certificate(cohort.everyone.map((i) => cohort.consistency(i, cohort.everyone))),
    } satisfies Record<string, (cohort: Cohort) => ClientEvent>;
    const reached: [keyof typeof event, (cohort: Cohort) => unknown][] = [
      ["directory", () => undefined],
      ["inbox", (cohort) => cohort.share()],
      ["survivors", (cohort) => cohort.mask()],
      ["unmask", (cohort) => cohort.confirm(cohort.everyone)],
    ];
    for (const [due, reach] of reached)
      for (const [name, told] of Object.entries(event)) {
        if (name === due) continue;
        const cohort = cohortOf();
        reach(cohort);
        refuses(cohort, told(cohort), { code: "message-unexpected" });
      }
  });
});

describe("keys", () => {
  test("a key used in two rounds: a device draws every key, nonce and seed anew", () => {
    const device = suite.signingKeyPair(sha256Bytes("device"));
    const coordinatorKey = suite.signingKeyPair(sha256Bytes("coordinator")).publicKey;
    const { binding } = new Cohort(3);
    const random = randomFrom("one device");
    const drawn = [binding.round, binding.round, binding.round + 1].flatMap((round) => {
      const state = startClient({ ...binding, round, coordinatorKey, device });
      const [output] = stepClient(state, { type: "enrol" }, { suite, random }).outputs;
      if (output?.type !== "send" || output.message.type !== "advertise") throw new Error("no advertisement");
      const { cPublic, sPublic, nonce, seedCommitment } = output.message.advertisement;
      return [cPublic, sPublic, nonce, seedCommitment].map((bytes) => bytes.join());
    });
    expect(new Set(drawn).size).toBe(12);
  });
});
