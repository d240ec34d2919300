/**
 * Merkle trees after RFC 6962, section 2.1 (RFC 9162, section 2.1, has the verification algorithms): SHA-256, leaves
 * hashed behind the byte 0x00 and inner nodes behind 0x01, so that no node passes for a leaf. A tree of n leaves splits
 * at the largest power of two below n.
 *
 * A proof is one byte string: its hashes of 32 bytes, one after another.
 */
import { concatBytes, equalBytes, sha256Bytes } from "./canonical.ts";

const HASH_BYTES = 32;
const LEAF_PREFIX = Uint8Array.of(0);
const NODE_PREFIX = Uint8Array.of(1);

/** Hash of a leaf: H(0x00 ‖ data), 32 bytes. */
export function merkleLeafHash(data: Uint8Array): Uint8Array {
  return sha256Bytes(concatBytes(LEAF_PREFIX, data));
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256Bytes(concatBytes(NODE_PREFIX, left, right));
}

/** The tree over a list of byte strings. All hashes are kept, so a proof costs next to no hashing. */
export class MerkleTree {
  /** Hashes from the leaves up; a node without a right sibling stands on the next level unchanged. */
  readonly #levels: Uint8Array[][];

  constructor(leaves: readonly Uint8Array[]) {
    let level = leaves.map(merkleLeafHash);
    const levels = [level];
    while (level.length > 1) {
      const above: Uint8Array[] = [];
      for (let i = 0; i < level.length; i += 2) {
        const right = level[i + 1];
        above.push(right === undefined ? level[i]! : nodeHash(level[i]!, right));
      }
      level = above;
      levels.push(level);
    }
    this.#levels = levels;
  }

  /** Adds a leaf at the end: one hash on each level. Proofs made before are of the smaller tree. */
  append(leaf: Uint8Array): void {
    this.#levels[0]!.push(merkleLeafHash(leaf));
    for (let height = 0; this.#levels[height]!.length > 1; height++) {
      const level = this.#levels[height]!;
      const left = (level.length - 1) & ~1;
      const right = level[left + 1];
      this.#levels[height + 1] ??= [];
      this.#levels[height + 1]![left / 2] =
        right === undefined ? level[left]! : nodeHash(level[left]!, right);
    }
  }

  /** Number of leaves. */
  get size(): number {
    return this.#levels[0]!.length;
  }

  /** 32 bytes; of the empty tree H of no bytes. */
  get root(): Uint8Array {
    return this.#levels.at(-1)![0] ?? sha256Bytes(new Uint8Array(0));
  }

  /**
   * Proof that the leaf at `index` belongs to the tree: siblings from the leaf up, at most ⌈log₂ size⌉ hashes.
   * @throws RangeError if there is no such leaf
   */
  inclusionProof(index: number): Uint8Array {
    if (!Number.isInteger(index) || index < 0 || index >= this.size)
      throw new RangeError(`index must be an integer from 0 to ${this.size - 1}, found ${index}`);
    const path: Uint8Array[] = [];
    let position = index;
    for (const level of this.#levels) {
      const sibling = level[position ^ 1];
      if (sibling !== undefined) path.push(sibling);
      position >>>= 1;
    }
    return concatBytes(...path);
  }

  /**
   * Proof that the tree of the first `size` leaves is a prefix of this one (RFC 6962, section 2.1.2).
   * @throws RangeError if `size` is not 1 to the number of leaves
   */
  consistencyProof(size: number): Uint8Array {
    if (!Number.isInteger(size) || size < 1 || size > this.size)
      throw new RangeError(`size must be an integer from 1 to ${this.size}, found ${size}`);
    const path: Uint8Array[] = [];
    let [start, end, known] = [0, this.size, true];
    // SUBPROOF(m, D[n], b), walked down with the hashes gathered from the last to the first.
    while (start + size < end) {
      const split = largestPowerBelow(end - start);
      if (size <= split) {
        path.push(this.#subtree(start + split, end));
        end = start + split;
      } else {
        path.push(this.#subtree(start, start + split));
        start += split;
        size -= split;
        known = false;
      }
    }
    if (!known) path.push(this.#subtree(start, end));
    return concatBytes(...path.reverse());
  }

  /**
   * Hash over the leaves start … end − 1 of a node of the tree: as many as a power of two, or the last ones, in which case
   * the node stands as high as it would with all its leaves.
   */
  #subtree(start: number, end: number): Uint8Array {
    const height = Math.ceil(Math.log2(end - start));
    return this.#levels[height]![start / 2 ** height]!;
  }
}

/**
 * Whether `leaf` is the leaf at `index` of the tree of `size` leaves with this root (RFC 9162, section 2.1.3.2).
 * @param leaf the data, not its hash
 */
export function verifyInclusion({
  leaf,
  index,
  size,
  proof,
  root,
}: {
  leaf: Uint8Array;
  index: number;
  size: number;
  proof: Uint8Array;
  root: Uint8Array;
}): boolean {
  if (!isCount(index) || !isCount(size) || index >= size || proof.length % HASH_BYTES !== 0) return false;
  let [node, last, hash] = [index, size - 1, merkleLeafHash(leaf)];
  for (const step of hashes(proof)) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(step, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [halved(node), halved(last)];
    } else hash = nodeHash(hash, step);
    [node, last] = [halved(node), halved(last)];
  }
  return last === 0 && equalBytes(hash, root);
}

/** Whether the tree of `oldSize` leaves is a prefix of that of `size` leaves (RFC 9162, section 2.1.4.2). */
export function verifyConsistency({
  oldSize,
  oldRoot,
  size,
  root,
  proof,
}: {
  oldSize: number;
  oldRoot: Uint8Array;
  size: number;
  root: Uint8Array;
  proof: Uint8Array;
}): boolean {
  if (!isCount(oldSize) || !isCount(size) || oldSize < 1 || oldSize > size) return false;
  if (oldSize === size) return proof.length === 0 && equalBytes(oldRoot, root);
  if (proof.length === 0 || proof.length % HASH_BYTES !== 0) return false;
  const isWholeSubtree = Number.isInteger(Math.log2(oldSize));
  const [first, ...rest] = isWholeSubtree ? [oldRoot, ...hashes(proof)] : hashes(proof);
  let [node, last] = [oldSize - 1, size - 1];
  while (node % 2 === 1) [node, last] = [halved(node), halved(last)];
  let [oldHash, newHash] = [first!, first!];
  for (const step of rest) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      [oldHash, newHash] = [nodeHash(step, oldHash), nodeHash(step, newHash)];
      while (node % 2 === 0 && node !== 0) [node, last] = [halved(node), halved(last)];
    } else newHash = nodeHash(newHash, step);
    [node, last] = [halved(node), halved(last)];
  }
  return last === 0 && equalBytes(oldHash, oldRoot) && equalBytes(newHash, root);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function halved(value: number): number {
  return Math.floor(value / 2);
}

function hashes(proof: Uint8Array): Uint8Array[] {
  return Array.from({ length: proof.length / HASH_BYTES }, (_, i) =>
    proof.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

function largestPowerBelow(count: number): number {
  return 2 ** Math.ceil(Math.log2(count) - 1);
}
