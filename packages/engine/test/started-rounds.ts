import { appendEntry, type LedgerEntry, type LedgerSigner, LedgerTree } from "@kindred/privacy";
import { bytesToHex, type Plan, type ServerMessage } from "@kindred/protocol";
import type { Selection } from "../src/index.ts";
import { coordinatorSigner } from "./test-task.ts";

/** A ledger of round starts, for tests that select a device by hand. */
export class StartedRounds {
  readonly #tree: LedgerTree;
  readonly #signer: LedgerSigner;
  readonly #plan: Plan;
  #tail: LedgerEntry | undefined;

  /** @param signer the coordinator's of every fleet by default */
  constructor(plan: Plan, signer: LedgerSigner = coordinatorSigner) {
    this.#plan = plan;
    this.#signer = signer;
    this.#tree = new LedgerTree(signer);
  }

  /** Starts the round a selection is for, and completes it. */
  start(
    selection: Selection,
    { remembered = 0, promised = null }: { remembered?: number; promised?: number | null } = {},
  ): Extract<ServerMessage, { type: "selected" }> {
    const { round, planDigest, modelHash, beacon } = selection;
    this.#tail = appendEntry({
      tail: this.#tail,
      time: new Date(1_700_000_000_000).toISOString(),
      signer: this.#signer,
      body: {
        kind: "round-started",
        task: this.#plan.task,
        round,
        planDigest: bytesToHex(planDigest),
        modelHash: bytesToHex(modelHash),
        beacon: bytesToHex(beacon),
        promised: { coordinator: promised, observer: promised },
      },
    });
    this.#tree.append(this.#tail);
    return { ...selection, ledger: this.#tree.evidence({ task: this.#plan.task, round, remembered }) };
  }
}
