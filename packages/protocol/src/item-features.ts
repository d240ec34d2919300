/**
 * The public feature vectors of a catalogue's items as a file: quantised rows in content-addressed segments, and a
 * manifest that says which row belongs to which item. When items are added, the segments that exist stay as they are, so a
 * device fetches the new rows only.
 */
import { z } from "zod";
import { sha256Hex } from "./canonical.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { type ErrorCode, KindredError } from "./errors.ts";
import { areFiniteFloats, bytesFloat, floatBytes } from "./float-bytes.ts";
import { dequantiseRows, type QuantisedRows } from "./quantised-rows.ts";
import { rejectionFromZod } from "./validation.ts";

const MANIFEST_SCHEMA = "kindred.features/1";
const SEGMENT_SCHEMA = "kindred.features-segment/1";
const BUNDLE_SCHEMA = "kindred.features-bundle/1";

const CODE: ErrorCode = "catalogue-invalid";
const MAX_SEGMENTS = 4096;
/** 2^120: with codes down to −128 no product leaves float32. */
const LARGEST_SCALE = 2 ** 120;

const digest = z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits");
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, { message: "must be bytes" });
const dimension = z.number().int().min(1).max(512);

const segmentSchema = z.strictObject({
  schema: z.literal(SEGMENT_SCHEMA),
  columns: dimension,
  scales: bytes,
  codes: bytes,
});

const manifestSchema = z.strictObject({
  schema: z.literal(MANIFEST_SCHEMA),
  catalogue: digest,
  dimension,
  source: z.string().min(1).max(500),
  segments: z
    .array(z.strictObject({ hash: digest, rows: z.number().int().min(1).max(1_000_000) }))
    .min(1)
    .max(MAX_SEGMENTS),
  rowOf: bytes,
});

const bundleSchema = z.strictObject({
  schema: z.literal(BUNDLE_SCHEMA),
  manifest: bytes,
  segments: z.array(bytes).max(MAX_SEGMENTS),
});

/** Which row of which segment belongs to each item. */
export interface FeatureManifest {
  /** Content hash of the catalogue whose items these are. */
  readonly catalogue: string;
  /** d, entries of a row. */
  readonly dimension: number;
  /** What the rows were made from, in words, for people who look: `hashed n-grams`, a model's name. */
  readonly source: string;
  readonly segments: readonly { readonly hash: string; readonly rows: number }[];
  /** Per item of the catalogue its row, counted through all segments. */
  readonly rowOf: Uint32Array;
}

/** A manifest's file and the segments at hand, by content hash. */
export interface FeatureBundle {
  readonly manifest: Uint8Array;
  readonly segments: ReadonlyMap<string, Uint8Array>;
}

function refuse(field: string, rule: string): never {
  throw new KindredError({ code: CODE, field, rule, fix: "build it anew with kindred catalogue build" });
}

