/**
 * Every message between client and coordinator. PROTOCOL.md is the normative description; this schema is
 * applied once, at the boundary, by the codec. Byte strings are `Uint8Array`.
 *
 * Members of a cohort are named by their index: the position of their device key in the round's key directory,
 * which is sorted by device key. Sets of members are bitmaps (`encodeMemberSet`).
 */
import { z } from "zod";
import { ERROR_CODES, type Rejection } from "./errors.ts";
import { MAX_VECTOR_BYTES } from "./packing.ts";
import { taskIdSchema } from "./plan-sections.ts";
import { clampText, MAX_TEXT } from "./validation.ts";

/** Version of the wire contract. A frame of any other version is refused with `protocol-version`. */
export const PROTOCOL_VERSION = 3;

const byteString = (length: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length, {
    message: `must be ${length} bytes`,
  });
const boundedBytes = (maximum: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length >= 1 && value.length <= maximum,
    { message: `must be 1 to ${maximum} bytes` },
  );

const round = z.number().int().min(1).max(0xffffffff);
const index = z.number().int().min(0).max(0xfffff);
const hash = byteString(32);
const signature = byteString(64);
const publicKey = byteString(32);
const text = z.string().max(MAX_TEXT);

/** What a client commits to for one round (R0); `signature` is the device's, over `advertisementSigningBytes`. */
export const advertisementSchema = z.strictObject({
  device: publicKey,
  /** X25519 key that encrypts shares. */
  cPublic: publicKey,
  /** X25519 key that agrees on pairwise masks. */
  sPublic: publicKey,
  nonce: byteString(16),
  /** H(b_u), commitment to the self-mask seed. */
  seedCommitment: hash,
  signature,
});
export type Advertisement = z.infer<typeof advertisementSchema>;

const sealedShareSchema = z.strictObject({
  /** Index of the other party: addressee on the way up, sender on the way down. */
  peer: index,
  box: boundedBytes(1024),
});
export type SealedShare = z.infer<typeof sealedShareSchema>;

const revealedShareSchema = z.strictObject({
  /** Index of the member whose secret this is a share of. */
  owner: index,
  /** `self-mask`: share of b_owner (owner ∈ U3); `mask-key`: share of s_owner (owner ∈ U2∖U3). */
  kind: z.enum(["self-mask", "mask-key"]),
  share: boundedBytes(256),
});
export type RevealedShare = z.infer<typeof revealedShareSchema>;

const MAX_MEMBERS = 100_000;
/** A Merkle proof over MAX_MEMBERS leaves has at most 17 hashes. */
const merkleProof = boundedBytes(17 * 32);
const memberSet = boundedBytes(Math.ceil(MAX_MEMBERS / 8));

const provedAdvertisementSchema = z.strictObject({
  advertisement: advertisementSchema,
  /** Inclusion under the directory's root, at the member's index. */
  proof: merkleProof,
});
export type ProvedAdvertisement = z.infer<typeof provedAdvertisementSchema>;

/** At most one entry per member, so that nothing of one member is counted twice. */
function onePerMember<S extends z.ZodType>(entry: S, memberOf: (value: z.output<S>) => number) {
  return z
    .array(entry)
    .max(MAX_MEMBERS)
    .refine((entries) => new Set(entries.map(memberOf)).size === entries.length, {
      message: "must name each member at most once",
    });
}

const sealedShares = onePerMember(sealedShareSchema, (share) => share.peer);
/** Of one member either secret is revealed, never both. */
const revealedShares = onePerMember(revealedShareSchema, (share) => share.owner);

/** Proofs over a ledger of up to 2^53 entries; empty where there is nothing to prove. */
const ledgerProof = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length <= 64 * 32 && value.length % 32 === 0,
  { message: "must be at most 64 hashes of 32 bytes" },
);
/** Number of entries of a ledger, 0 for none. */
const ledgerSize = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** What a coordinator proves of its ledger to a device that it selects. */
export const ledgerEvidenceSchema = z.strictObject({
  /** Number of entries under the head. */
  size: ledgerSize,
  /** Root of the Merkle tree over their hashes. */
  root: hash,
  /** The coordinator's Ed25519 over `ledgerHeadSigningBytes`. */
  signature,
  /** From the head of the size that the device named to this one; empty if it named 0, this size, or a larger one. */
  consistency: ledgerProof,
  /** Index of the entry of the round's start. */
  index: ledgerSize,
  /** That entry without hash and signature: the canonical JSON of { body, index, previous, time }. */
  started: z.string().min(1).max(4096),
  /** That its hash is the leaf at `index`. */
  inclusion: ledgerProof,
});
export type LedgerEvidence = z.infer<typeof ledgerEvidenceSchema>;

