/**
 * Every message between client and coordinator. PROTOCOL.md is the normative description; this schema is
 * applied once, at the boundary, by the codec. Byte strings are `Uint8Array`.
 *
 * Members of a cohort are named by their index: the position of their device key in the round's key directory,
 * which is sorted by device key. Sets of members are bitmaps (`encodeMemberSet`).
 */
import { z } from "zod";
import { ERROR_CODES, type Rejection } from "./errors.ts";
import {
  ADVERTISEMENT_BYTES,
  INDEX_BYTES,
  readAdvertisements,
  readIndices,
  readProofs,
  writeAdvertisements,
  writeIndices,
  writeProofs,
} from "./member-records.ts";
import { MAX_VECTOR_BYTES } from "./packing.ts";
import { taskIdSchema } from "./plan-sections.ts";
import { type SealedShares, SHARE_KINDS } from "./share-columns.ts";
import { clampText, MAX_TEXT } from "./validation.ts";

/** Version of the wire contract. A frame of any other version is refused with `protocol-version`. */
export const PROTOCOL_VERSION = 3;

/** UTF-16 code units of a token that vouches for an account. */
const MAX_ACCOUNT_TOKEN = 2_048;

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
const MAX_INDEX = 0xfffff;
const index = z.number().int().min(0).max(MAX_INDEX);
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

const MAX_BOX_BYTES = 1024;
const MAX_SHARE_BYTES = 256;

const MAX_MEMBERS = 100_000;
/** Hashes of a Merkle proof over MAX_MEMBERS leaves, at most. */
const MAX_PROOF_HASHES = 17;
const merkleProof = boundedBytes(MAX_PROOF_HASHES * 32);
const memberSet = boundedBytes(Math.ceil(MAX_MEMBERS / 8));

export interface ProvedAdvertisement {
  readonly advertisement: Advertisement;
  /** Inclusion under the directory's root, at the member's index. */
  readonly proof: Uint8Array;
}

/** A column of records of `width` bytes (`member-records.ts`). */
const column = (width: number) =>
  z.custom<Uint8Array>(
    (value) =>
      value instanceof Uint8Array && value.length % width === 0 && value.length <= width * MAX_MEMBERS,
    { message: `must be ${width} bytes for each of at most ${MAX_MEMBERS} entries` },
  );

/** A column of the indices of different members, so that nothing of one member is counted twice. */
const members = column(INDEX_BYTES).transform((bytes, context) => {
  const indices = readIndices(bytes);
  if (indices.some((member) => member > MAX_INDEX))
    context.addIssue({ code: "custom", message: `must name members from 0 to ${MAX_INDEX}` });
  else if (!areDistinct(indices))
    context.addIssue({ code: "custom", message: "must name each member at most once" });
  return indices;
});

function areDistinct(indices: Uint32Array): boolean {
  // Whoever lists members lists them in order.
  const isRising = indices.every((member, i) => i === 0 || indices[i - 1]! < member);
  return isRising || new Set(indices).size === indices.length;
}

/** A column of records of a width that its length and the number of entries give. */
const records: z.ZodType<Uint8Array> = z.instanceof(Uint8Array, { message: "must be bytes" });

/** Checks that a column holds a record of at most `maximum` bytes for each entry; an issue is put on `field`. */
function checkRecords(
  bytes: Uint8Array,
  { count, field, maximum }: { count: number; field: string; maximum: number },
  context: z.RefinementCtx,
): void {
  const width = count === 0 ? 0 : bytes.length / count;
  const fits = count === 0 ? bytes.length === 0 : Number.isInteger(width) && width >= 1 && width <= maximum;
  if (fits) return;
  context.addIssue({
    code: "custom",
    path: [field],
    message: `must be 1 to ${maximum} bytes for each of ${count} entries, equally many for all`,
  });
}

