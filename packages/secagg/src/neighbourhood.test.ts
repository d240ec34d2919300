/** The regular graph against a hostile coordinator: the real client machine refuses, and says what and why. */
import {
  advertisementSigningBytes,
  concatBytes,
  encodeMemberSet,
  type Rejection,
  sha256Bytes,
} from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { binding, Cohort, suite } from "../test/cohort.ts";
import type { ClientEvent } from "./client.ts";
import type { RoundBinding } from "./session.ts";

const N = 20;
const regular: Partial<RoundBinding> = {
  graph: "regular",
  minimumCohort: 10,
  minSurvivors: 10,
  corruption: 0.05,
  dropout: 0.1,
};
const cohortOf = (changes: Partial<RoundBinding> = {}) => new Cohort(N, { ...regular, ...changes });
const member = 7;

type Neighbourhood = Extract<ClientEvent, { type: "neighbourhood" }>;

describe("neighbourhood (R1)", () => {
  /** What the member says to a neighbourhood that was altered; its own client has ended. */
  function refuses(
    alter: (honest: Neighbourhood, cohort: Cohort) => ClientEvent,
    changes: Partial<RoundBinding> = {},
  ): Rejection {
    const cohort = cohortOf(changes);
    const rejection = cohort.refusal(member, alter(cohort.neighbourhood(member), cohort));
    expect(cohort.states[member]!.phase).toBe("ended");
    expect(rejection.fix).not.toBe("");
    return rejection;
  }
  const flipped = (bytes: Uint8Array, at = 0) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const first = (honest: Neighbourhood, change: object) => ({
    ...honest,
    neighbours: honest.neighbours.map((entry, i) => (i === 0 ? { ...entry, ...change } : entry)),
  });

  test("an honest one is answered with one box for each neighbour that the graph gives", () => {
    const cohort = cohortOf();
    const { neighbours, degree } = cohort.session();
    const { peers } = cohort.send(member, cohort.neighbourhood(member), "shares");
    expect([...peers]).toEqual(neighbours(member));
    expect(peers).toHaveLength(degree);
  });

  test.each<[string, (honest: Neighbourhood, cohort: Cohort) => ClientEvent, Partial<Rejection>]>([
    [
      "a wrong proof of a neighbour",
      (honest) => first(honest, { proof: flipped(honest.neighbours[0]!.proof) }),
      { code: "roster-invalid", field: "neighbourhood.neighbours[0].proof" },
    ],
    [
      "no proof of a neighbour",
      (honest) => first(honest, { proof: new Uint8Array(0) }),
      { code: "roster-invalid", field: "neighbourhood.neighbours[0].proof" },
    ],
    [
      "the proof of another member",
      (honest) => first(honest, { proof: honest.neighbours[1]!.proof }),
      { code: "roster-invalid", field: "neighbourhood.neighbours[0].proof" },
    ],
    [
      "a neighbour left out",
      (honest) => ({ ...honest, neighbours: honest.neighbours.slice(1) }),
      { code: "roster-invalid", field: "neighbourhood.neighbours" },
    ],
    [
      "a neighbour twice",
      (honest) => first(honest, honest.neighbours[1]!),
      { code: "roster-invalid", field: "neighbourhood.neighbours[0].advertisement" },
    ],
    [
      "a member who is no neighbour of the graph, properly proved",
      (honest, cohort) => {
        const { neighbours } = cohort.session();
        const stranger = cohort.everyone.find((i) => i !== member && !neighbours(member).includes(i))!;
        const friend = cohort.neighbourhood(neighbours(stranger)[0]!);
        return first(honest, {
          advertisement: cohort.advertisements[stranger]!,
          proof: friend.neighbours[0]!.proof,
        });
      },
      { code: "roster-invalid", field: "neighbourhood.neighbours[0].advertisement" },
    ],
    [
      "keys of a neighbour that the root does not hold",
      (honest) =>
        first(honest, {
          advertisement: { ...honest.neighbours[0]!.advertisement, sPublic: sha256Bytes("chosen") },
        }),
      { code: "roster-invalid", field: "neighbourhood.neighbours[0].proof" },
    ],
    [
      "unsorted device keys",
      (honest) => ({
        ...honest,
        devices: concatBytes(
          honest.devices.subarray(32, 64),
          honest.devices.subarray(0, 32),
          honest.devices.subarray(64),
        ),
      }),
      {
        code: "roster-invalid",
        field: "neighbourhood.devices",
        rule: "must be strictly sorted by device key",
      },
    ],
    [
      "the own device key twice",
      (honest) => {
        const own = honest.devices.subarray(32 * member, 32 * (member + 1));
        const rest = honest.devices.subarray(32 * (member + 1));
        return { ...honest, devices: concatBytes(honest.devices.subarray(0, 32 * member), own, own, rest) };
      },
      {
        code: "roster-invalid",
        field: "neighbourhood.devices",
        rule: "must be strictly sorted by device key",
      },
    ],
    [
      "device keys without the own one",
      (honest) => ({
        ...honest,
        devices: concatBytes(
          honest.devices.subarray(0, 32 * member),
          honest.devices.subarray(32 * (member + 1)),
        ),
      }),
      { code: "roster-invalid", field: "neighbourhood.devices", rule: "must name this device" },
    ],
    [
      "device keys cut short",
      (honest) => ({ ...honest, devices: honest.devices.subarray(1) }),
      { code: "roster-invalid", field: "neighbourhood.devices" },
    ],
    [
      "fewer members than the client's minimum",
      (honest) => ({ ...honest, devices: honest.devices.subarray(0, 32 * 9) }),
      { code: "cohort-too-small", field: "neighbourhood.devices" },
    ],
    [
      "an own proof that does not hold",
      (honest) => ({ ...honest, proof: flipped(honest.proof, 40) }),
      { code: "roster-invalid", field: "neighbourhood.proof" },
    ],
    [
      "another root",
      (honest) => ({ ...honest, root: sha256Bytes("another directory") }),
      { code: "roster-invalid", field: "neighbourhood.proof" },
    ],
    [
      "a signature of somebody else",
      (honest, cohort) => ({
        ...honest,
        signature: suite.sign(cohort.sid(), cohort.devices[0]!.secretKey),
      }),
      { code: "signature-invalid", field: "neighbourhood.signature" },
    ],
    [
      "the whole roster in its place",
      (_, cohort) => cohort.roster(),
      { code: "roster-invalid", field: "roster" },
    ],
  ])("%s", (_, alter, expected) => {
    expect(refuses(alter)).toMatchObject(expected);
  });

  test("the own advertisement altered under the root, although properly signed by the device", () => {
    const rejection = refuses((_, cohort) => {
      const altered = cohort.readvertise(member, { nonce: new Uint8Array(16) }, (unsigned) =>
        suite.sign(advertisementSigningBytes(unsigned, cohort.binding), cohort.devices[member]!.secretKey),
      );
      return cohort.neighbourhood(
        member,
        cohort.advertisements.map((entry, i) => (i === member ? altered : entry)),
      );
    });
    expect(rejection).toMatchObject({ code: "roster-invalid", field: "neighbourhood.proof" });
  });

  /** A directory in which some member's advertisement is another; it is proved and signed by the coordinator. */
  function withAltered(
    change: (cohort: Cohort, victim: number) => Cohort["advertisements"][number],
  ): Rejection {
    const cohort = cohortOf();
    // The graph follows from the directory, so it takes a few tries until the altered member is a neighbour.
    for (let victim = 0; victim < N; victim++) {
      if (victim === member) continue;
      const altered = change(cohort, victim);
      const entries = cohort.advertisements.map((entry, i) => (i === victim ? altered : entry));
      if (!cohort.session(entries).neighbours(member).includes(victim)) continue;
      return cohort.refusal(member, cohort.neighbourhood(member, entries));
    }
    throw new Error("no altered member is a neighbour");
  }

  test("a neighbour's advertisement that the coordinator forged", () => {
    const rejection = withAltered((cohort, victim) =>
      cohort.readvertise(victim, { sPublic: sha256Bytes("chosen by the coordinator") }, (unsigned) =>
        suite.sign(advertisementSigningBytes(unsigned, cohort.binding), cohort.coordinator.secretKey),
      ),
    );
    expect(rejection).toMatchObject({ code: "signature-invalid", fix: "leave the member out" });
    expect(rejection.field).toMatch(/^neighbourhood\.neighbours\[\d+\]\.advertisement\.signature$/);
  });

  test("a neighbour that copied the client's own key", () => {
    const rejection = withAltered((cohort, victim) =>
      cohort.readvertise(victim, { sPublic: cohort.advertisements[member]!.cPublic }, (unsigned) =>
        suite.sign(advertisementSigningBytes(unsigned, cohort.binding), cohort.devices[victim]!.secretKey),
      ),
    );
    expect(rejection).toMatchObject({ code: "roster-invalid", rule: "must not name a key twice" });
  });

  test.each([
    ["beacon", { beacon: sha256Bytes("another beacon") }],
    ["model", { modelHash: sha256Bytes("another model") }],
    ["plan", { planDigest: sha256Bytes("another plan") }],
  ])("a neighbourhood under another %s", (_, changes) => {
    // Another session gives another graph, so it is refused before its signature is looked at, or for the signature.
    const rejection = refuses((_honest, cohort) =>
      cohort.neighbourhood(member, cohort.advertisements, changes),
    );
    expect(rejection.field).toMatch(/^neighbourhood\.(neighbours|signature)/);
  });

  test("in the complete graph", () => {
    const cohort = new Cohort(5);
    const { devices, root, proof, signature } = cohort.neighbourhood(2);
    const claim = { type: "neighbourhood", devices, root, proof, neighbours: [], signature } as const;
    expect(cohort.refusal(2, claim)).toMatchObject({ code: "roster-invalid", field: "neighbourhood" });
  });
});

