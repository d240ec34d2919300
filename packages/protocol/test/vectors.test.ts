import { describe, expect, it } from "vitest";
import {
  advertisementBytes,
  advertisementSigningBytes,
  bytesToHex,
  canonicalJson,
  catalogueHash,
  consistencySigningBytes,
  decodeClientFrame,
  decodeModel,
  decodeServerFrame,
  directoryDigest,
  FrameAssembler,
  hashParts,
  helloSigningBytes,
  hexToBytes,
  ledgerHeadSigningBytes,
  modelHash,
  packBits,
  parseCatalogue,
  parseSignedPlan,
  planDigest,
  rosterSigningBytes,
  sessionId,
  sharingSigningBytes,
  unpackBits,
} from "../src/index.ts";
import { columnForm } from "./list-form.ts";
import chunks from "./vectors/chunks.json" with { type: "json" };
import documents from "./vectors/documents.json" with { type: "json" };
import frames from "./vectors/frames.json" with { type: "json" };
import olderPlans from "./vectors/older-plans.json" with { type: "json" };
import packing from "./vectors/packing.json" with { type: "json" };
import signing from "./vectors/signing.json" with { type: "json" };

/** Inverse of the vectors' JSON form of byte strings. */
function fromJsonForm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromJsonForm);
  if (typeof value !== "object" || value === null) return value;
  const hex = (value as { hex?: unknown }).hex;
  if (typeof hex === "string") return hexToBytes(hex);
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, fromJsonForm(entry)]));
}

/** The bytes of a vector's input, in the type that the function under test takes. */
function input<T>(value: unknown): T {
  return fromJsonForm(value) as T;
}

describe("frames", () => {
  const decode = { client: decodeClientFrame, server: decodeServerFrame } as const;

  it.each(frames.valid)("decodes $message.type of the $from", ({ from, message, frame }) => {
    const decoded = decode[from as "client" | "server"](hexToBytes(frame));
    expect(decoded).toEqual({ ok: true, value: columnForm(fromJsonForm(message) as object) });
  });

  it.each(frames.invalid)("refuses: $name", ({ from, frame, code }) => {
    const decoded = decode[from as "client" | "server"](hexToBytes(frame));
    expect(decoded.ok).toBe(false);
    if (decoded.ok) return;
    expect(decoded.rejection.code).toBe(code);
    expect(decoded.rejection.rule).not.toBe("");
    expect(decoded.rejection.fix).not.toBe("");
  });
});

describe("chunks", () => {
  it("reassembles the short frame", () => {
    const { chunks: parts, frame } = chunks.valid[0]!;
    const assembler = new FrameAssembler({ maxFrameBytes: 1000 });
    const results = parts!.map((chunk) => assembler.push(hexToBytes(chunk as string)));
    expect(results).toEqual([{ ok: true, value: hexToBytes(frame!) }]);
  });

  it.each(chunks.invalid)("refuses: $name", ({ chunk, code }) => {
    const assembler = new FrameAssembler({ maxFrameBytes: chunks.maxFrameBytes });
    const pushed = assembler.push(hexToBytes(chunk));
    expect(pushed.ok ? "accepted" : pushed.rejection.code).toBe(code);
  });
});

describe("bit packing", () => {
  it.each(packing.valid)("$bits bits", ({ bits, values, packed }) => {
    expect(bytesToHex(packBits(Uint32Array.from(values), bits))).toBe(packed);
    expect(unpackBits(hexToBytes(packed), { bits, length: values.length })).toEqual({
      ok: true,
      value: Uint32Array.from(values),
    });
  });

  it.each(packing.invalid)("refuses: $name", ({ bits, length, packed }) => {
    const unpacked = unpackBits(hexToBytes(packed), { bits, length });
    expect(unpacked.ok ? "accepted" : unpacked.rejection.code).toBe("vector-invalid");
  });
});

describe("signed bytes", () => {
  it("follow the vectors", () => {
    const { domain, parts } = signing.hashParts.input;
    expect(bytesToHex(hashParts(domain, parts.map(hexToBytes)))).toBe(signing.hashParts.output);
    expect(bytesToHex(helloSigningBytes(input(signing.hello.input)))).toBe(signing.hello.output);
    const { task, round, advertisement } = signing.advertisement.input;
    expect(bytesToHex(advertisementSigningBytes(input(advertisement), { task, round }))).toBe(
      signing.advertisement.output,
    );
    expect(signing.leaves.input.map((entry) => bytesToHex(advertisementBytes(input(entry))))).toEqual(
      signing.leaves.output,
    );
    expect(bytesToHex(directoryDigest(input(signing.directory.input)))).toBe(signing.directory.output);
    expect(bytesToHex(sessionId(input(signing.session.input)))).toBe(signing.session.output);
    expect(bytesToHex(rosterSigningBytes(hexToBytes(signing.roster.input.sid.hex)))).toBe(
      signing.roster.output,
    );
    const { sharing } = signing;
    expect(
      bytesToHex(
        sharingSigningBytes(hexToBytes(sharing.input.sid.hex), hexToBytes(sharing.input.sharing.hex)),
      ),
    ).toBe(sharing.output);
    const { sid, survivors } = signing.consistency.input;
    expect(bytesToHex(consistencySigningBytes(hexToBytes(sid.hex), survivors))).toBe(
      signing.consistency.output,
    );
    expect(bytesToHex(ledgerHeadSigningBytes(input(signing.ledgerHead.input)))).toBe(
      signing.ledgerHead.output,
    );
    expect(signing.plan.output).toBe(`kindred.plan/1:${documents.plan.digest}`);
  });
});

describe("documents", () => {
  it.each(["plan", "planForAccounts"] as const)("%s: canonical JSON and digest", (name) => {
    const { document, canonical, digest } = documents[name];
    const { plan } = parseSignedPlan({ plan: document, signature: "00".repeat(64) });
    expect(plan.participation.devices).toBe(name === "plan" ? undefined : 3);
    expect(canonicalJson(plan)).toBe(canonical);
    expect(planDigest(plan)).toBe(digest);
  });

  it("an older plan without a rotation and of bits that an operator named keeps its bytes", () => {
    const { document, canonical, digest } = olderPlans.beforeRotation;
    const { plan } = parseSignedPlan({ plan: document, signature: "00".repeat(64) });
    expect(plan.privacy.modulusBits).toBe(20);
    expect(plan.resolved.mechanism).not.toHaveProperty("rotation");
    expect(canonicalJson(plan)).toBe(canonical);
    expect(planDigest(plan)).toBe(digest);
  });

  it("catalogue: canonical JSON and hash", () => {
    const catalogue = parseCatalogue(documents.catalogue.document);
    expect(canonicalJson(catalogue)).toBe(documents.catalogue.canonical);
    expect(catalogueHash(catalogue)).toBe(documents.catalogue.hash);
  });

  it.each(documents.model.valid)("model of round $round", ({ file, hash, ...model }) => {
    const float = (value: number | string) => (value === "-0" ? -0 : (value as number));
    expect(decodeModel(hexToBytes(file), hash)).toEqual({
      ok: true,
      value: {
        ...model,
        weights: Float32Array.from(model.weights.map(float)),
        centroids: Float32Array.from(model.centroids),
        cells: Float32Array.from(model.cells),
      },
    });
  });

  it.each(documents.model.invalid)("refuses a model: $name", ({ file, field }) => {
    const bytes = hexToBytes(file);
    const decoded = decodeModel(bytes, modelHash(bytes));
    expect(decoded.ok).toBe(false);
    if (!decoded.ok) expect(decoded.rejection).toMatchObject({ code: "model-invalid", field });
  });
});
