/**
 * Builds `ledger-evidence.json`: tree heads with proofs that a device accepts, and what it refuses. Written with
 * `npx tsx packages/privacy/test/make-ledger-vectors.ts`; a test holds the code to them.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  bytesToHex,
  canonicalJson,
  type LedgerEvidence,
  ledgerHeadSigningBytes,
  MerkleTree,
  sha256Bytes,
  sha256Hex,
} from "@kindred/protocol";
import nacl from "tweetnacl";
import { appendEntry, type LedgerBody, type LedgerEntry, LedgerTree } from "../src/index.ts";

const seed = sha256Bytes("kindred.ledger-evidence vectors");
const keys = nacl.sign.keyPair.fromSeed(seed);
const signer = {
  publicKey: keys.publicKey,
  sign: (message: Uint8Array) => nacl.sign.detached(message, keys.secretKey),
};
const planDigest = sha256Hex("plan");

function started(
  round: number,
  { beacon = "beacon", epsilon = round }: { beacon?: string; epsilon?: number } = {},
) {
  return {
    kind: "round-started",
    task: "films",
    round,
    planDigest,
    modelHash: sha256Hex(`model ${round - 1}`),
    beacon: sha256Hex(`${beacon} ${round}`),
    promised: { coordinator: epsilon, observer: epsilon },
  } as const satisfies LedgerBody;
}

function history(bodies: readonly LedgerBody[]): LedgerEntry[] {
  const entries: LedgerEntry[] = [];
  for (const [i, body] of bodies.entries()) {
    const time = new Date(1_700_000_000_000 + i * 60_000).toISOString();
    entries.push(appendEntry({ tail: entries.at(-1), body, time, signer }));
  }
  return entries;
}

const failed = (round: number): LedgerBody => ({
  kind: "round-failed",
  task: "films",
  round,
  reason: "too-few-survivors",
  spent: { before: { coordinator: 0, observer: 0 }, after: { coordinator: 0, observer: 0 } },
});

function treeOf(entries: readonly LedgerEntry[]): LedgerTree {
  const tree = new LedgerTree(signer);
  for (const entry of entries) tree.append(entry);
  return tree;
}

const told = [started(1), failed(1), started(2), failed(2), started(3), failed(3), started(4)];
const honest = history(told);
const head = (size: number) => {
  const { root } = treeOf(honest.slice(0, size)).head();
  return { size, root };
};
const shown = (entries: readonly LedgerEntry[], round: number, remembered: number) =>
  treeOf(entries).evidence({ task: "films", round, remembered });

const jsonForm = (evidence: LedgerEvidence) =>
  Object.fromEntries(
    Object.entries(evidence).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? { hex: bytesToHex(value) } : value,
    ]),
  );

const expected = (round: number) => {
  const { task, modelHash, beacon } = started(round);
  const hex = (text: string) => ({ hex: text });
  return {
    task,
    round,
    planDigest: hex(planDigest),
    modelHash: hex(modelHash),
    beacon: hex(beacon),
    epsilonLimit: 4,
  };
};

interface Case {
  readonly name: string;
  readonly remembered: { readonly size: number; readonly root: string } | null;
  readonly evidence: LedgerEvidence;
  readonly round?: number;
  readonly change?: Record<string, unknown>;
}

const row = ({ name, remembered, evidence, round = 4, change = {} }: Case) => ({
  name,
  remembered,
  expected: { ...expected(round), ...change },
  evidence: jsonForm(evidence),
});
const refused = (code: string, field: string, one: Case) => ({ ...row(one), code, field });

const four = shown(honest, 4, 3);
const flipped = (bytes: Uint8Array, bit = 0) => {
  const copy = bytes.slice();
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
};
const forked = history(
  told.map((body) => (body.kind === "round-started" ? started(body.round, { beacon: "fork" }) : body)),
);
// The same last entry after another past, as a coordinator that forks would write it.
const rewritten = history([...told.slice(0, 1), failed(7), ...told.slice(2)]);
const overspent = history([...told.slice(0, 6), started(4, { epsilon: 4.5 })]);
const others = history([...told.slice(0, 6), { ...started(4), task: "books" }, started(4)]);

const vectors = {
  comment:
    "remembered: the head that the device holds, or null; expected: what it was selected with; bytes as { hex }. Valid ones are accepted; invalid ones are refused with code and field.",
  coordinatorKey: bytesToHex(keys.publicKey),
  valid: [
    row({ name: "a device that remembers nothing", remembered: null, evidence: shown(honest, 4, 0) }),
    row({
      name: "a ledger of one entry",
      remembered: null,
      evidence: shown(honest.slice(0, 1), 1, 0),
      round: 1,
    }),
    ...[1, 2, 3, 4, 5, 6].map((size) =>
      row({
        name: `a ledger that grew from ${size} to 7 entries`,
        remembered: head(size),
        evidence: shown(honest, 4, size),
      }),
    ),
    row({ name: "the same head again", remembered: head(7), evidence: shown(honest, 4, 7) }),
    row({
      name: "an entry that is not the last",
      remembered: head(3),
      evidence: shown([...honest, ...history([...told, failed(4)]).slice(7)], 4, 3),
    }),
    row({
      name: "ε as large as the plan allows",
      remembered: null,
      evidence: shown(honest, 4, 0),
      change: { epsilonLimit: 4 },
    }),
    row({
      name: "a plan without noise, whose ε nobody limits",
      remembered: null,
      evidence: shown(overspent, 4, 0),
      change: { epsilonLimit: null },
    }),
  ],
  invalid: [
    refused("signature-invalid", "signature", {
      name: "a signature with one bit changed",
      remembered: head(3),
      evidence: { ...four, signature: flipped(four.signature) },
    }),
    refused("signature-invalid", "signature", {
      name: "another size than the signed one",
      remembered: head(3),
      evidence: { ...four, size: 8 },
    }),
    refused("signature-invalid", "signature", {
      name: "another root than the signed one",
      remembered: head(3),
      evidence: { ...four, root: flipped(four.root) },
    }),
    refused("ledger-invalid", "size", {
      name: "a history that was cut",
      remembered: head(7),
      evidence: shown(honest.slice(0, 5), 3, 0),
      round: 3,
    }),
    refused("ledger-invalid", "consistency", {
      name: "a fork of the same length",
      remembered: head(7),
      evidence: shown(forked, 4, 7),
      change: { beacon: { hex: started(4, { beacon: "fork" }).beacon } },
    }),
    refused("ledger-invalid", "consistency", {
      name: "a longer fork",
      remembered: head(3),
      evidence: shown(forked, 4, 3),
      change: { beacon: { hex: started(4, { beacon: "fork" }).beacon } },
    }),
    refused("ledger-invalid", "consistency", {
      name: "one entry of the past rewritten",
      remembered: head(3),
      evidence: shown(rewritten, 4, 3),
    }),
    refused("ledger-invalid", "consistency", {
      name: "a proof of the true history under the head of a fork",
      remembered: head(3),
      evidence: { ...shown(rewritten, 4, 3), consistency: four.consistency },
    }),
    refused("ledger-invalid", "consistency", {
      name: "no proof",
      remembered: head(3),
      evidence: { ...four, consistency: new Uint8Array(0) },
    }),
    refused("ledger-invalid", "consistency", {
      name: "a proof from another size",
      remembered: head(3),
      evidence: shown(honest, 4, 5),
    }),
    refused("ledger-invalid", "consistency", {
      name: "a proof with one hash more",
      remembered: head(3),
      evidence: { ...four, consistency: new Uint8Array([...four.consistency, ...four.root]) },
    }),
    refused("ledger-invalid", "inclusion", {
      name: "the entry's place given wrongly",
      remembered: null,
      evidence: { ...four, index: 5 },
    }),
    refused("ledger-invalid", "inclusion", {
      name: "an entry beyond the head",
      remembered: null,
      evidence: { ...four, index: 7 },
    }),
    refused("ledger-invalid", "inclusion", {
      name: "another beacon than the ledger's entry",
      remembered: null,
      evidence: { ...four, started: four.started.replace(started(4).beacon, sha256Hex("another")) },
      change: { beacon: { hex: sha256Hex("another") } },
    }),
    refused("ledger-invalid", "inclusion", {
      name: "the inclusion proof shortened",
      remembered: null,
      evidence: { ...four, inclusion: four.inclusion.slice(32) },
    }),
    refused("ledger-invalid", "started", {
      name: "the start of an earlier round",
      remembered: null,
      evidence: shown(honest.slice(0, 5), 3, 0),
    }),
    refused("ledger-invalid", "started", {
      name: "the start of another task",
      remembered: null,
      evidence: treeOf(others).evidence({ task: "books", round: 4, remembered: 0 }),
    }),
    ...(["planDigest", "modelHash", "beacon"] as const).map((name) =>
      refused("ledger-invalid", "started", {
        name: `selected with another ${name} than the ledger has`,
        remembered: null,
        evidence: four,
        change: { [name]: { hex: sha256Hex("another") } },
      }),
    ),
    refused("ledger-invalid", "started", {
      name: "more ε promised than the plan allows",
      remembered: null,
      evidence: shown(overspent, 4, 0),
    }),
  ],
};

// An entry of another kind, and text that is not canonical, under heads that are signed all the same.
{
  const evidenceOf = (text: string, index = 0): LedgerEvidence => {
    const tree = new MerkleTree([sha256Bytes(text)]);
    const { root } = tree;
    return {
      size: 1,
      root,
      signature: signer.sign(ledgerHeadSigningBytes({ size: 1, root })),
      consistency: new Uint8Array(0),
      index,
      started: text,
      inclusion: tree.inclusionProof(0),
    };
  };
  const { body, index, previous, time } = history([started(4)])[0]!;
  const canonical = canonicalJson({ body, index, previous, time });
  for (const [name, text] of [
    ["JSON that is not canonical", JSON.stringify({ time, previous, index, body })],
    ["no JSON", `${canonical} `.slice(1)],
    ["a field too many", canonicalJson({ body, index, previous, time, note: "" })],
    ["an entry that says it is another", canonicalJson({ body, index: 1, previous, time })],
    ["an entry of another kind", canonicalJson({ body: failed(4), index, previous, time })],
  ] as const)
    vectors.invalid.push(
      refused("ledger-invalid", "started", { name, remembered: null, evidence: evidenceOf(text) }),
    );
}

/** Content of `ledger-evidence.json`. */
export function buildLedgerVectors(): string {
  return `${JSON.stringify(vectors, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("vectors/ledger-evidence.json", import.meta.url), buildLedgerVectors());