describe("U2 and U3 in the regular graph", () => {
  test("a coordinator that withholds a survivor's box from the client: its input was for another U2", () => {
    const cohort = cohortOf();
    const inboxes = cohort.share();
    const near = cohort.session().neighbours(member);
    const hidden = near[0]!;
    const seen = cohort.everyone.filter((other) => other !== hidden);
    const boxes = inboxes[member]!.filter(({ peer }) => peer !== hidden);
    // With the true U2 the missing box shows at once; without the member the client masks, but for another set.
    expect(cohort.step(member, cohort.inbox(boxes, seen))[0]!.type).toBe("mask");
    const rejection = cohort.refusal(member, cohort.survivors(member, cohort.everyone));
    expect(rejection).toMatchObject({ code: "message-invalid", field: "survivors.members" });
    expect(rejection.rule).toContain(`member ${hidden}`);
  });

  test("… and the others give nothing away about it: they see that a neighbour masked for another U2", () => {
    const cohort = cohortOf();
    cohort.mask();
    const near = cohort.session().neighbours(member);
    const other = near[1]!;
    const position = cohort.session().neighbours(other).indexOf(member);
    const seen = cohort.everyone.filter((present) => present !== near[0]);
    const honest = cohort.survivors(other, cohort.everyone);
    const statements = honest.statements.map((statement, i) =>
      i === position ? cohort.statement(member, seen) : statement,
    );
    const rejection = cohort.refusal(other, { ...honest, statements });
    expect(rejection).toMatchObject({ code: "signature-invalid", field: "survivors.statements" });
    expect(rejection.rule).toContain(`member ${member}`);
  });

  test("a neighbour's statement left out", () => {
    const cohort = cohortOf();
    cohort.mask();
    const honest = cohort.survivors(member, cohort.everyone);
    const rejection = cohort.refusal(member, { ...honest, statements: honest.statements.slice(1) });
    expect(rejection).toMatchObject({ code: "message-invalid", field: "survivors.statements" });
  });

  test("survivors chosen so that the ring falls apart", () => {
    const cohort = cohortOf({ minSurvivors: 8 });
    cohort.mask();
    const { ring, degree } = cohort.session();
    const width = degree / 2;
    const cut = [...ring.slice(0, width), ...ring.slice(10, 10 + width)];
    const survivors = cohort.everyone.filter((other) => !cut.includes(other));
    const victim = survivors[0]!;
    const rejection = cohort.refusal(victim, cohort.survivors(victim, survivors));
    expect(rejection).toMatchObject({ code: "too-few-survivors", field: "survivors.members" });
    expect(rejection.rule).toContain("windows");
  });

  test("fewer survivors than the client's minimum", () => {
    const cohort = cohortOf({ minSurvivors: 19 });
    cohort.mask();
    const survivors = cohort.everyone.slice(0, 18);
    expect(cohort.refusal(member, cohort.survivors(member, survivors))).toMatchObject({
      code: "too-few-survivors",
      rule: expect.stringContaining("at least 19"),
    });
  });
});

