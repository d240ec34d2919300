/** The Merkle tree over a ledger that grows, on the side of the coordinator that keeps it: signed heads and proofs. */

import {
  bytesToHex,
  canonicalJson,
  hexToBytes,
  type LedgerEvidence,
  ledgerHeadSigningBytes,
  MerkleTree,
} from "@kindred/protocol";
import { type LedgerEntry, type LedgerSigner, ledgerHash } from "./ledger.ts";
import type { SignedLedgerHead } from "./ledger-head.ts";

const NO_PROOF = new Uint8Array(0);

/** Where a task's last `round-started` stands, and the text that its hash is of. */
interface Started {
  readonly round: number;
  readonly index: number;
  readonly content: string;
}

export class LedgerTree {
  readonly #signer: LedgerSigner;
  readonly #tree = new MerkleTree([]);
  /** By task. */
  readonly #started = new Map<string, Started>();
  /** Of the present size; proofs by the size they start from. */
  #signed: { readonly head: SignedLedgerHead; readonly proofs: Map<number, Uint8Array> } | undefined;

  constructor(signer: LedgerSigner) {
    this.#signer = signer;
  }

  /** Entries so far. */
  get size(): number {
    return this.#tree.size;
  }

  /** @throws RangeError if the entry is not the next one */
  append(entry: LedgerEntry): void {
    const { index, previous, time, body } = entry;
    if (index !== this.size) throw new RangeError(`entry ${this.size} comes next, found ${index}`);
    this.#tree.append(hexToBytes(ledgerHash(entry)));
    this.#signed = undefined;
    if (body.kind !== "round-started") return;
    const content = canonicalJson({ body, index, previous, time });
    this.#started.set(body.task, { round: body.round, index, content });
  }

  /** The newest head, signed once. */
  head(): SignedLedgerHead {
    return this.#present().head;
  }

  /**
   * What a device that is selected for a round is shown (PROTOCOL.md, `selected`).
   * @param remembered size of the head that the device remembers, 0 for none, as the device says
   * @throws Error if the ledger does not hold the round's start, or holds a later one of the task
   */
  evidence({ task, round, remembered }: { task: string; round: number; remembered: number }): LedgerEvidence {
    const started = this.#started.get(task);
    if (started?.round !== round) throw new Error(`the ledger lacks the start of round ${round} of ${task}`);
    const { head, proofs } = this.#present();
    let consistency = proofs.get(remembered);
    if (consistency === undefined) {
      const provable = Number.isInteger(remembered) && remembered > 0 && remembered < head.size;
      consistency = provable ? this.#tree.consistencyProof(remembered) : NO_PROOF;
      if (provable) proofs.set(remembered, consistency);
    }
    return {
      size: head.size,
      root: hexToBytes(head.root),
      signature: hexToBytes(head.signature),
      consistency,
      index: started.index,
      started: started.content,
      inclusion: this.#tree.inclusionProof(started.index),
    };
  }

  #present(): { readonly head: SignedLedgerHead; readonly proofs: Map<number, Uint8Array> } {
    if (this.#signed !== undefined) return this.#signed;
    const { root, size } = this.#tree;
    const signature = this.#signer.sign(ledgerHeadSigningBytes({ size, root }));
    const head = {
      coordinatorKey: bytesToHex(this.#signer.publicKey),
      size,
      root: bytesToHex(root),
      signature: bytesToHex(signature),
    };
    this.#signed = { head, proofs: new Map() };
    return this.#signed;
  }
}
