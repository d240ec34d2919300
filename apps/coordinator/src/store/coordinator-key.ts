/**
 * The coordinator's Ed25519 identity (RFC 8032): it signs plans, rosters and the privacy ledger, and clients pin it.
 * The seed comes from the environment or from a sealed file, and goes nowhere else.
 */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import { bytesToHex, hexToBytes } from "@kindred/protocol";
import { type KeyRing, parseSecret, readSecretFile, writeSecretFile } from "@kindred/sealing";

/** PKCS #8 wrapping of a 32-byte Ed25519 seed (RFC 8410, section 7) up to the seed itself. */
const PKCS8_PREFIX = hexToBytes("302e020100300506032b657004220420");
/** Length of a DER-encoded Ed25519 public key without the key. */
const SPKI_PREFIX_LENGTH = 12;

/** What the rest of the coordinator sees of its key: it prints and serialises as its public half. */
export class CoordinatorKey {
  readonly #key: KeyObject;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 hexadecimal digits. */
  readonly publicKeyHex: string;

  /** @param seed 32 bytes */
  constructor(seed: Uint8Array) {
    const der = Buffer.concat([PKCS8_PREFIX, seed]);
    this.#key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    der.fill(0);
    const spki = createPublicKey(this.#key).export({ format: "der", type: "spki" });
    this.publicKey = new Uint8Array(spki.subarray(SPKI_PREFIX_LENGTH));
    this.publicKeyHex = bytesToHex(this.publicKey);
  }

  /** Ed25519 signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.#key));
  }

  toJSON(): { publicKey: string } {
    return { publicKey: this.publicKeyHex };
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `CoordinatorKey(${this.publicKeyHex})`;
  }
}

function parseSeed(text: string, field: string): Uint8Array {
  const fix =
    "restore it from the backup; a new one, from `openssl rand -hex 32`, is another coordinator to every client";
  return parseSecret(text, { field, what: "an Ed25519 seed", fix });
}

/** What the file is sealed for. */
const PLACE = "coordinator.key";

export interface CoordinatorKeyOptions {
  /** Hexadecimal (`KINDRED_COORDINATOR_KEY`); the file is then neither read nor made. */
  readonly seed?: string;
  readonly file: string;
  /** What the file is sealed with. */
  readonly keys: KeyRing;
}

/**
 * Loads the coordinator's key: `seed` if given (`KINDRED_COORDINATOR_KEY`), else the file, which is made with mode
 * 0600 on the first start. Coordinators that start together on one folder end up with the same key. A file of before keys
 * were sealed, or sealed with an older key, is sealed with the present one.
 * @throws KindredError `option-invalid` for a malformed seed, a file that others can read, or another storage key
 */
export async function loadCoordinatorKey(options: CoordinatorKeyOptions): Promise<CoordinatorKey> {
  if (options.seed !== undefined)
    return new CoordinatorKey(parseSeed(options.seed, "KINDRED_COORDINATOR_KEY"));
  const present = await readKey(options);
  if (present !== undefined) return present;
  const seed = Buffer.from(`${randomBytes(32).toString("hex")}\n`, "utf8");
  await writeSecretFile(options.file, { content: options.keys.seal(seed, PLACE), replace: false });
  const made = await readKey(options);
  if (made === undefined) throw new Error("the coordinator's key was removed while it was made");
  return made;
}

/** Seals the file with the present key if there is one. @throws as {@link loadCoordinatorKey} */
export async function sealCoordinatorKey(
  options: Pick<CoordinatorKeyOptions, "file" | "keys">,
): Promise<void> {
  await readKey(options);
}

async function readKey({
  file,
  keys,
}: Pick<CoordinatorKeyOptions, "file" | "keys">): Promise<CoordinatorKey | undefined> {
  const stored = await readSecretFile(file, "replace the key");
  if (stored === undefined) return undefined;
  const { bytes, isCurrent } = keys.open(stored, PLACE);
  const seed = parseSeed(Buffer.from(bytes).toString("utf8"), file);
  if (!isCurrent) await writeSecretFile(file, { content: keys.seal(bytes, PLACE), replace: true });
  return new CoordinatorKey(seed);
}
