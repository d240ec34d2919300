/**
 * Deterministic CBOR (RFC 8949 §4.2.1): one value, one byte string.
 *
 * The decoder takes bytes of strangers. It refuses whatever the encoder would not have written (indefinite
 * lengths, tags, undefined, NaN, infinities, longer forms of integers and lengths, unsorted or repeated map
 * keys, trailing bytes) and bounds nesting and the number of data items before it builds anything.
 */
import { type DecodeOptions, decode, encode, encodeInto, rfc8949EncodeOptions, Tokenizer, Type } from "cborg";
import { equalBytes } from "./canonical.ts";

/** Arrays and maps may be nested this deep; the deepest message needs 2. */
const MAX_DEPTH = 8;
/** Data items in one document; the longest list, of the proofs or statements of neighbours, has 100,000. */
const MAX_ITEMS = 200_000;

const OPTIONS: DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
};

/** A map or array that lacks items still. */
interface Open {
  readonly isMap: boolean;
  /** Items to come; keys and values count alike. */
  missing: number;
  /** Where the encoding of the last key lies. */
  key: readonly [start: number, end: number] | undefined;
}

/**
 * cborg's tokeniser, with a bound on nesting and on the number of items, and with what its strict mode leaves open of
 * RFC 8949 §4.2.1: the order of keys, the width of floats, texts that are not UTF-8. Byte strings, by far the most of
 * a frame, are not looked at: strict mode has only one form for their length.
 */
class DeterministicTokeniser extends Tokenizer {
  readonly #bytes: Uint8Array;
  /** Outermost first. */
  readonly #open: Open[] = [];
  #items = 0;

  constructor(bytes: Uint8Array, options: DecodeOptions) {
    super(bytes, options);
    this.#bytes = bytes;
  }

  override next(): ReturnType<Tokenizer["next"]> {
    const start = this.pos();
    const token = super.next();
    const end = this.pos();
    if (++this.#items > MAX_ITEMS) throw new RangeError(`more than ${MAX_ITEMS} data items`);
    const { type, value } = token;
    const isText = Type.equals(type, Type.string);
    // A sequence that is not UTF-8 decodes to U+FFFD, and so does U+FFFD itself.
    if (Type.equals(type, Type.float) || (isText && (value as string).includes("\uFFFD")))
      if (!equalBytes(encodeCbor(value), this.#bytes.subarray(start, end))) throw notDeterministic();
    const within = this.#open.at(-1);
    if (within !== undefined) {
      if (within.isMap && within.missing % 2 === 0) {
        // A plain object would take this key for its prototype.
        if (!isText || value === "__proto__") throw notDeterministic();
        this.#checkOrder(within.key, [start, end]);
        within.key = [start, end];
      }
      within.missing--;
    }
    if (Type.equals(type, Type.array)) this.#open.push({ isMap: false, missing: value, key: undefined });
    else if (Type.equals(type, Type.map))
      this.#open.push({ isMap: true, missing: 2 * value, key: undefined });
    if (this.#open.length > MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH}`);
    while (this.#open.at(-1)?.missing === 0) this.#open.pop();
    return token;
  }

  /** Keys rise strictly in the bytewise order of their encodings. */
  #checkOrder(before: Open["key"], [start, end]: readonly [number, number]): void {
    if (before === undefined) return;
    const [from, to] = before;
    const shorter = Math.min(to - from, end - start);
    for (let i = 0; i < shorter; i++) {
      const difference = this.#bytes[start + i]! - this.#bytes[from + i]!;
      if (difference > 0) return;
      if (difference < 0) throw notDeterministic();
    }
    if (end - start <= to - from) throw notDeterministic();
  }
}

function notDeterministic(): RangeError {
  return new RangeError("not in deterministic form");
}

/**
 * Encodes a value of plain objects, arrays, strings, finite numbers, booleans, null and byte strings.
 * @throws Error on anything else
 */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, rfc8949EncodeOptions);
}

/**
 * The prefix and behind it the encoding of a value, as `encodeCbor` takes it. Long byte strings are copied once.
 * @param memory gives at least so many bytes to write into; fresh ones by default
 * @returns a view of what `memory` gave
 * @throws Error on a value that has no encoding
 */
export function encodeCborBehind(
  prefix: Uint8Array,
  value: unknown,
  memory: (length: number) => Uint8Array = (length) => new Uint8Array(length),
): Uint8Array {
  const bytes = memory(prefix.length + mostBytes(value));
  bytes.set(prefix);
  const { written } = encodeInto(value, bytes.subarray(prefix.length), rfc8949EncodeOptions);
  return bytes.subarray(0, prefix.length + written);
}

/** Bytes of a head, and of any number. */
const HEAD_BYTES = 9;
/** Bytes that UTF-8 needs for a UTF-16 unit at most. */
const UTF8_BYTES = 3;

/** Bytes that the encoding of a value takes at most. */
function mostBytes(value: unknown): number {
  if (value instanceof Uint8Array) return HEAD_BYTES + value.length;
  if (typeof value === "string") return HEAD_BYTES + UTF8_BYTES * value.length;
  if (typeof value !== "object" || value === null) return HEAD_BYTES;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + mostBytes(item), HEAD_BYTES);
  return Object.entries(value).reduce(
    (sum, [key, item]) => sum + mostBytes(key) + mostBytes(item),
    HEAD_BYTES,
  );
}

/** Byte strings below this are copied even so: a signature is not to keep the vector beside it in memory. */
const LEAST_VIEW_BYTES = 16 * 1024;

/** Bytes whose long slices share their memory, as those of Node's buffers do: cborg copies by `slice`. */
class SharedBytes extends Uint8Array<ArrayBuffer> {
  override slice(start = 0, end = this.length): Uint8Array<ArrayBuffer> {
    const view = new Uint8Array(this.buffer, this.byteOffset + start, end - start);
    return view.length < LEAST_VIEW_BYTES ? view.slice() : view;
  }
}

/**
 * Decodes exactly one deterministic CBOR document.
 * @throws Error (of any class) when the bytes are not what `encodeCbor` gives for the value
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  return decodeWith(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
}

/**
 * Decodes as `decodeCbor`, but byte strings from 16 KiB on are views of `bytes`, which must not change as long as they
 * are used: a masked input is megabytes of one byte string.
 */
export function decodeCborInPlace(bytes: Uint8Array): unknown {
  return decodeWith(new SharedBytes(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length));
}

function decodeWith(plain: Uint8Array): unknown {
  return decode(plain, { ...OPTIONS, tokenizer: new DeterministicTokeniser(plain, OPTIONS) });
}
