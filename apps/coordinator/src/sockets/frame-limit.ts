/** How long a frame of an honest device gets, so that nobody can make the coordinator hold more. */
import { type Plan, packedLength } from "@kindred/protocol";
import { boxBytes } from "@kindred/secagg";

/** Bytes of a member's index and of the kind of a share, in their columns. */
const MEMBER_BYTES = 5;
/** Bytes of what is not in a list, rounded up. */
const REST_BYTES = 1_024;

/**
 * Largest frame that an honest client of a plan sends: its masked vector, or one sealed box for every member. A revealed
 * share is shorter than a box.
 */
export function largestFrame(plan: Plan): number {
  const { paddedLength, modulusBits, surplus = [] } = plan.resolved.mechanism;
  const boxes = plan.cohort.maximum * (MEMBER_BYTES + boxBytes(surplus.length));
  return REST_BYTES + Math.max(packedLength(paddedLength, modulusBits), boxes);
}