export const clientMessageSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("hello"),
    protocol: z.number().int(),
    task: taskIdSchema,
    device: publicKey,
    /** Ed25519 over `helloSigningBytes`. */
    signature,
    sdk: text,
    /** Of the newest tree head that the device remembers. */
    ledgerSize,
  }),
  z.strictObject({ type: z.literal("check-in"), ledgerSize }),
  /** The update is computed; says nothing about it. */
  z.strictObject({ type: z.literal("ready"), round }),
  z.strictObject({ type: z.literal("advertise"), round, advertisement: advertisementSchema }),
  z.strictObject({ type: z.literal("shares"), round, shares: sealedShares }),
  /** Entries modulo 2^b, bit-packed (codec `packBits`). */
  z.strictObject({
    type: z.literal("masked-input"),
    round,
    vector: boundedBytes(MAX_VECTOR_BYTES),
    /** The device's, over `sharingSigningBytes` of the U2 that it masked for. */
    signature,
  }),
  z.strictObject({ type: z.literal("consistency"), round, signature }),
  z.strictObject({ type: z.literal("reveal"), round, shares: revealedShares }),
  z.strictObject({ type: z.literal("leave"), round, code: z.enum(ERROR_CODES) }),
]);
export type ClientMessage = z.infer<typeof clientMessageSchema>;

export const rejectionMessageSchema = z.strictObject({
  type: z.literal("rejection"),
  code: z.enum(ERROR_CODES),
  field: text,
  rule: text,
  fix: text,
});

/** A rejection as it travels; texts that hold values from strangers are shortened to what the message can carry. */
export function rejectionMessage(rejection: Rejection): z.infer<typeof rejectionMessageSchema> {
  const { code, field, rule, fix } = rejection;
  return { type: "rejection", code, field: clampText(field), rule: clampText(rule), fix: clampText(fix) };
}

export const serverMessageSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("challenge"), nonce: byteString(32) }),
  z.strictObject({ type: z.literal("welcome"), task: taskIdSchema, planDigest: hash, modelHash: hash }),
  z.strictObject({
    type: z.literal("come-back"),
    afterMs: z.number().int().min(0),
    code: z.enum(ERROR_CODES),
  }),
  z.strictObject({
    type: z.literal("selected"),
    round,
    planDigest: hash,
    modelHash: hash,
    /** Public randomness of the round, in the ledger's entry of its start. */
    beacon: hash,
    trainForMs: z.number().int().min(0),
    ledger: ledgerEvidenceSchema,
  }),
  z.strictObject({ type: z.literal("enrol"), round }),
  z.strictObject({
    type: z.literal("roster"),
    round,
    /** Sorted by device key, strictly increasing; the position is the member's index. */
    entries: z.array(advertisementSchema).max(MAX_MEMBERS),
    /** The coordinator's Ed25519 over `rosterSigningBytes`. */
    signature,
  }),
  z.strictObject({
    type: z.literal("neighbourhood"),
    round,
    /** The 32-byte device keys of U1 one after another, strictly increasing; the position is the member's index. */
    devices: boundedBytes(32 * MAX_MEMBERS),
    /** Root of the Merkle tree over `advertisementBytes` of U1, in the order of `devices`. */
    root: hash,
    /** Inclusion of the addressee's own advertisement. */
    proof: merkleProof,
    /** Those of the addressee's neighbours, in increasing order of their indices. */
    neighbours: z.array(provedAdvertisementSchema).max(MAX_MEMBERS),
    /** The coordinator's Ed25519 over `rosterSigningBytes`. */
    signature,
  }),
  z.strictObject({
    type: z.literal("inbox"),
    round,
    /** U2. */
    sharing: memberSet,
    /** The shares that the addressee's neighbours in U2 sealed for it. */
    shares: sealedShares,
  }),
  z.strictObject({
    type: z.literal("survivors"),
    round,
    /** U3. */
    members: memberSet,
    /** In the regular graph: of the addressee's neighbours in U3, in order, the signatures of their masked inputs. */
    statements: z.array(signature).max(MAX_MEMBERS),
  }),
  z.strictObject({
    type: z.literal("unmask"),
    round,
    /** Members of U3 that signed it. */
    signers: memberSet,
    /** Their `consistency` signatures of 64 bytes one after another, in increasing order of the indices. */
    signatures: boundedBytes(64 * MAX_MEMBERS),
  }),
  z.strictObject({ type: z.literal("released"), round, modelHash: hash, survivors: index }),
  z.strictObject({ type: z.literal("round-failed"), round, code: z.enum(ERROR_CODES), rule: text }),
  z.strictObject({ type: z.literal("task-finished"), modelHash: hash }),
  rejectionMessageSchema,
  /** Acknowledges a client message: it is accepted, and durable where it carried data. */
  z.strictObject({ type: z.literal("ok") }),
]);
export type ServerMessage = z.infer<typeof serverMessageSchema>;
