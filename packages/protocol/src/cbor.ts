/**
 * Deterministic CBOR (RFC 8949 §4.2.1): one value, one byte string.
 *
 * The decoder takes bytes of strangers. It refuses whatever the encoder would not have written (indefinite
 * lengths, tags, undefined, NaN, infinities, longer forms of integers and lengths, unsorted or repeated map
 * keys, trailing bytes) and bounds nesting and the number of data items before it builds anything.
 */
import { type DecodeOptions, decode, encode, rfc8949EncodeOptions, Tokenizer, Type } from "cborg";
import { equalBytes } from "./canonical.ts";

/** Arrays and maps may be nested this deep; the deepest message needs 4. */
const MAX_DEPTH = 8;
/** Data items in one document; a roster of 100,000 entries has 1.3 million. */
const MAX_ITEMS = 2_000_000;

const OPTIONS: DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
};

/** cborg's tokeniser, with a bound on nesting and on the number of items. */
class BoundedTokeniser extends Tokenizer {
  /** Items that each open array or map still lacks, outermost first. */
  readonly #open: number[] = [];
  #items = 0;

  override next(): ReturnType<Tokenizer["next"]> {
    const token = super.next();
    if (++this.#items > MAX_ITEMS) throw new RangeError(`more than ${MAX_ITEMS} data items`);
    const top = this.#open.length - 1;
    if (top >= 0) this.#open[top]!--;
    if (Type.equals(token.type, Type.array)) this.#open.push(token.value);
    else if (Type.equals(token.type, Type.map)) this.#open.push(2 * token.value);
    if (this.#open.length > MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH}`);
    while (this.#open.at(-1) === 0) this.#open.pop();
    return token;
  }
}

/**
 * Encodes a value of plain objects, arrays, strings, finite numbers, booleans, null and byte strings.
 * @throws Error on anything else
 */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, rfc8949EncodeOptions);
}

/**
 * Decodes exactly one deterministic CBOR document.
 * @throws Error (of any class) when the bytes are not what `encodeCbor` gives for the value
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  // A plain view: slices of a subclass, such as Node's, would share memory with the caller.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const value: unknown = decode(plain, { ...OPTIONS, tokenizer: new BoundedTokeniser(plain, OPTIONS) });
  // Covers what the options leave open: key order, the width of floats, the key "__proto__".
  if (!equalBytes(encodeCbor(value), plain)) throw new RangeError("not in deterministic form");
  return value;
}
