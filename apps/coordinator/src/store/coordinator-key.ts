/**
 * The coordinator's Ed25519 identity (RFC 8032): it signs plans, rosters and the privacy ledger, and clients pin it.
 * The seed comes from the environment or from a sealed file, and goes nowhere else.
 */
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  randomUUID,
  sign,
} from "node:crypto";
import { link, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bytesToHex, hexToBytes, KindredError } from "@kindred/protocol";
import type { KeyRing } from "@kindred/sealing";

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
  const hex = text.trim().toLowerCase();
  // The value itself is never repeated in the message.
  if (!/^[0-9a-f]{64}$/.test(hex))
    throw new KindredError({
      code: "option-invalid",
      field,
      rule: "must be an Ed25519 seed of 64 hexadecimal digits",
      fix: "restore it from the backup; a new one, from `openssl rand -hex 32`, is another coordinator to every client",
    });
  return hexToBytes(hex);
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
  await writeKey(options.keys.seal(seed, PLACE), { file: options.file, replace: false });
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
  let stored: Uint8Array;
  try {
    const { mode } = await stat(file);
    if (process.platform !== "win32" && (mode & 0o077) !== 0)
      throw new KindredError({
        code: "option-invalid",
        field: file,
        rule: `must be readable by its owner only, but has mode ${(mode & 0o777).toString(8)}`,
        fix: "chmod 600 the file, and replace the key if somebody may have read it",
      });
    stored = new Uint8Array(await readFile(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const { bytes, isCurrent } = keys.open(stored, PLACE);
  const seed = parseSeed(Buffer.from(bytes).toString("utf8"), file);
  if (!isCurrent) await writeKey(keys.seal(bytes, PLACE), { file, replace: true });
  return new CoordinatorKey(seed);
}

/** Writes under a temporary name first: the file appears whole. Without `replace` it never replaces another. */
async function writeKey(
  content: Uint8Array,
  { file, replace }: { file: string; replace: boolean },
): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = join(folder, `.${randomUUID()}.key`);
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await (replace ? rename : link)(temporary, file);
    const handleOfFolder = await open(folder, "r");
    await handleOfFolder.sync().finally(() => handleOfFolder.close());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}