/** The boxes of `shares` and `inbox` (`SealedShares`). */
function checkBoxes({ peers, boxes }: SealedShares, context: z.RefinementCtx): void {
  checkRecords(boxes, { count: peers.length, field: "boxes", maximum: MAX_BOX_BYTES }, context);
}

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
    /** The JWT by which the app's backend vouches for the account; only where the app gives one. */
    account: z.string().min(1).max(MAX_ACCOUNT_TOKEN).optional(),
  }),
  z.strictObject({ type: z.literal("check-in"), ledgerSize }),
  /** The update is computed; says nothing about it. */
  z.strictObject({ type: z.literal("ready"), round }),
  z.strictObject({ type: z.literal("advertise"), round, advertisement: advertisementSchema }),
  z
    .strictObject({ type: z.literal("shares"), round, peers: members, boxes: records })
    .superRefine(checkBoxes),
  /** Entries modulo 2^b, bit-packed (codec `packBits`). */
  z.strictObject({
    type: z.literal("masked-input"),
    round,
    vector: boundedBytes(MAX_VECTOR_BYTES),
    /** The device's, over `sharingSigningBytes` of the U2 that it masked for. */
    signature,
  }),
  z.strictObject({ type: z.literal("consistency"), round, signature }),
  /** Of one member either secret is revealed, never both. */
  z
    .strictObject({ type: z.literal("reveal"), round, owners: members, kinds: records, shares: records })
    .superRefine(({ owners, kinds, shares }, context) => {
      const count = owners.length;
      if (kinds.length !== count || kinds.some((kind) => SHARE_KINDS[kind] === undefined))
        context.addIssue({
          code: "custom",
          path: ["kinds"],
          message: "must be one byte for each owner, 0 for self-mask and 1 for mask-key",
        });
      checkRecords(shares, { count, field: "shares", maximum: MAX_SHARE_BYTES }, context);
    }),
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
    entries: column(ADVERTISEMENT_BYTES).transform((bytes): Advertisement[] => readAdvertisements(bytes)),
    /** The coordinator's Ed25519 over `rosterSigningBytes`. */
    signature,
  }),
  z
    .strictObject({
      type: z.literal("neighbourhood"),
      round,
      /** The 32-byte device keys of U1 one after another, strictly increasing; the position is the member's index. */
      devices: boundedBytes(32 * MAX_MEMBERS),
      /** Root of the Merkle tree over `advertisementBytes` of U1, in the order of `devices`. */
      root: hash,
      /** Inclusion of the addressee's own advertisement. */
      proof: merkleProof,
      /** Those of the addressee's neighbours, in increasing order of their indices. */
      advertisements: column(ADVERTISEMENT_BYTES),
      /** Inclusion of each of them: the number of its hashes in one byte, then the hashes. */
      proofs: records,
      /** The coordinator's Ed25519 over `rosterSigningBytes`. */
      signature,
    })
    .transform(({ advertisements, proofs, ...rest }, context) => {
      const entries = readAdvertisements(advertisements);
      const proved = readProofs(proofs) ?? [];
      if (entries.length !== proved.length || proved.some(({ length }) => length > 32 * MAX_PROOF_HASHES))
        context.addIssue({
          code: "custom",
          path: ["proofs"],
          message: `must be one of at most ${MAX_PROOF_HASHES} hashes for each of ${entries.length} advertisements`,
        });
      return {
        ...rest,
        neighbours: entries.map(
          (advertisement, i): ProvedAdvertisement => ({ advertisement, proof: proved[i]! }),
        ),
      };
    }),
  /** `sharing` is U2; the boxes are those that the addressee's neighbours in U2 sealed for it. */
  z
    .strictObject({ type: z.literal("inbox"), round, sharing: memberSet, peers: members, boxes: records })
    .superRefine(checkBoxes),
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

/**
 * A message as its frame holds it: lists with one entry per member are byte strings.
 * @throws RangeError if an advertisement or a proof has another length than it should
 */
export function wireForm(message: ClientMessage | ServerMessage): object {
  switch (message.type) {
    case "shares":
    case "inbox":
      return { ...message, peers: writeIndices(message.peers) };
    case "reveal":
      return { ...message, owners: writeIndices(message.owners) };
    case "roster":
      return { ...message, entries: writeAdvertisements(message.entries) };
    case "neighbourhood": {
      const { neighbours, ...rest } = message;
      return {
        ...rest,
        advertisements: writeAdvertisements(neighbours.map(({ advertisement }) => advertisement)),
        proofs: writeProofs(neighbours.map(({ proof }) => proof)),
      };
    }
    default:
      return message;
  }
}
