/**
 * What a step of the client machine will ask of the suite. A platform whose cryptography answers later, such as
 * WebCrypto, computes it beforehand; the machines themselves stay synchronous.
 */

import { checkCertificate } from "./certificate.ts";
import type { ClientEvent } from "./client.ts";
import type { ClientState } from "./client-state.ts";
import type { CryptoSuite } from "./crypto.ts";
import { checkDirectory } from "./roster.ts";
import { checkSurvivors } from "./survivors.ts";

/** A computation whose inputs are known before the step that asks for it. */
export type ForeseenOperation =
  | { readonly kind: "agree"; readonly secretKey: Uint8Array; readonly publicKey: Uint8Array }
  | {
      readonly kind: "verify";
      readonly signature: Uint8Array;
      readonly message: Uint8Array;
      readonly publicKey: Uint8Array;
    };

/**
 * The agreements and verifications of `stepClient(state, event)`, found by going through its checks with signatures
 * taken for valid. A step that refuses early asks for fewer.
 * @param random what the step will draw, in the same order: the signatures of a certificate are verified at random
 */
export function foreseenOperations(
  state: ClientState,
  event: ClientEvent,
  random: (length: number) => Uint8Array,
): readonly ForeseenOperation[] {
  const operations: ForeseenOperation[] = [];
  const suite: Pick<CryptoSuite, "verify"> = {
    verify(signature, message, publicKey) {
      operations.push({ kind: "verify", signature, message, publicKey });
      return true;
    },
  };
  if (state.phase === "enrolling" && (event.type === "roster" || event.type === "neighbourhood")) {
    const { config, own, keys } = state;
    const { coordinatorKey } = config;
    const checked = checkDirectory(event, { binding: config, own, coordinatorKey, suite });
    if (!checked.ok) return operations;
    const { session, self } = checked.value;
    const secretKey = keys.c.expose();
    for (const peer of session.neighbours(self))
      operations.push({ kind: "agree", secretKey, publicKey: session.entries[peer]!.cPublic });
  }
  if (state.phase === "sharing" && event.type === "inbox") {
    const secretKey = state.keys.s.expose();
    for (const peer of event.peers) {
      const entry = state.session.entries[peer];
      if (entry !== undefined) operations.push({ kind: "agree", secretKey, publicKey: entry.sPublic });
    }
  }
  if (state.phase === "masking" && event.type === "survivors") checkSurvivors(state, event, suite);
  if (state.phase === "consistency" && event.type === "unmask") {
    const { session, self, survivors } = state;
    checkCertificate(event, { session, self, survivors, suite, random });
  }
  return operations;
}
