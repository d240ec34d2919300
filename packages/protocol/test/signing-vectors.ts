/** Vectors of the bytes that are signed and hashed, and of packed integers. */
import {
  advertisementBytes,
  advertisementSigningBytes,
  bytesToHex,
  concatBytes,
  consistencySigningBytes,
  directoryDigest,
  encodeMemberSet,
  hashParts,
  helloSigningBytes,
  hexToBytes,
  ledgerHeadSigningBytes,
  MerkleTree,
  packBits,
  planDigest,
  planSigningText,
  rosterSigningBytes,
  sessionId,
  sharingSigningBytes,
} from "../src/index.ts";
import { jsonForm } from "./json-form.ts";
import { bytesFrom, sampleAdvertisement, samplePlan } from "./samples.ts";

/** `packing.json` */
export function packingVectors() {
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

/** `signing.json` */
export function signingVectors() {
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
