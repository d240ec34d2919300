/**
 * WebCrypto behind the synchronous port. WebCrypto only answers later, the machines compute at once: what a step will
 * need is computed beforehand (`foresee`), and masks, whose keys a machine hands out, are added afterwards.
 */
import { aesCtrKeystream } from "@kindred/privacy";
import { bytesToHex, concatBytes, equalBytes, hexToBytes } from "@kindred/protocol";
import type { CryptoSuite, MaskStream } from "../src/crypto.ts";
import type { ForeseenOperation } from "../src/foresight.ts";
import { addKeystreams } from "../src/keystream-sum.ts";
import { applyMasks, type MaskJob, maskEntryBytes } from "../src/masks.ts";
import { applyNoise } from "../src/surplus-seeds.ts";

/** What this platform's WebCrypto knows (Web Cryptography Level 2; Chromium has X25519 since 133, Ed25519 since 137). */
export interface NativeSupport {
  readonly x25519: boolean;
  readonly ed25519: boolean;
}

/** RFC 8410 private key info of an X25519 key, up to the 32 bytes of the key. */
const X25519_PKCS8 = hexToBytes("302e020100300506032b656e04220420");

/** Asks WebCrypto what it knows; false for everything it refuses. */
export async function nativeSupport(subtle: SubtleCrypto): Promise<NativeSupport> {
  const knows = async (name: string): Promise<boolean> => {
    try {
      await subtle.importKey("raw", BASE_POINT, { name }, true, name === "Ed25519" ? ["verify"] : []);
      return true;
    } catch {
      return false;
    }
  };
  return { x25519: await knows("X25519"), ed25519: await knows("Ed25519") };
}

/** A valid public key of either kind: the encoding of 9 is on both curves. */
const BASE_POINT = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 9 : 0));

/**
 * A suite that answers the given operations from results computed by WebCrypto, each once, and everything else by
 * `suite`. Both give the same bytes.
 * @returns the suite, and `wipe`, which overwrites the agreements that were not asked for
 */
export async function foresee(
  suite: CryptoSuite,
  operations: readonly ForeseenOperation[],
  { subtle, support }: { subtle: SubtleCrypto; support: NativeSupport },
): Promise<{ readonly suite: CryptoSuite; readonly wipe: () => void }> {
  const agreements = new Map<string, { secretKey: Uint8Array; shared: Uint8Array | undefined }[]>();
  const verdicts = new Map<string, boolean>();
  const imports = new Map<Uint8Array, Promise<CryptoKey>>();
  const secretKeyOf = (bytes: Uint8Array): Promise<CryptoKey> => {
    const known = imports.get(bytes);
    if (known !== undefined) return known;
    const pkcs8 = concatBytes(X25519_PKCS8, bytes);
    const key = subtle.importKey("pkcs8", own(pkcs8), { name: "X25519" }, false, ["deriveBits"]);
    imports.set(bytes, key);
    return key.finally(() => pkcs8.fill(0));
  };

  await Promise.all(
    operations.map(async (operation) => {
      if (operation.kind === "agree" && support.x25519) {
        const { secretKey, publicKey } = operation;
        const shared = await agree(subtle, await secretKeyOf(secretKey), publicKey);
        const name = bytesToHex(publicKey);
        agreements.set(name, [...(agreements.get(name) ?? []), { secretKey, shared }]);
      }
      if (operation.kind === "verify" && support.ed25519)
        verdicts.set(nameOf(operation), await verify(subtle, operation));
    }),
  );

  return {
    suite: {
      ...suite,
      name: `${suite.name}, foreseen`,
      agree(secretKey, publicKey) {
        const candidates = agreements.get(bytesToHex(publicKey));
        const found = candidates?.findIndex((candidate) => equalBytes(candidate.secretKey, secretKey)) ?? -1;
        if (found < 0) return suite.agree(secretKey, publicKey);
        return candidates!.splice(found, 1)[0]!.shared;
      },
      verify: (signature, message, publicKey) =>
        verdicts.get(nameOf({ signature, message, publicKey })) ??
        suite.verify(signature, message, publicKey),
    },
    wipe() {
      for (const candidates of agreements.values()) for (const { shared } of candidates) shared?.fill(0);
      agreements.clear();
    },
  };
}

async function agree(
  subtle: SubtleCrypto,
  secretKey: CryptoKey,
  publicKey: Uint8Array,
): Promise<Uint8Array | undefined> {
  try {
    const peer = await subtle.importKey("raw", own(publicKey), { name: "X25519" }, false, []);
    return new Uint8Array(await subtle.deriveBits({ name: "X25519", public: peer }, secretKey, 256));
  } catch (error) {
    // The all-zero result of a point of low order (Web Cryptography Level 2, X25519, derive bits).
    if ((error as { name?: string }).name === "OperationError") return undefined;
    throw error;
  }
}

async function verify(
  subtle: SubtleCrypto,
  { signature, message, publicKey }: Omit<Extract<ForeseenOperation, { kind: "verify" }>, "kind">,
): Promise<boolean> {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  const key = await subtle.importKey("raw", own(publicKey), { name: "Ed25519" }, false, ["verify"]);
  return subtle.verify({ name: "Ed25519" }, key, own(signature), own(message));
}

function nameOf(operation: { signature: Uint8Array; message: Uint8Array; publicKey: Uint8Array }): string {
  const { signature, message, publicKey } = operation;
  return `${bytesToHex(signature)} ${bytesToHex(publicKey)} ${bytesToHex(message)}`;
}

/**
 * `applyMasks` with WebCrypto's AES-256-CTR, off the main thread as far as the browser does that.
 * @param vector `job.length` entries below 2^bits; changed in place
 * @throws RangeError as `applyMasks`
 */
export async function applyMasksNatively(
  vector: Uint32Array,
  job: MaskJob,
  subtle: SubtleCrypto,
): Promise<void> {
  const zeros = new Uint8Array(maskEntryBytes(job.bits) * job.length);
  const counter = new Uint8Array(16);
  const { bits, length, noise = [] } = job;
  for (const term of job.terms) {
    const key = await subtle.importKey("raw", own(term.key), { name: "AES-CTR" }, false, ["encrypt"]);
    const stream = new Uint8Array(await subtle.encrypt({ name: "AES-CTR", counter, length: 64 }, key, zeros));
    applyMasks(vector, { bits, length, terms: [term] }, { addMasks: addKeystreams(() => readFrom(stream)) });
    stream.fill(0);
  }
  // Noise takes as many bytes as it takes: it is drawn synchronously.
  if (noise.length > 0) applyNoise(vector, noise, { bits, keystream: aesCtrKeystream });
}

function readFrom(bytes: Uint8Array): MaskStream {
  let offset = 0;
  return {
    next(length) {
      const part = bytes.subarray(offset, offset + length);
      offset += length;
      return part;
    },
  };
}

/** WebCrypto's types want memory that is not shared; keys and messages never are. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

/** WebCrypto as the client's `native` port, or `undefined` where a page has none (it is there in secure contexts only). */
export async function webNative(): Promise<
  | {
      readonly foresee: (
        suite: CryptoSuite,
        operations: readonly ForeseenOperation[],
      ) => ReturnType<typeof foresee>;
      readonly applyMasks: (vector: Uint32Array, job: MaskJob) => Promise<void>;
    }
  | undefined
> {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) return undefined;
  const support = await nativeSupport(subtle);
  return {
    foresee: (suite, operations) => foresee(suite, operations, { subtle, support }),
    applyMasks: (vector, job) => applyMasksNatively(vector, job, subtle),
  };
}
