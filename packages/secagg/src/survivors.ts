/** The client's checks of R3: may it sign this U3? */
import { accepted, decodeMemberSet, type Result, rejected, sharingSigningBytes } from "@kindred/protocol";
import { fewestInTwoWindows } from "./certified-graph.ts";
import type { MaskingState } from "./client-state.ts";
import type { CryptoSuite } from "./crypto.ts";

/** R3: U3, and in the regular graph what its neighbours in U3 signed with their masked inputs. */
export interface SurvivorsEvent {
  readonly type: "survivors";
  readonly members: Uint8Array;
  readonly statements: readonly Uint8Array[];
}

/**
 * Checks U3 against what the client masked for. In the regular graph also that no gap in U3 cuts the ring, and that every
 * neighbour in U3 masked for the same U2 as this client: a self mask whose owner left out masks of honest survivors
 * would otherwise expose it.
 * @returns U3, sorted
 */
export function checkSurvivors(
  state: MaskingState,
  event: SurvivorsEvent,
  suite: Pick<CryptoSuite, "verify">,
): Result<readonly number[]> {
  const { config, session, self } = state;
  const { size } = session;
  const decoded = decodeMemberSet(event.members, { size, field: "survivors.members" });
  if (!decoded.ok) return decoded;
  const survivors = decoded.value;
  if (!survivors.includes(self))
    return rejected("message-invalid", "survivors.members", {
      rule: "must name this client",
      fix: "send the set of members whose masked input counts to those members only",
    });
  if (survivors.length < config.minSurvivors)
    return rejected("too-few-survivors", "survivors.members", {
      rule: `must name at least ${config.minSurvivors} survivors, found ${survivors.length}`,
      fix: "fail the round",
    });
  const stranger = survivors.find((member) => !isIn(state.sharing, member));
  if (stranger !== undefined)
    return rejected("message-invalid", "survivors.members", {
      rule: `must not name member ${stranger}, which this client took for dropped when it masked`,
      fix: "name only members of U2",
    });
  if (session.kind === "regular") {
    const checked = checkNeighbours(state, { survivors, statements: event.statements, suite });
    if (!checked.ok) return checked;
  }
  return accepted(survivors);
}

function checkNeighbours(
  { session, self, sharing }: MaskingState,
  {
    survivors,
    statements,
    suite,
  }: { survivors: readonly number[]; statements: readonly Uint8Array[]; suite: Pick<CryptoSuite, "verify"> },
): Result<true> {
  const { degree, ring, windowFloor } = session;
  const fewest = fewestInTwoWindows(ring, { survivors, width: degree / 2 });
  if (fewest < windowFloor)
    return rejected("too-few-survivors", "survivors.members", {
      rule: `must leave at least ${windowFloor} survivors in every two windows of ${degree / 2} places of the ring, found ${fewest}`,
      fix: "fail the round: the survivors could be cut into parts whose sums are read by themselves",
    });
  const alive = new Set(survivors);
  const near = session.neighbours(self).filter((member) => alive.has(member));
  if (statements.length !== near.length)
    return rejected("message-invalid", "survivors.statements", {
      rule: `must be one for each of the ${near.length} neighbours that survived, found ${statements.length}`,
      fix: "send the signatures of their masked inputs, in increasing order of their indices",
    });
  const statement = sharingSigningBytes(session.sid, sharing);
  const other = near.find(
    (member, i) => !suite.verify(statements[i]!, statement, session.entries[member]!.device),
  );
  if (other !== undefined)
    return rejected("signature-invalid", "survivors.statements", {
      rule: `must show that every neighbour that survived masked for the same U2, found that member ${other} does not`,
      fix: "show every member the same inbox.sharing",
    });
  return accepted(true);
}

/** Whether a member is in a set as `encodeMemberSet` gives it. */
function isIn(set: Uint8Array, member: number): boolean {
  return ((set[member >>> 3] ?? 0) & (1 << (member & 7))) !== 0;
}
