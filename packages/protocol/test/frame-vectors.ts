/** Vectors of messages and their frames, and of the chunks that frames travel in. */
import { encodeCbor } from "../src/cbor.ts";
import {
  advertisementBytes,
  bytesToHex,
  encodeFrame,
  hexToBytes,
  sha256Hex,
  splitFrame,
} from "../src/index.ts";
import { jsonForm } from "./json-form.ts";
import { listForm } from "./list-form.ts";
import { bytesFrom, clientSamples, helloWithAccount, sampleAdvertisement, serverSamples } from "./samples.ts";

/** A frame around a CBOR body given in hexadecimal. */
const frameAround = (body: string) => `4b03${body}`;
const encoded = (message: unknown) => bytesToHex(encodeCbor(message));

const sampleSelected = serverSamples.find((message) => message.type === "selected")!;
const sampleEvidence = sampleSelected.ledger;

/** A map without the fields that are undefined, which CBOR does not have. */
function withoutMissing(value: object): object {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([name, field]) => [
        name,
        typeof field === "object" && !(field instanceof Uint8Array) ? withoutMissing(field as object) : field,
      ]),
  );
}

/** `frames.json` */
export function frameVectors() {
  const valid = (
    from: "client" | "server",
    messages: readonly (typeof clientSamples | typeof serverSamples)[number][],
  ) =>
    messages.map((message) => ({
      from,
      message: jsonForm(listForm(message)),
      frame: bytesToHex(encodeFrame(message)),
    }));
  const ready = { type: "ready", round: 1 };
  const checkIn = encoded({ type: "check-in" }); // a1 64 "type" 68 "check-in"
  const vector = { type: "masked-input", round: 1, signature: bytesFrom(1, 64) };
  const bad = (name: string, frame: string, code: string) => ({ name, from: "client", frame, code });
  return {
    valid: [...valid("client", [...clientSamples, helloWithAccount]), ...valid("server", serverSamples)],
    invalid: [
      bad("empty", "", "frame-malformed"),
      bad("header only", "4b03", "frame-malformed"),
      bad("wrong magic", `4a03${checkIn}`, "frame-malformed"),
      bad("older version", `4b02${checkIn}`, "protocol-version"),
      bad("newer version", `4b04${checkIn}`, "protocol-version"),
      bad("truncated body", frameAround(checkIn.slice(0, -2)), "frame-malformed"),
      bad("trailing byte", frameAround(`${checkIn}00`), "frame-malformed"),
      bad("indefinite-length map", frameAround(`bf${checkIn.slice(2)}ff`), "frame-malformed"),
      bad("indefinite-length text", frameAround("a164747970657f68636865636b2d696eff"), "frame-malformed"),
      bad("repeated key", frameAround(`a2${checkIn.slice(2)}${checkIn.slice(2)}`), "frame-malformed"),
      bad("unsorted keys", frameAround("a265726f756e64016474797065657265616479"), "frame-malformed"),
      bad("key that is no text", frameAround("a10102"), "frame-malformed"),
      bad("tag", frameAround(`c0${checkIn}`), "frame-malformed"),
      bad("undefined", frameAround("f7"), "frame-malformed"),
      bad(
        "integer in a longer form",
        frameAround("a2647479706565726561647965726f756e641801"),
        "frame-malformed",
      ),
      bad(
        "integer beyond 2^53",
        frameAround("a2647479706565726561647965726f756e641bffffffffffffffff"),
        "frame-malformed",
      ),
      bad("integer as a float", frameAround("a2647479706565726561647965726f756e64f93c00"), "frame-malformed"),
      bad("NaN", frameAround("a2647479706565726561647965726f756e64f97e00"), "frame-malformed"),
      bad("infinity", frameAround("a2647479706565726561647965726f756e64f97c00"), "frame-malformed"),
      bad("text that is not UTF-8", frameAround("a1647479706561ff"), "frame-malformed"),
      bad("bytes announced beyond the end", frameAround("5b000000ffffffffff00"), "frame-malformed"),
      bad("array announced beyond the end", frameAround("9b000000ffffffffff00"), "frame-malformed"),
      bad("map announced beyond the end", frameAround("bb000000ffffffffff00"), "frame-malformed"),
      bad("nested too deep", frameAround(`${"81".repeat(9)}00`), "frame-malformed"),
      bad("nested very deep", frameAround(`${"81".repeat(5_000)}00`), "frame-malformed"),
      bad(
        "prototype as a key",
        frameAround("a2647479706568636865636b2d696e695f5f70726f746f5f5fa0"),
        "frame-malformed",
      ),
      bad("no message", frameAround("01"), "message-invalid"),
      bad("no type", frameAround("a0"), "message-unknown"),
      bad("unknown type", frameAround(encoded({ type: "hallo" })), "message-unknown"),
      bad("message of the other direction", frameAround(encoded({ type: "ok" })), "message-unknown"),
      bad("unknown field", frameAround(encoded({ ...ready, loss: 1 })), "message-invalid"),
      bad("missing field", frameAround(encoded({ type: "ready" })), "message-invalid"),
      bad("round 0", frameAround(encoded({ ...ready, round: 0 })), "message-invalid"),
      bad("round beyond 32 bits", frameAround(encoded({ ...ready, round: 2 ** 32 })), "message-invalid"),
      bad("text for bytes", frameAround(encoded({ ...vector, vector: "00" })), "message-invalid"),
      bad("empty account", frameAround(encoded({ ...helloWithAccount, account: "" })), "message-invalid"),
      bad(
        "account beyond 2048",
        frameAround(encoded({ ...helloWithAccount, account: "a".repeat(2049) })),
        "message-invalid",
      ),
      bad("empty vector", frameAround(encoded({ ...vector, vector: new Uint8Array(0) })), "message-invalid"),
      bad(
        "signature of 63 bytes",
        frameAround(encoded({ type: "consistency", round: 1, signature: bytesFrom(0, 63) })),
        "message-invalid",
      ),
      bad(
        "two secrets of one member",
        frameAround(
          encoded({
            type: "reveal",
            round: 1,
            owners: Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 4),
            kinds: Uint8Array.of(0, 1),
            shares: bytesFrom(0, 72),
          }),
        ),
        "message-invalid",
      ),
      bad(
        "a kind that there is not",
        frameAround(
          encoded({
            type: "reveal",
            round: 1,
            owners: Uint8Array.of(0, 0, 0, 4),
            kinds: Uint8Array.of(2),
            shares: bytesFrom(0, 36),
          }),
        ),
        "message-invalid",
      ),
      bad(
        "boxes that are not a whole number of bytes each",
        frameAround(
          encoded({
            type: "shares",
            round: 1,
            peers: Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 2),
            boxes: bytesFrom(0, 177),
          }),
        ),
        "message-invalid",
      ),
      bad(
        "a member beyond the largest index",
        frameAround(
          encoded({ type: "shares", round: 1, peers: Uint8Array.of(0, 16, 0, 0), boxes: bytesFrom(0, 88) }),
        ),
        "message-invalid",
      ),
      {
        name: "a roster that ends within an advertisement",
        from: "server",
        frame: frameAround(
          encoded({ type: "roster", round: 1, entries: bytesFrom(0, 415), signature: bytesFrom(6, 64) }),
        ),
        code: "message-invalid",
      },
      {
        name: "survivors that are no set",
        from: "server",
        frame: frameAround(
          encoded({ type: "survivors", round: 1, members: new Uint8Array(0), statements: [] }),
        ),
        code: "message-invalid",
      },
      {
        name: "statement of 63 bytes",
        from: "server",
        frame: frameAround(
          encoded({ type: "survivors", round: 1, members: bytesFrom(1, 1), statements: [bytesFrom(0, 63)] }),
        ),
        code: "message-invalid",
      },
      {
        name: "no beacon",
        from: "server",
        frame: frameAround(
          encoded({
            type: "selected",
            round: 1,
            planDigest: bytesFrom(2, 32),
            modelHash: bytesFrom(3, 32),
            trainForMs: 1,
            ledger: sampleEvidence,
          }),
        ),
        code: "message-invalid",
      },
      ...(
        [
          ["no tree head", undefined],
          ["a tree head without a signature", { ...sampleEvidence, signature: undefined }],
          ["a proof that is cut within a hash", { ...sampleEvidence, inclusion: bytesFrom(1, 33) }],
          ["a proof of 65 hashes", { ...sampleEvidence, consistency: bytesFrom(1, 65 * 32) }],
          ["no entry of the round's start", { ...sampleEvidence, started: "" }],
          ["a tree head of a negative size", { ...sampleEvidence, size: -1 }],
        ] as const
      ).map(([name, ledger]) => ({
        name,
        from: "server",
        frame: frameAround(encoded(withoutMissing({ ...sampleSelected, ledger }))),
        code: "message-invalid",
      })),
      {
        name: "neighbour without a proof",
        from: "server",
        frame: frameAround(
          encoded({
            type: "neighbourhood",
            round: 1,
            devices: bytesFrom(0, 96),
            root: bytesFrom(1, 32),
            proof: bytesFrom(2, 64),
            advertisements: advertisementBytes(sampleAdvertisement(16)),
            proofs: new Uint8Array(0),
            signature: bytesFrom(6, 64),
          }),
        ),
        code: "message-invalid",
      },
    ],
  };
}

