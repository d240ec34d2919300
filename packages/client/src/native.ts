/** The platform's asynchronous cryptography, where it has some: a port, and how a step makes use of it. */
import { foreseenByParticipant, type ParticipantState } from "@kindred/engine";
import type { ServerMessage } from "@kindred/protocol";
import type { CryptoSuite, ForeseenOperation, MaskJob } from "@kindred/secagg";

/** Cryptography that answers later, such as WebCrypto: quicker than the suite, and off the main thread. Same bytes. */
export interface NativeCryptography {
  /** A suite that answers these operations from results computed now; `wipe` overwrites what was not asked for. */
  readonly foresee: (
    suite: CryptoSuite,
    operations: readonly ForeseenOperation[],
  ) => Promise<{ readonly suite: CryptoSuite; readonly wipe: () => void }>;
  /** Adds the job's masks to the vector in place. */
  readonly applyMasks: (vector: Uint32Array, job: MaskJob) => Promise<void>;
}

/** What a step is made with. */
export interface StepCryptography {
  readonly suite: CryptoSuite;
  readonly random: (length: number) => Uint8Array;
}

/**
 * Computes natively what the step on `message` will ask for, calls `step`, and wipes what is left. What the step draws
 * is drawn here, in the same order, because which signatures of a certificate are verified is decided by chance.
 * Where native cryptography fails, the step is made with the suite alone.
 */
export async function withForesight(
  message: ServerMessage,
  {
    state,
    native,
    suite,
    random,
    coordinatorKey,
    step,
  }: StepCryptography & {
    readonly state: ParticipantState;
    readonly native: NativeCryptography;
    /** 32 bytes. */
    readonly coordinatorKey: Uint8Array;
    readonly step: (cryptography: StepCryptography) => void;
  },
): Promise<void> {
  const drawn: Uint8Array[] = [];
  const draw = (length: number): Uint8Array => {
    const bytes = random(length);
    drawn.push(bytes.slice());
    return bytes;
  };
  const operations = foreseenByParticipant(state, message, { random: draw, coordinatorKey });
  const foreseen = await native
    .foresee(suite, operations)
    .catch(() => ({ suite, wipe: () => undefined }) as const);
  const redraw = (length: number): Uint8Array => {
    const next = drawn.shift();
    return next?.length === length ? next : random(length);
  };
  try {
    step({ suite: foreseen.suite, random: operations.length === 0 ? random : redraw });
  } finally {
    foreseen.wipe();
  }
}