function read<T>(file: Uint8Array, schema: z.ZodType<T>, root: string): T {
  let body: unknown;
  try {
    body = decodeCbor(file);
  } catch {
    refuse(root, "must be one deterministic CBOR document");
  }
  const parsed = schema.safeParse(body, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw new KindredError(rejectionFromZod(parsed.error, { code: CODE, root }));
}

function checkHash(file: Uint8Array, expected: string, field: string): void {
  const found = sha256Hex(file);
  if (found !== expected) refuse(field, `must have the content hash ${expected}, found ${found}`);
}

/** Encodes one segment; the same rows always give the same bytes. */
export function encodeFeatureSegment({ columns, scales, codes }: QuantisedRows): Uint8Array {
  return encodeCbor({
    schema: SEGMENT_SCHEMA,
    columns,
    scales: floatBytes(scales),
    codes: new Uint8Array(codes.buffer, codes.byteOffset, codes.length),
  });
}

/** @throws KindredError `catalogue-invalid` if the file is no such segment, or not the one of that hash */
export function decodeFeatureSegment(file: Uint8Array, expectedHash: string): QuantisedRows {
  checkHash(file, expectedHash, "features.segment");
  const segment = read(file, segmentSchema, "features.segment");
  if (!areFiniteFloats(segment.scales)) refuse("features.segment.scales", "must be finite float32 values");
  const scales = bytesFloat(segment.scales);
  const rows = scales.length;
  if (rows === 0 || segment.codes.length !== rows * segment.columns)
    refuse("features.segment.codes", `must be ${rows} rows of ${segment.columns} bytes`);
  if (scales.some((scale) => scale < 0)) refuse("features.segment.scales", "must not be negative");
  if (scales.some((scale) => scale > LARGEST_SCALE))
    refuse("features.segment.scales", `must be at most ${LARGEST_SCALE}, so that every value is finite`);
  return {
    columns: segment.columns,
    scales,
    codes: Int8Array.from(new Int8Array(segment.codes.slice().buffer)),
  };
}

/** Encodes a manifest; the same manifest always gives the same bytes. */
export function encodeFeatureManifest(manifest: FeatureManifest): Uint8Array {
  const rowOf = new Uint8Array(manifest.rowOf.length * 4);
  const view = new DataView(rowOf.buffer);
  manifest.rowOf.forEach((row, item) => {
    view.setUint32(item * 4, row, true);
  });
  const segments = manifest.segments.map(({ hash, rows }) => ({ hash, rows }));
  return encodeCbor({ ...manifest, schema: MANIFEST_SCHEMA, segments, rowOf });
}

/** @throws KindredError `catalogue-invalid` if the file is no such manifest, or not the one of that hash */
export function decodeFeatureManifest(file: Uint8Array, expectedHash: string): FeatureManifest {
  checkHash(file, expectedHash, "features");
  const { schema: _, ...manifest } = read(file, manifestSchema, "features");
  const { length } = manifest.rowOf;
  if (length < 8 || length % 4 !== 0)
    refuse("features.rowOf", "must be 32-bit integers, one for each of at least 2 items");
  const view = new DataView(manifest.rowOf.buffer, manifest.rowOf.byteOffset, length);
  const rowOf = Uint32Array.from({ length: length / 4 }, (_, item) => view.getUint32(item * 4, true));
  const rows = manifest.segments.reduce((sum, segment) => sum + segment.rows, 0);
  const beyond = rowOf.findIndex((row) => row >= rows);
  if (beyond >= 0) refuse(`features.rowOf.${beyond}`, `must be a row of the segments, which have ${rows}`);
  return { ...manifest, rowOf };
}

/**
 * The feature vectors of all items, in the catalogue's order.
 *
 * @param segments at least those that the manifest names; each is checked against its hash
 * @returns row-major items × dimension
 * @throws KindredError `catalogue-invalid` if a segment is missing or does not have the rows that the manifest says
 */
export function assembleFeatures(
  { dimension: columns, segments: named, rowOf }: FeatureManifest,
  segments: ReadonlyMap<string, Uint8Array>,
): Float32Array {
  // No more room is made than for the items: a manifest may claim rows that no file has, or one file many times.
  const rows = new Map<string, Float32Array>();
  const starts: number[] = [];
  let start = 0;
  for (const { hash, rows: count } of named) {
    const values = rows.get(hash) ?? segmentRows(hash, segments.get(hash), columns);
    if (values.length !== count * columns)
      refuse("features.segments", `must have ${count} rows of ${columns} in ${hash}`);
    rows.set(hash, values);
    starts.push(start);
    start += count;
  }
  const features = new Float32Array(rowOf.length * columns);
  rowOf.forEach((row, item) => {
    const segment = lastAtMost(starts, row);
    const from = (row - starts[segment]!) * columns;
    features.set(rows.get(named[segment]!.hash)!.subarray(from, from + columns), item * columns);
  });
  return features;
}

/** The values of one segment, which must have rows of that width. */
function segmentRows(hash: string, file: Uint8Array | undefined, columns: number): Float32Array {
  if (file === undefined) refuse("features.segments", `must be at hand, but ${hash} is missing`);
  const segment = decodeFeatureSegment(file, hash);
  if (segment.columns !== columns)
    refuse("features.segments", `must have rows of ${columns}, found ${segment.columns} in ${hash}`);
  return dequantiseRows(segment);
}

/** Index of the last of the ascending numbers that is at most `value`; the first is 0. */
function lastAtMost(ascending: readonly number[], value: number): number {
  let [low, high] = [0, ascending.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (ascending[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** One file with everything: what an operator hands to a coordinator, and what a device keeps. */
export function encodeFeatureBundle({ manifest, segments }: FeatureBundle): Uint8Array {
  return encodeCbor({ schema: BUNDLE_SCHEMA, manifest, segments: [...segments.values()] });
}

/** Segments are keyed by the hash they really have. @throws KindredError `catalogue-invalid` */
export function decodeFeatureBundle(file: Uint8Array): FeatureBundle {
  const { manifest, segments } = read(file, bundleSchema, "features.bundle");
  return { manifest, segments: new Map(segments.map((segment) => [sha256Hex(segment), segment])) };
}
