/** Messages as the vectors show them: whatever travels as columns is a list with one object per member. */
import {
  type ClientMessage,
  type RevealedShare,
  revealedColumns,
  revealedShares,
  type SealedShare,
  type ServerMessage,
  sealedColumns,
  sealedShares,
} from "../src/index.ts";

export function listForm(message: ClientMessage | ServerMessage): object {
  switch (message.type) {
    case "shares":
    case "inbox": {
      const { peers, boxes, ...rest } = message;
      return { ...rest, shares: sealedShares({ peers, boxes }) };
    }
    case "reveal": {
      const { owners, kinds, shares, ...rest } = message;
      return { ...rest, shares: revealedShares({ owners, kinds, shares }) };
    }
    default:
      return message;
  }
}

/** Inverse of `listForm`. */
export function columnForm(message: object): unknown {
  if (!("shares" in message)) return message;
  const { shares, ...rest } = message as { type: string; shares: unknown };
  return rest.type === "reveal"
    ? { ...rest, ...revealedColumns(shares as readonly RevealedShare[]) }
    : { ...rest, ...sealedColumns(shares as readonly SealedShare[]) };
}
