/**
 * Builds the vectors beside this file. Written once with `npx tsx packages/protocol/test/make-vectors.ts`; a
 * test holds the code to them byte for byte. They change only together with PROTOCOL_VERSION or a schema's version.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeCbor } from "../src/cbor.ts";
import {
  advertisementBytes,
  advertisementSigningBytes,
  bytesToHex,
  canonicalJson,
  catalogueHash,
  concatBytes,
  consistencySigningBytes,
  directoryDigest,
  encodeFrame,
  encodeMemberSet,
  encodeModel,
  hashParts,
  helloSigningBytes,
  hexToBytes,
  ledgerHeadSigningBytes,
  MerkleTree,
  type ModelClustering,
  type ModelLayer,
  modelHash,
  packBits,
  planDigest,
  planSigningText,
  rosterSigningBytes,
  sessionId,
  sha256Hex,
  sharingSigningBytes,
  splitFrame,
  unnamedClustering,
} from "../src/index.ts";
import { listForm } from "./list-form.ts";
import {
  bytesFrom,
  clientSamples,
  helloWithAccount,
  sampleAdvertisement,
  sampleCatalogue,
  sampleModel,
  samplePlan,
  serverSamples,
} from "./samples.ts";

/** Byte strings as `{ "hex": "…" }`, so that a message can stand in JSON. */
function jsonForm(value: unknown): unknown {
  if (value instanceof Uint8Array) return { hex: bytesToHex(value) };
  if (Array.isArray(value)) return value.map(jsonForm);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, jsonForm(entry)]));
  return value;
}

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

