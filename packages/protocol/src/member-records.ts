/**
 * Lists with one entry per member, as they cross the wire: a message to or from a member of a large cohort holds a
 * thousand boxes or shares, and a map for each of them would take longer to encode than the cryptography. A list travels
 * as columns, byte strings that hold one record of fixed width for every entry (PROTOCOL.md §4).
 */
import { concatBytes } from "./canonical.ts";

/** Bytes of a member's index in a column. */
export const INDEX_BYTES = 4;

/** The widths of an advertisement's fields, in their order (`advertisementBytes`). */
const ADVERTISEMENT_FIELDS = [
  ["device", 32],
  ["cPublic", 32],
  ["sPublic", 32],
  ["nonce", 16],
  ["seedCommitment", 32],
  ["signature", 64],
] as const;

/** Bytes of an advertisement: its fields one after another. */
export const ADVERTISEMENT_BYTES = ADVERTISEMENT_FIELDS.reduce((total, [, width]) => total + width, 0);

/** One record per key, as views of `bytes`. */
type AdvertisementFields = Record<(typeof ADVERTISEMENT_FIELDS)[number][0], Uint8Array>;

/**
 * The column of these advertisements, their fields one after another.
 * @throws RangeError if a field has another width
 */
export function writeAdvertisements(advertisements: readonly AdvertisementFields[]): Uint8Array {
  const column = new Uint8Array(ADVERTISEMENT_BYTES * advertisements.length);
  advertisements.forEach((advertisement, i) => {
    column.set(recordOf(advertisement), ADVERTISEMENT_BYTES * i);
  });
  return column;
}

/** An advertisement is written to each of its neighbours. It does not change. */
const written = new WeakMap<AdvertisementFields, Uint8Array>();

function recordOf(advertisement: AdvertisementFields): Uint8Array {
  const known = written.get(advertisement);
  if (known !== undefined) return known;
  const record = new Uint8Array(ADVERTISEMENT_BYTES);
  let at = 0;
  for (const [name, width] of ADVERTISEMENT_FIELDS) {
    const field = advertisement[name];
    if (field.length !== width)
      throw new RangeError(`an advertisement's ${name} must have ${width} bytes, found ${field.length}`);
    record.set(field, at);
    at += width;
  }
  written.set(advertisement, record);
  return record;
}

/** The fields of the advertisement at `offset`, views of `bytes`. */
function advertisementAt(bytes: Uint8Array, offset: number): AdvertisementFields {
  let at = offset;
  return Object.fromEntries(
    ADVERTISEMENT_FIELDS.map(([name, width]) => {
      const field = bytes.subarray(at, at + width);
      at += width;
      return [name, field];
    }),
  ) as AdvertisementFields;
}

/** Inverse of `writeAdvertisements`. @param bytes a multiple of `ADVERTISEMENT_BYTES`; the result views it */
export function readAdvertisements(bytes: Uint8Array): AdvertisementFields[] {
  return Array.from({ length: bytes.length / ADVERTISEMENT_BYTES }, (_, i) =>
    advertisementAt(bytes, i * ADVERTISEMENT_BYTES),
  );
}

/** A column of indices, big-endian u32. */
export function writeIndices(indices: Uint32Array): Uint8Array {
  const column = new Uint8Array(INDEX_BYTES * indices.length);
  const view = new DataView(column.buffer);
  for (let i = 0; i < indices.length; i++) view.setUint32(INDEX_BYTES * i, indices[i]!);
  return column;
}

/** Inverse of `writeIndices`. @param column a multiple of `INDEX_BYTES` */
export function readIndices(column: Uint8Array): Uint32Array {
  const view = new DataView(column.buffer, column.byteOffset, column.length);
  const indices = new Uint32Array(column.length / INDEX_BYTES);
  for (let i = 0; i < indices.length; i++) indices[i] = view.getUint32(INDEX_BYTES * i);
  return indices;
}

/**
 * A column of records.
 * @throws RangeError if they are not all of one length
 */
export function writeRecords(records: readonly Uint8Array[]): Uint8Array {
  const width = records[0]?.length ?? 0;
  const odd = records.findIndex(({ length }) => length !== width);
  if (odd >= 0)
    throw new RangeError(
      `record ${odd} must have ${width} bytes like the first, found ${records[odd]!.length}`,
    );
  return concatBytes(...records);
}

/** Inverse of `writeRecords`: `count` views of equal length. @param column a multiple of `count` bytes */
export function readRecords(column: Uint8Array, count: number): Uint8Array[] {
  const width = count === 0 ? 0 : column.length / count;
  return Array.from({ length: count }, (_, i) => column.subarray(i * width, (i + 1) * width));
}

const HASH_BYTES = 32;

/**
 * A column of Merkle proofs, which differ in length: every one behind the number of its hashes, in one byte.
 * @throws RangeError if a proof is no number of hashes up to 255
 */
export function writeProofs(proofs: readonly Uint8Array[]): Uint8Array {
  const column = new Uint8Array(proofs.reduce((total, { length }) => total + 1 + length, 0));
  let at = 0;
  for (const proof of proofs) {
    const hashes = proof.length / HASH_BYTES;
    if (!Number.isInteger(hashes) || hashes > 255)
      throw new RangeError(
        `a proof must have at most 255 hashes of ${HASH_BYTES} bytes, found ${proof.length} bytes`,
      );
    column[at] = hashes;
    column.set(proof, at + 1);
    at += 1 + proof.length;
  }
  return column;
}

/** Inverse of `writeProofs`; `undefined` if the column ends within a proof. */
export function readProofs(column: Uint8Array): Uint8Array[] | undefined {
  const proofs: Uint8Array[] = [];
  for (let at = 0; at < column.length; ) {
    const end = at + 1 + HASH_BYTES * column[at]!;
    if (end > column.length) return undefined;
    proofs.push(column.subarray(at + 1, end));
    at = end;
  }
  return proofs;
}