describe("unmask (R4) in the regular graph", () => {
  const confirmed = () => {
    const cohort = cohortOf();
    return { cohort, signatures: cohort.confirm(cohort.everyone), quorum: cohort.session().quorum };
  };

  test("a quorum of the whole cohort is enough, one less is not, whichever members they are", () => {
    const { cohort, signatures, quorum } = confirmed();
    expect(quorum).toBe(11);
    expect(cohort.refusal(0, cohort.certificate(signatures.slice(0, quorum - 1)))).toMatchObject({
      code: "signature-invalid",
      rule: expect.stringContaining(`at least ${quorum}`),
    });
    const [reveal] = cohort.step(1, cohort.certificate(signatures.slice(0, quorum)));
    if (reveal?.type !== "send" || reveal.message.type !== "reveal") throw new Error("no reveal");
    const near = cohort.session().neighbours(1);
    expect([...reveal.message.owners].sort((a, b) => a - b)).toEqual(near);
  });

  test("signatures over another U3: too few agree", () => {
    const { cohort, quorum } = confirmed();
    const others = cohort.everyone.filter((other) => other !== 3);
    const signatures = cohort.everyone.map((signer) =>
      cohort.consistency(signer, signer < quorum - 1 ? cohort.everyone : others),
    );
    expect(cohort.refusal(0, cohort.certificate(signatures))).toMatchObject({
      code: "signature-invalid",
      rule: expect.stringContaining(`found ${quorum - 1}`),
    });
  });

  test("one signer's signature under others' names", () => {
    const { cohort, signatures } = confirmed();
    const [one] = signatures;
    const repeated = cohort.everyone.map((index) => ({ index, signature: one!.signature }));
    expect(cohort.refusal(5, cohort.certificate(repeated))).toMatchObject({
      code: "signature-invalid",
      rule: expect.stringContaining("found 2"),
    });
  });

  test("signers that are no survivors, and signatures that do not fit their number", () => {
    const { cohort, signatures } = confirmed();
    const certificate = cohort.certificate(signatures);
    expect(
      cohort.refusal(0, { ...certificate, signatures: certificate.signatures.subarray(64) }),
    ).toMatchObject({ code: "message-invalid", field: "unmask.signatures" });
    const other = cohortOf();
    const survivors = other.everyone.slice(1);
    const fewer = other.confirm(survivors);
    const outsider = { index: 0, signature: fewer[0]!.signature };
    expect(other.refusal(4, other.certificate([outsider, ...fewer]))).toMatchObject({
      code: "message-invalid",
      field: "unmask.signers",
    });
    const beyond = { ...other.certificate(fewer), signers: encodeMemberSet([0], N + 8) };
    expect(other.refusal(5, beyond)).toMatchObject({ code: "message-invalid", field: "unmask.signers" });
  });

  test("signatures of another session", () => {
    const { cohort } = confirmed();
    const other = cohortOf({ beacon: sha256Bytes("another beacon"), task: binding.task });
    const signatures = cohort.everyone.map((signer) => other.consistency(signer, cohort.everyone));
    expect(cohort.refusal(0, cohort.certificate(signatures))).toMatchObject({
      code: "signature-invalid",
      rule: expect.stringContaining("found 1"),
    });
  });
});
