import { describe, expect, it } from "vitest";
import { sha256Hex } from "./canonical.ts";
import {
  assembleFeatures,
  decodeFeatureBundle,
  decodeFeatureManifest,
  decodeFeatureSegment,
  encodeFeatureBundle,
  encodeFeatureManifest,
  encodeFeatureSegment,
  type FeatureManifest,
} from "./item-features.ts";
import { quantiseRows } from "./quantised-rows.ts";

const segmentOf = (...rows: number[][]) => {
  const file = encodeFeatureSegment(quantiseRows(Float32Array.from(rows.flat()), 2));
  return { file, hash: sha256Hex(file), rows: rows.length };
};
const first = segmentOf([127, 0], [0, 127]);
const second = segmentOf([-127, 0]);
const manifest: FeatureManifest = {
  catalogue: "c".repeat(64),
  dimension: 2,
  source: "hashed n-grams",
  segments: [first, second].map(({ hash, rows }) => ({ hash, rows })),
  rowOf: Uint32Array.of(2, 0, 2, 1),
};
const segments = new Map([first, second].map(({ hash, file }) => [hash, file]));
const encoded = encodeFeatureManifest(manifest);

describe("item features", () => {
  it("come back from manifest and segments, in the order of the items", () => {
    const decoded = decodeFeatureManifest(encoded, sha256Hex(encoded));
    expect(decoded).toEqual(manifest);
    expect(Array.from(assembleFeatures(decoded, segments))).toEqual([-127, 0, 127, 0, -127, 0, 0, 127]);
  });

  it("come back from a bundle, each segment under its own hash", () => {
    const bundle = decodeFeatureBundle(encodeFeatureBundle({ manifest: encoded, segments }));
    expect(bundle.manifest).toEqual(encoded);
    expect([...bundle.segments.keys()].sort()).toEqual([...segments.keys()].sort());
  });

  it("are refused where a segment is missing, of another width, or not what the manifest says", () => {
    expect(() => assembleFeatures(manifest, new Map([[first.hash, first.file]]))).toThrow("is missing");
    const counts = { ...manifest, segments: [{ hash: first.hash, rows: 3 }] };
    expect(() => assembleFeatures(counts, segments)).toThrow("must have 3 rows of 2");
    expect(() => assembleFeatures({ ...manifest, dimension: 4 }, segments)).toThrow("must have rows of 4");
    expect(() => assembleFeatures(manifest, new Map([...segments, [first.hash, second.file]]))).toThrow(
      "must have the content hash",
    );
  });

  it("take no room for rows that a manifest only claims", () => {
    const rows = 1_000_000;
    const hashes = Array.from({ length: 4096 }, (_, i) => i.toString(16).padStart(64, "0"));
    const absent = { ...manifest, dimension: 512, segments: hashes.map((hash) => ({ hash, rows })) };
    expect(() => assembleFeatures(absent, segments)).toThrow("is missing");
    const wide = encodeFeatureSegment({
      columns: 512,
      scales: new Float32Array(4),
      codes: new Int8Array(2048),
    });
    const hash = sha256Hex(wide);
    const often = { ...manifest, dimension: 512, segments: hashes.map(() => ({ hash, rows: 4 })) };
    const rowOf = Uint32Array.of(0, 4 * 4096 - 1);
    expect(assembleFeatures({ ...often, rowOf }, new Map([[hash, wide]]))).toEqual(new Float32Array(1024));
  });

  it("are refused where a value would be infinite", () => {
    const file = encodeFeatureSegment({ columns: 1, scales: Float32Array.of(3e38), codes: Int8Array.of(2) });
    expect(() => decodeFeatureSegment(file, sha256Hex(file))).toThrow("features.segment.scales");
  });

  it("are refused where a file is not of its hash, not CBOR, or points beyond the rows", () => {
    expect(() => decodeFeatureManifest(encoded, "0".repeat(64))).toThrow("content hash");
    expect(() => decodeFeatureSegment(first.file, second.hash)).toThrow("content hash");
    const noise = Uint8Array.of(255, 1);
    expect(() => decodeFeatureManifest(noise, sha256Hex(noise))).toThrow("deterministic CBOR");
    const beyond = encodeFeatureManifest({ ...manifest, rowOf: Uint32Array.of(0, 3) });
    expect(() => decodeFeatureManifest(beyond, sha256Hex(beyond))).toThrow("features.rowOf.1");
    const broken = { columns: 2, scales: Float32Array.of(Number.NaN), codes: Int8Array.of(1, 2) };
    const nan = encodeFeatureSegment(broken);
    expect(() => decodeFeatureSegment(nan, sha256Hex(nan))).toThrow("finite");
    const short = encodeFeatureSegment({ ...broken, scales: Float32Array.of(1), codes: Int8Array.of(1) });
    expect(() => decodeFeatureSegment(short, sha256Hex(short))).toThrow("1 rows of 2 bytes");
  });
});
