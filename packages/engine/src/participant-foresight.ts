/** What a device's next step will compute, for platforms whose cryptography answers later. */
import type { ServerMessage } from "@kindred/protocol";
import { type ForeseenOperation, foreseenOperations } from "@kindred/secagg";
import type { ParticipantState } from "./participant.ts";

/**
 * What stepping the client machine on this message will ask of the suite; see `foreseenOperations` of @kindred/secagg.
 * @param random what the step will draw, in the same order
 */
export function foreseenByParticipant(
  state: ParticipantState,
  message: ServerMessage,
  random: (length: number) => Uint8Array,
): readonly ForeseenOperation[] {
  if (state.name !== "secure" || !("round" in message) || message.round !== state.round) return [];
  switch (message.type) {
    case "roster":
    case "neighbourhood":
    case "inbox":
    case "survivors":
    case "unmask":
      return foreseenOperations(state.client, message, random);
    default:
      return [];
  }
}
