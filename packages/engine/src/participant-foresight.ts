/** What a device's next step will compute, for platforms whose cryptography answers later. */
import { ledgerHeadSigningBytes, type ServerMessage } from "@kindred/protocol";
import { type ForeseenOperation, foreseenOperations } from "@kindred/secagg";
import type { ParticipantState } from "./participant-state.ts";

/**
 * What stepping the client machine on this message will ask of the suite; see `foreseenOperations` of @kindred/secagg.
 * @param options.random what the step will draw, in the same order
 * @param options.coordinatorKey 32 bytes
 */
export function foreseenByParticipant(
  state: ParticipantState,
  message: ServerMessage,
  options: { readonly random: (length: number) => Uint8Array; readonly coordinatorKey: Uint8Array },
): readonly ForeseenOperation[] {
  if (message.type === "selected") {
    const { size, root, signature } = message.ledger;
    const signed = ledgerHeadSigningBytes({ size, root });
    return [{ kind: "verify", signature, message: signed, publicKey: options.coordinatorKey }];
  }
  if (state.name !== "secure" || !("round" in message) || message.round !== state.round) return [];
  switch (message.type) {
    case "roster":
    case "neighbourhood":
    case "inbox":
    case "survivors":
    case "unmask":
      return foreseenOperations(state.client, message, options.random);
    default:
      return [];
  }
}
