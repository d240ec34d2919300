import fc from "fast-check";
import { describe, expect, it } from "vitest";
import merkle from "../test/vectors/merkle.json" with { type: "json" };
import { bytesToHex, concatBytes, hexToBytes, sha256Bytes, utf8ToBytes } from "./canonical.ts";
import { MerkleTree, merkleLeafHash, verifyConsistency, verifyInclusion } from "./merkle.ts";

const leaves = (count: number) => Array.from({ length: count }, (_, i) => utf8ToBytes(`leaf ${i}`));

/** MTH of RFC 6962, section 2.1, word for word. */
function reference(data: readonly Uint8Array[]): Uint8Array {
  if (data.length === 0) return sha256Bytes("");
  if (data.length === 1) return sha256Bytes(concatBytes(Uint8Array.of(0), data[0]!));
  let k = 1;
  while (2 * k < data.length) k *= 2;
  return sha256Bytes(concatBytes(Uint8Array.of(1), reference(data.slice(0, k)), reference(data.slice(k))));
}

describe("root", () => {
  it("is that of the definition, for every size up to 70", () => {
    for (let n = 0; n <= 70; n++) expect(new MerkleTree(leaves(n)).root).toEqual(reference(leaves(n)));
  });

  it("follows the published ones: the test vectors of Certificate Transparency", () => {
    const data = merkle.leaves.map(hexToBytes);
    merkle.roots.forEach((root, size) => {
      expect(bytesToHex(new MerkleTree(data.slice(0, size)).root)).toBe(root);
    });
  });

  it("is the same leaf by leaf as at once, and so are all proofs", () => {
    const grown = new MerkleTree([]);
    for (const [i, leaf] of leaves(70).entries()) {
      grown.append(leaf);
      const whole = new MerkleTree(leaves(i + 1));
      expect(grown.size).toBe(i + 1);
      expect(grown.root).toEqual(whole.root);
      for (let k = 0; k <= i; k++) {
        expect(grown.inclusionProof(k)).toEqual(whole.inclusionProof(k));
        expect(grown.consistencyProof(k + 1)).toEqual(whole.consistencyProof(k + 1));
      }
    }
  });

  it("tells a leaf from a node", () => {
    const [a, b] = leaves(2);
    const node = concatBytes(merkleLeafHash(a!), merkleLeafHash(b!));
    expect(new MerkleTree([node]).root).not.toEqual(new MerkleTree([a!, b!]).root);
  });
});

describe("inclusion", () => {
  it("is proved for every leaf of every size up to 40, and for no other place, size, leaf or root", () => {
    for (let size = 1; size <= 40; size++) {
      const data = leaves(size);
      const tree = new MerkleTree(data);
      const { root } = tree;
      for (let index = 0; index < size; index++) {
        const proof = tree.inclusionProof(index);
        const claim = { leaf: data[index]!, index, size, proof, root };
        expect(proof.length).toBeLessThanOrEqual(32 * Math.ceil(Math.log2(size)));
        expect(verifyInclusion(claim)).toBe(true);
        expect(verifyInclusion({ ...claim, leaf: utf8ToBytes("another") })).toBe(false);
        expect(verifyInclusion({ ...claim, root: sha256Bytes("another") })).toBe(false);
        for (const other of [index - 1, index + 1, size])
          expect(verifyInclusion({ ...claim, index: other })).toBe(false);
        expect(verifyInclusion({ ...claim, proof: concatBytes(proof, sha256Bytes("one more")) })).toBe(false);
        if (size > 1) expect(verifyInclusion({ ...claim, proof: proof.subarray(32) })).toBe(false);
      }
    }
  });

  it("fails for any flipped bit of the proof, and for a proof that is cut within a hash", () => {
    const data = leaves(37);
    const tree = new MerkleTree(data);
    fc.assert(
      fc.property(fc.nat(36), fc.nat(), fc.nat(7), (index, at, bit) => {
        const proof = tree.inclusionProof(index);
        const claim = { leaf: data[index]!, index, size: 37, root: tree.root };
        proof[at % proof.length]! ^= 1 << bit;
        expect(verifyInclusion({ ...claim, proof })).toBe(false);
        expect(verifyInclusion({ ...claim, proof: tree.inclusionProof(index).subarray(1) })).toBe(false);
      }),
    );
  });

  it.each([-1, 0.5, 3, Number.NaN])("of leaf %d of three is a bug, and verifies for nothing", (index) => {
    const tree = new MerkleTree(leaves(3));
    expect(() => tree.inclusionProof(index)).toThrow(RangeError);
    const claim = { leaf: leaves(1)[0]!, index, size: 3, proof: tree.inclusionProof(0), root: tree.root };
    expect(verifyInclusion(claim)).toBe(false);
  });
});

describe("consistency", () => {
  it("is proved for every prefix of every size up to 40, and for no other tree", () => {
    for (let size = 1; size <= 40; size++) {
      const tree = new MerkleTree(leaves(size));
      for (let oldSize = 1; oldSize <= size; oldSize++) {
        const oldRoot = new MerkleTree(leaves(oldSize)).root;
        const proof = tree.consistencyProof(oldSize);
        const claim = { oldSize, oldRoot, size, root: tree.root, proof };
        expect(verifyConsistency(claim), `${oldSize} of ${size}`).toBe(true);
        expect(verifyConsistency({ ...claim, oldRoot: sha256Bytes("another") })).toBe(false);
        expect(verifyConsistency({ ...claim, root: sha256Bytes("another") })).toBe(false);
        expect(verifyConsistency({ ...claim, proof: concatBytes(proof, sha256Bytes("one more")) })).toBe(
          false,
        );
        if (proof.length > 0) expect(verifyConsistency({ ...claim, proof: proof.subarray(32) })).toBe(false);
      }
    }
  });

  it("does not hold where the past was rewritten", () => {
    const rewritten = leaves(9);
    rewritten[2] = utf8ToBytes("rewritten");
    const tree = new MerkleTree(rewritten);
    const oldRoot = new MerkleTree(leaves(5)).root;
    const proof = tree.consistencyProof(5);
    expect(verifyConsistency({ oldSize: 5, oldRoot, size: 9, root: tree.root, proof })).toBe(false);
  });

  it.each([0, 4, 1.5])(
    "with a prefix of %d leaves of three is a bug, and verifies for nothing",
    (oldSize) => {
      const tree = new MerkleTree(leaves(3));
      expect(() => tree.consistencyProof(oldSize)).toThrow(RangeError);
      const { root } = tree;
      expect(verifyConsistency({ oldSize, oldRoot: root, size: 3, root, proof: new Uint8Array(0) })).toBe(
        false,
      );
    },
  );
});

describe("vectors", () => {
  it.each(merkle.inclusion)("inclusion: $name", ({ leaf, index, size, proof, root, valid }) => {
    const claim = { leaf: hexToBytes(leaf), index, size, proof: hexToBytes(proof), root: hexToBytes(root) };
    expect(verifyInclusion(claim)).toBe(valid);
  });

  it.each(merkle.consistency)("consistency: $name", ({ oldSize, oldRoot, size, root, proof, valid }) => {
    const claim = { oldSize, size, proof: hexToBytes(proof) };
    expect(verifyConsistency({ ...claim, oldRoot: hexToBytes(oldRoot), root: hexToBytes(root) })).toBe(valid);
  });
});
