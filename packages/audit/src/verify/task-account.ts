/** What a ledger says about a task, put beside what its mechanism proves. */
import type { Spending } from "@kindred/privacy";

/** Cumulative ε by two accountants: Rényi differential privacy, and the privacy loss distribution. */
export interface ProvenEpsilon {
  readonly rdp: number;
  readonly pld: number;
}

/** One round. */
export interface RoundAccount {
  readonly round: number;
  /** Position of the entry that ended it; of the one that started it while it is open. */
  readonly entry: number;
  /** ISO 8601, of that entry. */
  readonly time: string;
  readonly outcome: "released" | "failed" | "open";
  /** Members and survivors; null unless released. */
  readonly cohort: number | null;
  readonly survivors: number | null;
  /** Why it failed. */
  readonly reason: string | null;
  /** Cumulative ε that the ledger claims after the round. */
  readonly claimed: Spending;
  /** Cumulative ε recomputed; null without noise, or where the plan is unusable. */
  readonly proven: ProvenEpsilon | null;
}

/** One model of a task. */
export interface ModelVersion {
  /** Round that released it; 0 for the initial model. */
  readonly round: number;
  readonly hash: string;
  /** Hash of the model it was made from; empty for the initial one. */
  readonly parent: string;
  readonly entry: number;
  /** Clip norm that its file names, where the plan adapts it; null where it is fixed. */
  readonly clip: number | null;
  /** People whose sum it was made from; null for the initial model. */
  readonly survivors: number | null;
  /** Those of them whose surplus noise stayed in the sum. */
  readonly kept: number;
  /** Hash of its weights, of an initial model that the plan says was pre-trained. */
  readonly weights?: string | undefined;
}

/** An operator's decision to go on from an earlier model. */
export interface RollBack {
  readonly entry: number;
  /** ISO 8601. */
  readonly time: string;
  /** Hash of the model that was given up, and of the one that training went on from. */
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  /** Null where the ledger names nobody. */
  readonly operator: string | null;
}

/** One task. */
export interface TaskAccount {
  readonly task: string;
  readonly title: string;
  readonly planDigest: string;
  /** What people were promised; ε is null where the plan has no noise. */
  readonly promised: { readonly epsilon: number | null; readonly delta: number };
  /** P: rounds that one device takes part in at the most. */
  readonly participations: number;
  /** c: devices of one person that take part at the most, all of them covered by ε; null where the plan is unusable. */
  readonly devices: number | null;
  readonly rounds: readonly RoundAccount[];
  /** Rounds that the plan asks for. */
  readonly plannedRounds: number;
  /** Null where the plan is unusable. */
  readonly minSurvivors: number | null;
  readonly models: readonly ModelVersion[];
  readonly rollBacks: readonly RollBack[];
  /** Hash of the model promoted, or gone back to, last. */
  readonly promoted: string | null;
  /** What the ledger claims is spent. */
  readonly claimed: Spending;
  /** The same recomputed. */
  readonly proven: ProvenEpsilon | null;
}
