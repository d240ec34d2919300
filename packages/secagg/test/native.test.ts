/** WebCrypto and the portable suite, byte for byte; in Node over Node's WebCrypto, in Chromium over Chromium's. */
import { bytesToHex, hexToBytes } from "@kindred/protocol";
import { beforeAll, describe, expect, test } from "vitest";
import { platformMaskStream } from "#platform";
import type { CryptoSuite } from "../src/crypto.ts";
import type { ForeseenOperation } from "../src/foresight.ts";
import { addKeystreams } from "../src/keystream-sum.ts";
import { applyMasks } from "../src/masks.ts";
import { webSuite } from "../web/index.ts";
import { applyMasksNatively, foresee, type NativeSupport, nativeSupport } from "../web/native.ts";
import { randomFrom } from "./cohort.ts";
import vectors from "./vectors/primitives.json" with { type: "json" };

const { subtle } = globalThis.crypto;
let support: NativeSupport;

/** A suite that can answer nothing by itself: what it is asked must have been foreseen. */
const helpless: CryptoSuite = {
  ...webSuite(),
  agree() {
    throw new Error("not foreseen");
  },
  verify() {
    throw new Error("not foreseen");
  },
};

const foreseen = async (operations: readonly ForeseenOperation[]) =>
  foresee(helpless, operations, { subtle, support });

beforeAll(async () => {
  support = await nativeSupport(subtle);
});

test("this platform has both curves", () => {
  expect(support).toEqual({ x25519: true, ed25519: true });
});

describe("foreseen operations", () => {
  test.each(vectors.agreements)("X25519 $shared", async ({ secretKey, publicKey, shared }) => {
    const operation = { secretKey: hexToBytes(secretKey), publicKey: hexToBytes(publicKey) };
    const { suite } = await foreseen([{ kind: "agree", ...operation }]);
    expect(bytesToHex(suite.agree(operation.secretKey, operation.publicKey)!)).toBe(shared);
  });

  test.each(vectors.lowOrder)("low-order point %s gives no agreement", async (point) => {
    const operation = { secretKey: randomFrom("scalar")(32), publicKey: hexToBytes(point) };
    const { suite } = await foreseen([{ kind: "agree", ...operation }]);
    expect(suite.agree(operation.secretKey, operation.publicKey)).toBeUndefined();
  });

  test.each(vectors.signatures)("Ed25519 $publicKey", async (vector) => {
    const [signature, message, publicKey] = [vector.signature, vector.message, vector.publicKey].map(
      hexToBytes,
    ) as [Uint8Array, Uint8Array, Uint8Array];
    const altered = signature.slice();
    altered[40]! ^= 1;
    const { suite } = await foreseen([
      { kind: "verify", signature, message, publicKey },
      { kind: "verify", signature: altered, message, publicKey },
      { kind: "verify", signature: signature.subarray(1), message, publicKey },
    ]);
    expect(suite.verify(signature, message, publicKey)).toBe(true);
    expect(suite.verify(altered, message, publicKey)).toBe(false);
    expect(suite.verify(signature.subarray(1), message, publicKey)).toBe(false);
  });

  test("agree with the portable suite on random keys, whoever asks first", async () => {
    const portable = webSuite();
    const random = randomFrom("foreseen");
    const secrets = [random(32), random(32)];
    const peers = [0, 1, 2].map(() => portable.agreementKeyPair(random(32)).publicKey);
    const pairs = secrets.flatMap((secretKey) => peers.map((publicKey) => ({ secretKey, publicKey })));
    const { suite } = await foreseen(pairs.map((pair) => ({ kind: "agree", ...pair })));
    for (const { secretKey, publicKey } of [...pairs].reverse())
      expect(suite.agree(secretKey, publicKey)).toEqual(portable.agree(secretKey, publicKey));
  });

  test("are answered by the suite itself where they were not foreseen, or the platform lacks the curve", async () => {
    const none = await foreseen([]);
    expect(() => none.suite.agree(new Uint8Array(32), new Uint8Array(32))).toThrow("not foreseen");
    const operation = {
      kind: "agree",
      secretKey: new Uint8Array(32),
      publicKey: new Uint8Array(32),
    } as const;
    const lacking = await foresee(helpless, [operation], {
      subtle,
      support: { x25519: false, ed25519: false },
    });
    expect(() => lacking.suite.agree(operation.secretKey, operation.publicKey)).toThrow("not foreseen");
  });

  test("leave no agreement behind that nobody asked for", async () => {
    const portable = webSuite();
    const secretKey = randomFrom("left over")(32);
    const { publicKey } = portable.agreementKeyPair(randomFrom("peer")(32));
    const { suite, wipe } = await foreseen([{ kind: "agree", secretKey, publicKey }]);
    wipe();
    expect(() => suite.agree(secretKey, publicKey)).toThrow("not foreseen");
  });
});

test.each([7, 16, 20, 24, 32])(
  "masks modulo 2^%i and noise are those of the synchronous generator",
  async (bits) => {
    const random = randomFrom(`native masks ${bits}`);
    const length = 1003;
    const terms = ([1, -1, 1] as const).map((sign) => ({ key: random(32), sign }));
    const vector = Uint32Array.from({ length }, (_, i) => (i * 2654435761) % 2 ** bits);
    const expected = vector.slice();
    const platform = { addMasks: addKeystreams(platformMaskStream), maskStream: platformMaskStream };
    applyMasks(expected, { bits, length, terms }, platform);
    await applyMasksNatively(vector, { bits, length, terms }, subtle);
    expect(vector).toEqual(expected);
    const noise = ([1, -1] as const).map((sign) => ({ key: random(32), deviation: 9, sign }));
    applyMasks(expected, { bits, length, terms, noise }, platform);
    await applyMasksNatively(vector, { bits, length, terms, noise }, subtle);
    expect(vector).toEqual(expected);
  },
);

test("a vector of another length than the job's is refused", async () => {
  const job = { bits: 16, length: 4, terms: [{ key: new Uint8Array(32), sign: 1 as const }] };
  await expect(applyMasksNatively(new Uint32Array(3), job, subtle)).rejects.toThrow(RangeError);
});
