/** What all attacks of one audit found together. */
import type { AttackReport } from "@kindred/audit/attack";
import type { ReleasedModelReport } from "./released-models.ts";

/** Everything that was found. */
export interface AttackFindings extends AttackReport {
  /** Of membership inference on released models; null where it was left out, or time was up before it told anything. */
  readonly released: ReleasedModelReport | null;
}

/** Whether anything that was found is more than was promised. */
export function isContradicted({ contradicted, released }: AttackFindings): boolean {
  return contradicted || released?.contradicted === true;
}
