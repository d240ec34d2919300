/**
 * A suite whose clients share what all of them compute alike: in one process a thousand members would check the same
 * thousand signatures, and compute each agreement at both of its ends. Only members that use the plain suite are measured.
 */
import { bytesToHex } from "@kindred/protocol";
import type { CryptoSuite } from "@kindred/secagg";

export function sharedWork(suite: CryptoSuite): CryptoSuite {
  const verified = new Map<string, boolean>();
  const publicOf = new WeakMap<Uint8Array, string>();
  /** Agreements computed at one end; the other end takes them away. */
  const agreements = new Map<string, Uint8Array | undefined>();
  return {
    ...suite,
    agreementKeyPair(seed) {
      const pair = suite.agreementKeyPair(seed);
      publicOf.set(pair.secretKey, bytesToHex(pair.publicKey));
      return pair;
    },
    agree(secretKey, publicKey) {
      const own = publicOf.get(secretKey);
      if (own === undefined) return suite.agree(secretKey, publicKey);
      const other = bytesToHex(publicKey);
      const label = own < other ? own + other : other + own;
      if (agreements.has(label)) {
        const known = agreements.get(label);
        agreements.delete(label);
        return known;
      }
      const agreement = suite.agree(secretKey, publicKey);
      agreements.set(label, agreement?.slice());
      return agreement;
    },
    verify(signature, message, publicKey) {
      const label = bytesToHex(signature);
      const known = verified.get(label) ?? suite.verify(signature, message, publicKey);
      verified.set(label, known);
      return known;
    },
  };
}
