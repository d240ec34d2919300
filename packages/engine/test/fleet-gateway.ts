/** What the coordinator of a fleet has around its round machine: the ledger that it signs, and what it hears. */
import { appendEntry, type LedgerEntry, type LedgerSigner } from "@kindred/privacy";
import type { ClientMessage, Plan } from "@kindred/protocol";
import type { TaskEvent, TaskOutput } from "../src/index.ts";

type LedgerBody = Extract<TaskOutput, { type: "ledger" }>["body"];

/**
 * The ledger of a task: that its plan was accepted, with the first entry's time, and what its machine said.
 * @param options.now time of the acceptance where nothing followed
 */
export function signedLedger(
  said: readonly { readonly body: LedgerBody; readonly time: number }[],
  options: {
    readonly plan: Plan;
    readonly digest: string;
    readonly modelHash: string;
    readonly signer: LedgerSigner;
    readonly now: number;
  },
): LedgerEntry[] {
  const { plan, digest, modelHash, signer, now } = options;
  const accepted = {
    kind: "plan-accepted",
    task: plan.task,
    planDigest: digest,
    plan,
    epsilon: plan.privacy.mechanism === "none" ? null : plan.privacy.epsilon,
    delta: plan.privacy.delta,
    participations: plan.participation.maximum,
    rounds: plan.rounds,
    catalogueHash: plan.resolved.catalogueHash,
    modelHash,
  } as const;
  const entries: LedgerEntry[] = [];
  for (const { body, time } of [{ body: accepted, time: said[0]?.time ?? now }, ...said])
    entries.push(appendEntry({ tail: entries.at(-1), body, time: new Date(time).toISOString(), signer }));
  return entries;
}

/** The event that a client's message is to the round machine, as a gateway has it; `undefined` for a greeting. */
export function eventOf(device: string, message: ClientMessage): TaskEvent | undefined {
  switch (message.type) {
    case "hello":
      return undefined;
    case "check-in":
      return { type: "check-in", device };
    case "ready":
      return { type: "ready", device, round: message.round };
    case "masked-input": {
      const { round, signature } = message;
      return { type: "masked-input", device, round, vector: `${round}:${device}`, signature };
    }
    case "leave":
      return { type: "departed", device };
    default:
      return { type: "member", device, message };
  }
}
