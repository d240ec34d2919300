/**
 * Sealed records: AES-256-GCM (NIST SP 800-38D) of the platform, with a fresh random nonce of 96 bits for each.
 *
 * A record is `KSR1` ‖ key id (8 bytes) ‖ nonce (12) ‖ ciphertext ‖ tag (16). Associated data are the first twelve
 * bytes and the UTF-8 form of the record's *place*, such as `interactions.jsonl:3`: a record that is moved to another
 * place does not open. The key id is the beginning of SHA-256 over a label and the key, so that a wrong key is told from a
 * damaged record. With random nonces one key is good for 2³² records (SP 800-38D, section 8.3); rotate before that.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { bytesToHex, equalBytes, KindredError } from "@kindred/protocol";

const CIPHER = "aes-256-gcm";
const MAGIC = Uint8Array.from([0x4b, 0x53, 0x52, 0x31]);
const KEY_BYTES = 32;
const KEY_ID_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = MAGIC.length + KEY_ID_BYTES;
const OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

/** Whether bytes are a sealed record, and not what was stored before records were sealed. */
export function isSealed(bytes: Uint8Array): boolean {
  return bytes.length >= OVERHEAD_BYTES && equalBytes(bytes.subarray(0, MAGIC.length), MAGIC);
}

/** What a record held. */
export interface Opened {
  readonly bytes: Uint8Array;
  /** Whether it is sealed with the ring's present key; otherwise it should be sealed again. */
  readonly isCurrent: boolean;
}

/**
 * What becomes of records that are not sealed: `refuse`, the default, takes none, so that whoever can write to the disk,
 * but has no key, can put nothing in; `adopt` gives them back to be sealed, as a store of before records were sealed
 * needs it, once.
 */
export type UnsealedRecords = "adopt" | "refuse";

/** A key to seal with, and older ones to open with. It shows nothing of them when it is printed or serialised. */
export class KeyRing {
  readonly #keys: ReadonlyMap<string, Uint8Array>;
  readonly #current: string;
  readonly #unsealed: UnsealedRecords;
  /** Where the present key comes from, for errors: a variable's name or a path. */
  readonly source: string;

  /**
   * @param options.current 32 bytes; as `previous`, copied
   * @param options.previous keys of records that were not sealed again yet
   * @throws RangeError for a key of another length
   */
  constructor(options: {
    readonly current: Uint8Array;
    readonly previous?: readonly Uint8Array[];
    readonly source: string;
    readonly unsealed?: UnsealedRecords;
  }) {
    const { current, previous = [], source, unsealed = "refuse" } = options;
    for (const key of [current, ...previous])
      if (key.length !== KEY_BYTES)
        throw new RangeError(`a storage key has ${KEY_BYTES} bytes, found ${key.length}`);
    this.#keys = new Map([...previous, current].map((key) => [keyId(key), key.slice()]));
    this.#current = keyId(current);
    this.source = source;
    this.#unsealed = unsealed;
  }

  /** First 8 bytes of the present key's digest, hexadecimal: names the key and says nothing about it. */
  get id(): string {
    return this.#current;
  }

  /** Whether it opens records of other keys than the present one. */
  get hasPrevious(): boolean {
    return this.#keys.size > 1;
  }

  /** @param place where the record will be; it opens nowhere else */
  seal(bytes: Uint8Array, place: string): Uint8Array {
    const header = Buffer.concat([MAGIC, Buffer.from(this.#current, "hex")]);
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#keys.get(this.#current)!, nonce);
    cipher.setAAD(Buffer.concat([header, Buffer.from(place, "utf8")]));
    const parts = [header, nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()];
    return new Uint8Array(Buffer.concat(parts));
  }

  /**
   * Opens a record; bytes that are none are refused, or given back as they are, to be sealed.
   * @throws KindredError `option-invalid` if it was sealed with a key that the ring lacks; `dataset-invalid` if it was
   *   changed, cut, or sealed for another place, or is not sealed and the ring takes no such record
   */
  open(record: Uint8Array, place: string): Opened {
    if (!isSealed(record)) {
      if (this.#unsealed === "adopt") return { bytes: record, isCurrent: false };
      throw new KindredError({
        code: "dataset-invalid",
        field: place,
        rule: "must be sealed: it was written without the key, or before records were sealed",
        fix: "restore it from a backup; a store of before sealing is taken over once: a client's with `adoptUnsealed: true`, a coordinator's by `kindred rotate-key --adopt-unsealed`",
      });
    }
    const header = record.subarray(0, HEADER_BYTES);
    const id = bytesToHex(header.subarray(MAGIC.length));
    const key = this.#keys.get(id);
    if (key === undefined)
      throw new KindredError({
        code: "option-invalid",
        field: this.source,
        rule: `must be the key that ${place} was sealed with (${id}), found another (${this.#current})`,
        fix: "bring that key back from the backup, or give it as the previous key; without it the record is lost",
      });
    const nonce = record.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.concat([header, Buffer.from(place, "utf8")]));
    decipher.setAuthTag(record.subarray(record.length - TAG_BYTES));
    const ciphertext = record.subarray(HEADER_BYTES + NONCE_BYTES, record.length - TAG_BYTES);
    try {
      const plain = Buffer.concat([decipher.update(ciphertext), decipher.final()]);
      return { bytes: new Uint8Array(plain), isCurrent: id === this.#current };
    } catch {
      throw new KindredError({
        code: "dataset-invalid",
        field: place,
        rule: "must open under its key in its place: it was changed, cut or moved",
        fix: "restore it from a backup",
      });
    }
  }

  toJSON(): { id: string; source: string } {
    return { id: this.#current, source: this.source };
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `KeyRing(${this.#current} from ${this.source})`;
  }
}

function keyId(key: Uint8Array): string {
  const digest = createHash("sha256").update("kindred.storage-key/1").update(key).digest();
  return digest.subarray(0, KEY_ID_BYTES).toString("hex");
}
