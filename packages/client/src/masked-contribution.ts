/** From a contribution to a masked input: noise, personal ledger, masks, in this order. */
import type { ParticipantOutput } from "@kindred/engine";
import { bytesToHex, packBits } from "@kindred/protocol";
import { applyMasks, wipeMasks } from "@kindred/secagg";
import { quantise, type WipeableContribution } from "./contribution.ts";
import type { ParticipationOptions } from "./participation-ports.ts";

interface Masking
  extends Pick<
    ParticipationOptions,
    "config" | "random" | "keystream" | "clock" | "suite" | "native" | "ports"
  > {
  /** Is wiped. */
  readonly contribution: WipeableContribution;
  readonly modelHash: string;
  /** Whether the round still is: it may end while the ledger or the masks are being written. */
  readonly isWanted: () => boolean;
}

/**
 * Encodes and masks. The ledger's entry is durable before any masked number exists. Plain numbers and mask keys are
 * wiped however it ends.
 * @returns the masked vector, packed, and how long the encoding took in milliseconds; nothing if the round is over
 */
export async function maskContribution(
  { round, sid, job, epsilon }: Extract<ParticipantOutput, { type: "mask" }>,
  { contribution, modelHash, isWanted, ...options }: Masking,
): Promise<{ readonly vector: Uint8Array; readonly encodeMs: number } | undefined> {
  const { config, random, keystream, clock, suite, native, ports } = options;
  const { plan } = config;
  let vector: Uint32Array | undefined;
  try {
    const begun = clock.now();
    vector = quantise(contribution, { plan, sid, random, keystream });
    const encodeMs = clock.now() - begun;
    await ports.ledger.append({
      task: plan.task,
      planDigest: bytesToHex(config.planDigest),
      round,
      time: clock.now(),
      epsilon,
      delta: plan.privacy.delta,
      modelHash,
    });
    if (!isWanted()) return undefined;
    if (native === undefined) applyMasks(vector, job, suite);
    else await native.applyMasks(vector, job);
    return isWanted() ? { vector: packBits(vector, job.bits), encodeMs } : undefined;
  } finally {
    wipeMasks(job);
    vector?.fill(0);
  }
}
