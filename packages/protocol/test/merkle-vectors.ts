/** Vectors of the ledger's Merkle tree: roots and proofs, right ones and wrong ones. */
import { bytesToHex, hexToBytes, MerkleTree } from "../src/index.ts";

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

/** `merkle.json` */
export function merkleVectors() {
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