function frames() {
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

function chunks() {
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

function packing() {
  const valid = [1, 3, 7, 8, 12, 16, 20, 24, 31, 32].map((bits) => {
    const largest = 2 ** bits - 1;
    const values = [0, 1, largest, 2 ** (bits - 1), largest - 1, Math.floor(largest / 3), 0, largest].map(
      (v) => v % 2 ** bits,
    );
    return { bits, values, packed: bytesToHex(packBits(Uint32Array.from(values), bits)) };
  });
  return {
    valid,
    invalid: [
      { name: "one byte short", bits: 20, length: 2, packed: "00000000" },
      { name: "one byte long", bits: 20, length: 2, packed: "000000000000" },
      { name: "padding bit set", bits: 20, length: 1, packed: "000010" },
      { name: "highest padding bit set", bits: 1, length: 1, packed: "80" },
    ],
  };
}

function signing() {
  const [first, second] = [sampleAdvertisement(16), sampleAdvertisement(48)];
  const { signature: _, ...unsigned } = first;
  const leaves = [first, second].map(advertisementBytes);
  const devices = concatBytes(first.device, second.device);
  const { root } = new MerkleTree(leaves);
  const directory = directoryDigest({ devices, root });
  const binding = {
    task: "films",
    round: 7,
    planDigest: bytesFrom(1, 32),
    modelHash: bytesFrom(2, 32),
    beacon: bytesFrom(3, 32),
    directory,
  };
  const sid = sessionId(binding);
  return {
    hashParts: {
      input: { domain: "kindred.example/1", parts: ["", "00", "0001"] },
      output: bytesToHex(
        hashParts("kindred.example/1", [new Uint8Array(0), hexToBytes("00"), hexToBytes("0001")]),
      ),
    },
    hello: {
      input: jsonForm({ task: "films", nonce: bytesFrom(1, 32) }),
      output: bytesToHex(helloSigningBytes({ task: "films", nonce: bytesFrom(1, 32) })),
    },
    advertisement: {
      input: jsonForm({ task: "films", round: 7, advertisement: unsigned }),
      output: bytesToHex(advertisementSigningBytes(unsigned, { task: "films", round: 7 })),
    },
    leaves: { input: jsonForm([first, second]), output: leaves.map(bytesToHex) },
    directory: { input: jsonForm({ devices, root }), output: bytesToHex(directory) },
    session: { input: jsonForm(binding), output: bytesToHex(sid) },
    roster: { input: jsonForm({ sid }), output: bytesToHex(rosterSigningBytes(sid)) },
    sharing: {
      input: jsonForm({ sid, sharing: encodeMemberSet([0, 3, 9], 10) }),
      output: bytesToHex(sharingSigningBytes(sid, encodeMemberSet([0, 3, 9], 10))),
    },
    consistency: {
      input: jsonForm({ sid, survivors: [0, 3, 65_536] }),
      output: bytesToHex(consistencySigningBytes(sid, [0, 3, 65_536])),
    },
    ledgerHead: {
      input: jsonForm({ size: 2 ** 33 + 5, root: bytesFrom(5, 32) }),
      output: bytesToHex(ledgerHeadSigningBytes({ size: 2 ** 33 + 5, root: bytesFrom(5, 32) })),
    },
    plan: { input: { digest: planDigest(samplePlan()) }, output: planSigningText(samplePlan()) },
  };
}

/** Leaves of the test vectors that the Certificate Transparency implementations share. */
const CT_LEAVES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
];

function merkle() {
  const data = CT_LEAVES.map(hexToBytes);
  const trees = Array.from({ length: data.length + 1 }, (_, size) => new MerkleTree(data.slice(0, size)));
  const root = (size: number) => bytesToHex(trees[size]!.root);
  const leaf = (index: number, size: number) => ({
    leaf: CT_LEAVES[index]!,
    index,
    size,
    proof: bytesToHex(trees[size]!.inclusionProof(index)),
    root: root(size),
  });
  const prefix = (oldSize: number, size: number) => ({
    oldSize,
    oldRoot: root(oldSize),
    size,
    root: root(size),
    proof: bytesToHex(trees[size]!.consistencyProof(oldSize)),
  });
  const pairs = [
    [0, 1],
    [0, 8],
    [5, 8],
    [2, 3],
    [1, 5],
    [6, 7],
  ] as const;
  const prefixes = [
    [1, 1],
    [1, 8],
    [6, 8],
    [2, 5],
    [4, 8],
    [3, 7],
  ] as const;
  return {
    leaves: CT_LEAVES,
    comment: "roots[n] is the root over the first n leaves; a proof is the concatenation of its hashes",
    roots: trees.map(({ root: hash }) => bytesToHex(hash)),
    inclusion: [
      ...pairs.map(([index, size]) => ({
        name: `leaf ${index} of ${size}`,
        ...leaf(index, size),
        valid: true,
      })),
      { name: "a neighbour's place", ...leaf(5, 8), index: 4, valid: false },
      { name: "another leaf", ...leaf(5, 8), leaf: "00", valid: false },
      { name: "another size", ...leaf(2, 3), size: 4, valid: false },
      { name: "a root of another size", ...leaf(5, 8), root: root(7), valid: false },
      { name: "a proof cut short", ...leaf(5, 8), proof: leaf(5, 8).proof.slice(64), valid: false },
      { name: "a proof too long", ...leaf(5, 8), proof: leaf(5, 8).proof + root(1), valid: false },
      { name: "a node passed off as a leaf", ...leaf(0, 1), leaf: root(1) + root(1), valid: false },
      { name: "no tree", ...leaf(0, 1), size: 0, valid: false },
    ],
    consistency: [
      ...prefixes.map(([old, size]) => ({ name: `${old} of ${size}`, ...prefix(old, size), valid: true })),
      { name: "the empty tree", ...prefix(1, 8), oldSize: 0, oldRoot: root(0), valid: false },
      { name: "another past", ...prefix(6, 8), oldRoot: root(5), valid: false },
      { name: "another present", ...prefix(6, 8), root: root(7), valid: false },
      { name: "a proof cut short", ...prefix(6, 8), proof: prefix(6, 8).proof.slice(64), valid: false },
      { name: "a proof too long", ...prefix(4, 8), proof: prefix(4, 8).proof + root(1), valid: false },
      { name: "a tree that shrank", ...prefix(6, 8), oldSize: 8, size: 6, valid: false },
    ],
  };
}

/** Model files whose signals break a rule. */
function signalFiles(reseal: (change: Record<string, unknown>) => string) {
  const word = (value: string): Uint8Array => hexToBytes(value);
  const one = { round: 1, people: 4, deviation: 0.5, entries: word("03000000"), counts: word("0000803f") };
  const transitions = (change: Record<string, unknown>) =>
    reseal({ signals: { transitions: { ...one, items: word("0100000000000000"), ...change } } });
  const two = { entries: word("0300000003000000"), counts: word("0000803f0000803f") };
  return [
    { name: "an entry twice", file: transitions(two), field: "model.signals.transitions.entries" },
    {
      name: "an entry without its count",
      file: transitions({ counts: word("") }),
      field: "model.signals.transitions.counts",
    },
    {
      name: "an infinite count",
      file: transitions({ counts: word("0000807f") }),
      field: "model.signals.transitions.counts",
    },
    {
      name: "half an entry",
      file: transitions({ entries: word("0300") }),
      field: "model.signals.transitions.entries",
    },
    {
      name: "half an item",
      file: transitions({ items: word("0100") }),
      field: "model.signals.transitions.items",
    },
    {
      name: "a signal of nobody",
      file: reseal({ signals: { popularity: { ...one, people: 0, clusters: [0] } } }),
      field: "model.signals.popularity.people",
    },
  ];
}

function documents() {
  const planForms = (plan: ReturnType<typeof samplePlan>) => ({
    document: plan,
    canonical: canonicalJson(plan),
    digest: planDigest(plan),
  });
  const file = encodeModel(sampleModel);
  const reseal = (change: Record<string, unknown>): string => {
    const weights = new Uint8Array(concatBytes(hexToBytes("0000803f"), hexToBytes("00000040")));
    const body = {
      schema: "kindred.model/2",
      task: "films",
      round: 0,
      parent: "",
      weights,
      centroids: weights,
      clusters: 2,
      cells: new Uint8Array(0),
      clustering: unnamedClustering(2),
      ...change,
    };
    return bytesToHex(encodeCbor(body));
  };
  const clustered = (change: Partial<ModelClustering>) =>
    reseal({ clustering: { ...unnamedClustering(2), ...change } });
  const layered = (change: Partial<ModelLayer>) =>
    clustered({ layers: [{ ...unnamedClustering(2).layers[0]!, ...change }] });
  return {
    plan: planForms(samplePlan()),
    planForAccounts: planForms(samplePlan({ participation: { devices: 3 } })),
    catalogue: {
      document: sampleCatalogue,
      canonical: canonicalJson(sampleCatalogue),
      hash: catalogueHash(sampleCatalogue),
    },
    model: {
      valid: [
        {
          ...sampleModel,
          weights: [...sampleModel.weights].map((value) => (Object.is(value, -0) ? "-0" : value)),
          centroids: [...sampleModel.centroids],
          cells: [...sampleModel.cells],
          file: bytesToHex(file),
          hash: modelHash(file),
        },
      ],
      invalid: [
        { name: "no CBOR", file: "ff", field: "model" },
        { name: "other schema", file: reseal({ schema: "kindred.model/1" }), field: "model.schema" },
        { name: "unknown field", file: reseal({ note: "" }), field: "model.note" },
        { name: "no clusters", file: reseal({ clusters: 0 }), field: "model.clusters" },
        { name: "parent that is no hash", file: reseal({ parent: "ab" }), field: "model.parent" },
        { name: "weights of 7 bytes", file: reseal({ weights: bytesFrom(0, 7) }), field: "model.weights" },
        { name: "a centroid cut short", file: reseal({ clusters: 3 }), field: "model.centroids" },
        { name: "no centroid", file: reseal({ centroids: new Uint8Array(0) }), field: "model.centroids" },
        { name: "NaN", file: reseal({ weights: hexToBytes("0000c07f") }), field: "model.weights" },
        {
          name: "infinite centroid",
          file: reseal({ centroids: hexToBytes("0000807f00000000") }),
          field: "model.centroids",
        },
        ...signalFiles(reseal),
        { name: "infinite cell", file: reseal({ cells: hexToBytes("0000807f") }), field: "model.cells" },
        { name: "no layers", file: reseal({ clustering: null }), field: "model.clustering" },
        {
          name: "a layer of another number of clusters",
          file: reseal({ clustering: unnamedClustering(3) }),
          field: "model.clustering.layers",
        },
        {
          name: "sizes of other clusters",
          file: clustered({ sizes: [1] }),
          field: "model.clustering.sizes",
        },
        {
          name: "a share above one",
          file: clustered({ sizes: [0.5, 1.5] }),
          field: "model.clustering.sizes.1",
        },
        {
          name: "regions of other clusters",
          file: clustered({ regions: [0, 0, 0] }),
          field: "model.clustering.regions",
        },
        {
          name: "one identity twice",
          file: layered({ ids: [1, 1] }),
          field: "model.clustering.layers.0.ids",
        },
        {
          name: "an identity yet to be given",
          file: layered({ ids: [0, 2] }),
          field: "model.clustering.layers.0.ids",
        },
        {
          name: "names of other clusters",
          file: layered({ names: [] }),
          field: "model.clustering.layers.0.names",
        },
        {
          name: "parents of the first layer",
          file: layered({ parents: [0, 0] }),
          field: "model.clustering.layers.0.parents",
        },
        {
          name: "a parent outside the layer before",
          file: clustered({
            layers: [
              { ids: [0], nextId: 1, names: [[]], parents: [] },
              { ids: [0, 1], nextId: 2, names: [[], []], parents: [0, 1] },
            ],
          }),
          field: "model.clustering.layers.1.parents",
        },
      ],
    },
  };
}

/** File name → content of every vector file. */
export function buildVectors(): Readonly<Record<string, string>> {
  const files = {
    "chunks.json": chunks(),
    "documents.json": documents(),
    "frames.json": frames(),
    "merkle.json": merkle(),
    "packing.json": packing(),
    "signing.json": signing(),
  };
  return Object.fromEntries(
    Object.entries(files).map(([name, content]) => [name, `${JSON.stringify(content, null, 2)}\n`]),
  );
}

const folder = fileURLToPath(new URL("./vectors", import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(buildVectors())) writeFileSync(join(folder, name), content);
}
