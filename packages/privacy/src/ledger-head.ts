/** Tree heads: what somebody remembers of a ledger, so that it cannot be cut or rewritten behind their back. */

import { bytesToHex, hexToBytes, MerkleTree } from "@kindred/protocol";
import { type LedgerEntry, ledgerHash } from "./ledger.ts";

/** Merkle tree head (RFC 6962, section 2.1) over the first entries of a ledger; a leaf is the 32-byte hash of an entry. */
export interface LedgerHead {
  /** Number of entries. */
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly root: string;
}

/** A head as a coordinator vouches for it; what a device remembers, and shows to others. All in hexadecimal. */
export interface SignedLedgerHead extends LedgerHead {
  /** Ed25519 key of the coordinator. */
  readonly coordinatorKey: string;
  /** The coordinator's, over `ledgerHeadSigningBytes`. */
  readonly signature: string;
}

/** Head of a ledger, from the contents of its entries: what they say their hash is does not matter. */
export function ledgerHead(entries: readonly LedgerEntry[]): LedgerHead {
  const tree = new MerkleTree(entries.map((entry) => hexToBytes(ledgerHash(entry))));
  return { size: entries.length, root: bytesToHex(tree.root) };
}
