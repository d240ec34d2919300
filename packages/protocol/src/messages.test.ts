import { describe, expect, it } from "vitest";
import { bytesFrom, clientSamples, sampleAdvertisement, serverSamples } from "../test/samples.ts";
import { concatBytes } from "./canonical.ts";
import { decodeServerFrame, encodeFrame } from "./codec.ts";
import { describeRejection, ERROR_CODES, ERROR_TABLE, KindredError, rejected } from "./errors.ts";
import { writeIndices } from "./member-records.ts";
import {
  clientMessageSchema,
  rejectionMessage,
  type ServerMessage,
  serverMessageSchema,
  wireForm,
} from "./messages.ts";
import { sealedColumns } from "./share-columns.ts";

/** The wire form of a sample. */
function wireOf(type: string): Record<string, unknown> {
  const sample = [...clientSamples, ...serverSamples].find((message) => message.type === type)!;
  return { ...wireForm(sample) };
}

/** The issues of a message with some columns replaced, as `field rule`. */
function issuesOf(type: string, changes: Record<string, unknown>): string[] {
  const schema = clientSamples.some((message) => message.type === type)
    ? clientMessageSchema
    : serverMessageSchema;
  const parsed = schema.safeParse({ ...wireOf(type), ...changes });
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
}

describe("lists with one entry per member travel as columns", () => {
  it.each([
    ["shares", "peers", "boxes"],
    ["inbox", "peers", "boxes"],
    ["reveal", "owners", "shares"],
  ] as const)("%s", (type, members, records) => {
    const kinds = (count: number) => (type === "reveal" ? { kinds: new Uint8Array(count) } : {});
    const change = (indices: readonly number[], bytes: number) =>
      issuesOf(type, {
        [members]: writeIndices(Uint32Array.from(indices)),
        [records]: new Uint8Array(bytes),
        ...kinds(indices.length),
      });
    expect(change([], 0)).toEqual([]);
    expect(change([0xfffff], 1)).toEqual([]);
    expect(change([1, 0], 64)).toEqual([]);
    expect(change([3, 3], 64)).toEqual([`${members} must name each member at most once`]);
    expect(change([0x100000], 32)).toEqual([`${members} must name members from 0 to 1048575`]);
    for (const bytes of [0, 63, 65, 2 * 1024 + 2])
      expect(change([1, 2], bytes)).toEqual([
        expect.stringMatching(`^${records} must be 1 to \\d+ bytes for each of 2 entries`),
      ]);
    expect(change([], 1)).toHaveLength(1);
    for (const bytes of [bytesFrom(0, 3), "00", [1]])
      expect(issuesOf(type, { [members]: bytes, [records]: new Uint8Array(0), ...kinds(0) })).toEqual([
        `${members} must be 4 bytes for each of at most 100000 entries`,
      ]);
  });

  it("reveal names a kind for every owner", () => {
    for (const kinds of [Uint8Array.of(0), Uint8Array.of(0, 1, 0), Uint8Array.of(0, 2)])
      expect(issuesOf("reveal", { kinds })).toEqual([
        "kinds must be one byte for each owner, 0 for self-mask and 1 for mask-key",
      ]);
  });

  it("roster and neighbourhood hold whole advertisements, and a proof of each", () => {
    const whole = "must be 208 bytes for each of at most 100000 entries";
    for (const length of [1, 207, 209]) {
      expect(issuesOf("roster", { entries: new Uint8Array(length) })).toEqual([`entries ${whole}`]);
      expect(issuesOf("neighbourhood", { advertisements: new Uint8Array(length) })).toEqual([
        `advertisements ${whole}`,
      ]);
    }
    const proof = (hashes: number) => Uint8Array.of(hashes, ...new Uint8Array(32 * hashes));
    for (const proofs of [proof(0), proof(17)]) expect(issuesOf("neighbourhood", { proofs })).toEqual([]);
    for (const proofs of [
      [],
      [proof(1), proof(1)],
      [proof(1).subarray(1)],
      [proof(2).subarray(0, 64)],
      [proof(18)],
    ])
      expect(issuesOf("neighbourhood", { proofs: concatBytes(...proofs) })).toEqual([
        "proofs must be one of at most 17 hashes for each of 1 advertisements",
      ]);
  });

  it("cannot be written where entries differ in length", () => {
    const shares = [
      { peer: 0, box: new Uint8Array(2) },
      { peer: 1, box: new Uint8Array(3) },
    ];
    expect(() => sealedColumns(shares)).toThrow("record 1 must have 2 bytes");
    const short = { ...sampleAdvertisement(0), signature: new Uint8Array(63) };
    expect(() =>
      encodeFrame({ type: "roster", round: 1, entries: [short], signature: bytesFrom(0, 64) }),
    ).toThrow("an advertisement's signature must have 64 bytes, found 63");
    const neighbours = [{ advertisement: sampleAdvertisement(0), proof: new Uint8Array(31) }];
    const sample = serverSamples.find(({ type }) => type === "neighbourhood")!;
    expect(() => encodeFrame({ ...sample, neighbours } as ServerMessage)).toThrow("found 31 bytes");
  });
});

describe("rejections", () => {
  it("travel as they are", () => {
    const { rejection } = rejected("plan-invalid", "plan.rounds", {
      rule: "must be at least 1",
      fix: "raise it",
    });
    const message = rejectionMessage(rejection);
    expect(message).toEqual({ type: "rejection", ...rejection });
    expect(decodeServerFrame(encodeFrame(message))).toEqual({ ok: true, value: message });
  });

  it("are shortened to what the message can carry", () => {
    const long = "x".repeat(5000);
    const message = rejectionMessage({ code: "message-invalid", field: long, rule: long, fix: long });
    expect(message.rule).toBe(`${"x".repeat(499)}…`);
    expect(decodeServerFrame(encodeFrame(message)).ok).toBe(true);
  });

  it("read as one line, and KindredError carries one", () => {
    const rejection = {
      code: "plan-invalid",
      field: "plan.rounds",
      rule: "must be at least 1",
      fix: "raise it",
    } as const;
    expect(describeRejection(rejection)).toBe("plan-invalid: plan.rounds must be at least 1; raise it");
    const error = new KindredError(rejection);
    expect(error).toMatchObject({ name: "KindredError", code: "plan-invalid", rejection });
    expect(error.message).toBe(describeRejection(rejection));
  });
});

describe("error table", () => {
  it("gives every code an HTTP error status and a summary of its own", () => {
    expect(ERROR_CODES.length).toBe(Object.keys(ERROR_TABLE).length);
    const summaries = new Set<string>();
    for (const code of ERROR_CODES) {
      const { status, summary } = ERROR_TABLE[code];
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/); // also a metric label
      summaries.add(summary);
    }
    expect(summaries.size).toBe(ERROR_CODES.length);
  });
});