/** `chunks.json` */
export function chunkVectors() {
  const short = encodeFrame({ type: "check-in", ledgerSize: 0 });
  const long = Uint8Array.from({ length: 300_000 }, (_, i) => i * 7 + (i >> 8));
  const header = (fields: string) => hexToBytes(fields);
  const bad = (name: string, chunk: Uint8Array, code: string) => ({ name, chunk: bytesToHex(chunk), code });
  return {
    valid: [
      { frameId: 0, frame: bytesToHex(short), chunks: splitFrame(short, 0).map(bytesToHex) },
      {
        frameId: 0xffffffff,
        comment:
          "byte i of the frame is (7i + ⌊i/256⌋) mod 256; each chunk is given by header, length and digest",
        frameLength: long.length,
        chunks: splitFrame(long, 0xffffffff).map((chunk) => ({
          header: bytesToHex(chunk.subarray(0, 14)),
          length: chunk.length,
          sha256: sha256Hex(chunk),
        })),
      },
    ],
    maxFrameBytes: 1000,
    invalid: [
      bad("empty", new Uint8Array(0), "frame-malformed"),
      bad("header without payload", header("4303000000000000000000000001"), "frame-malformed"),
      bad("wrong magic", header("4403000000000000000000000001aa"), "frame-malformed"),
      bad("newer version", header("4304000000000000000000000001aa"), "protocol-version"),
      bad("starts in the middle", header("4303000000000000000100000002aa"), "frame-malformed"),
      bad("payload beyond the frame", header("4303000000000000000000000001aabb"), "frame-malformed"),
      bad("payload shorter than a chunk", header("4303000000000000000000000003aabb"), "frame-malformed"),
      bad("frame of no bytes", header("4303000000000000000000000000aa"), "frame-malformed"),
      bad("frame beyond the limit", header("43030000000000000000000003e9aa"), "frame-too-large"),
      bad("frame of 4 GiB", header("43030000000000000000ffffffffaa"), "frame-too-large"),
    ],
  };
}
