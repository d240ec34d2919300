/** The coordinator's checks of what a member answers in R1 to R4; an answer that passes is recorded in the state. */
import {
  accepted,
  equalBytes,
  type Result,
  type RevealedShares,
  rejected,
  type SealedShares,
  SHARE_KINDS,
} from "@kindred/protocol";
import type { CryptoSuite } from "./crypto.ts";
import { secondAnswer } from "./enrolment.ts";
import { areRevealed, equalReveals, packReveal, SHARE_BYTES } from "./recovery-job.ts";
import {
  type ConsistencyState,
  type MaskingState,
  type RunningState,
  type SharingState,
  type UnmaskingState,
  withSlot,
} from "./server-state.ts";
import { deviceOf } from "./session.ts";
import { boxBytes } from "./share-boxes.ts";
import { surplusLevel } from "./surplus-seeds.ts";

/** `from` is the sender's device key in hexadecimal, as its connection has proved it. */
export type MemberAnswer =
  | ({ readonly type: "shares"; readonly from: string } & SealedShares)
  /**
   * The vector stays outside the machine. `digest` identifies it, so that a second, different vector is told from a
   * repetition; without digests every second masked input counts as a repetition.
   */
  | {
      readonly type: "masked-input";
      readonly from: string;
      /** The device's, over `sharingSigningBytes`. */
      readonly signature: Uint8Array;
      readonly digest?: Uint8Array;
    }
  | { readonly type: "consistency"; readonly from: string; readonly signature: Uint8Array }
  | ({ readonly type: "reveal"; readonly from: string } & RevealedShares);

export type Recorded = { readonly state: RunningState; readonly repeated: boolean };

const PHASE_OF = {
  shares: "sharing",
  "masked-input": "masking",
  consistency: "consistency",
  reveal: "unmasking",
} as const satisfies Record<MemberAnswer["type"], RunningState["phase"]>;
const PHASE_ORDER: readonly RunningState["phase"][] = ["sharing", "masking", "consistency", "unmasking"];

/** Checks a member's answer and records it. A repetition of an accepted answer leaves the state as it is. */
export function recordAnswer(
  state: RunningState,
  event: MemberAnswer,
  { member, suite }: { member: number; suite: CryptoSuite },
): Result<Recorded> {
  const same = compareWithPrevious(state, event, member);
  if (same === true) return accepted({ state, repeated: true });
  if (same === false) return { ok: false, rejection: secondAnswer(event.type) };
  const due = PHASE_OF[event.type];
  if (PHASE_ORDER.indexOf(due) > PHASE_ORDER.indexOf(state.phase)) return unexpected(event.type, state.phase);
  if (due !== state.phase || !state.asked[member] || !state.present[member])
    return rejected("dropped-out", event.type, {
      rule: "must arrive before its phase closes and from a member that the phase asks",
      fix: "take part in the next round",
    });
  const counted = { waiting: state.waiting - 1, answered: state.answered + 1 };
  switch (state.phase) {
    case "sharing": {
      const sealed = event as Extract<MemberAnswer, { type: "shares" }>;
      const checked = checkSealed(state, sealed, member);
      if (!checked.ok) return checked;
      return record({ ...state, ...counted, shares: withSlot(state.shares, member, sealed.boxes) });
    }
    case "masking": {
      const { signature, digest } = event as Extract<MemberAnswer, { type: "masked-input" }>;
      const checked = checkStatement(state, signature, { member, suite });
      if (!checked.ok) return checked;
      const inputs = withSlot(state.inputs, member, { digest: digest ?? NO_DIGEST, signature });
      return record({ ...state, ...counted, inputs });
    }
    case "consistency": {
      const { signature } = event as Extract<MemberAnswer, { type: "consistency" }>;
      const checked = checkSignature(state, signature, { member, suite });
      if (!checked.ok) return checked;
      return record({ ...state, ...counted, signatures: withSlot(state.signatures, member, signature) });
    }
    case "unmasking": {
      const revealed = event as Extract<MemberAnswer, { type: "reveal" }>;
      const checked = checkRevealed(state, revealed, member);
      if (!checked.ok) return checked;
      const packed = packReveal(revealed);
      return record({ ...state, ...counted, reveals: withSlot(state.reveals, member, packed) });
    }
  }
}

/** The rejection of a message whose phase has not come or never will. */
export function unexpected(type: string, phase: string) {
  return rejected("message-unexpected", type, {
    rule: `does not belong to the round's phase ${phase}`,
    fix: "answer the phases of a round in their order",
  });
}

const NO_DIGEST = new Uint8Array(0);

function record(state: SharingState | MaskingState | ConsistencyState | UnmaskingState): Result<Recorded> {
  return accepted({ state, repeated: false });
}

/** Whether the member's earlier answer of the same kind equals this one; `undefined` if there is none. */
function compareWithPrevious(state: RunningState, event: MemberAnswer, member: number): boolean | undefined {
  switch (event.type) {
    case "shares": {
      const before = state.shares[member];
      if (before === undefined) return undefined;
      const length = boxBytes(state.config.surplus?.length ?? 0);
      const wellFormed = areBoxesFor(state.session.neighbours(member), { sealed: event, length });
      return wellFormed && equalBytes(before, event.boxes);
    }
    case "masked-input": {
      const before = "inputs" in state ? state.inputs[member] : undefined;
      return (
        before &&
        equalBytes(before.digest, event.digest ?? NO_DIGEST) &&
        equalBytes(before.signature, event.signature)
      );
    }
    case "consistency": {
      const before = "signatures" in state ? state.signatures[member] : undefined;
      return before && equalBytes(before, event.signature);
    }
    case "reveal": {
      const before = "reveals" in state ? state.reveals[member] : undefined;
      if (before === undefined) return undefined;
      const wellFormed = event.shares.length === revealBytes(state) * event.owners.length;
      return wellFormed && equalReveals(before, packReveal(event));
    }
  }
}

/** Bytes of a revealed share: with that of a noise seed behind it where |U3| warrants that surplus noise is removed. */
function revealBytes(state: RunningState): number {
  const survivors = "survivors" in state ? state.survivors.length : 0;
  return surplusLevel(state.config.surplus, survivors) === 0 ? SHARE_BYTES : 2 * SHARE_BYTES;
}

function checkSealed({ session, config }: SharingState, sealed: SealedShares, member: number): Result<true> {
  const length = boxBytes(config.surplus?.length ?? 0);
  if (areBoxesFor(session.neighbours(member), { sealed, length })) return accepted(true);
  return rejected("share-invalid", "shares", {
    rule: `must hold exactly one box of ${length} bytes for each of the ${session.degree} neighbours, in order`,
    fix: "derive the neighbours from the roster",
  });
}

function areBoxesFor(
  neighbours: readonly number[],
  { sealed: { peers, boxes }, length }: { sealed: SealedShares; length: number },
): boolean {
  return (
    peers.length === neighbours.length &&
    peers.every((peer, i) => peer === neighbours[i]) &&
    boxes.length === length * peers.length
  );
}

/** The member's neighbours will want to see that it masked for this very U2. */
function checkStatement(
  { session, sharingStatement }: MaskingState,
  signature: Uint8Array,
  { member, suite }: { member: number; suite: CryptoSuite },
): Result<true> {
  if (suite.verify(signature, sharingStatement, deviceOf(session, member))) return accepted(true);
  return rejected("signature-invalid", "masked-input.signature", {
    rule: "must be the device's own over the session and the members that it masked for",
    fix: "sign sharingSigningBytes of the inbox's set",
  });
}

function checkSignature(
  { session, statement }: ConsistencyState,
  signature: Uint8Array,
  { member, suite }: { member: number; suite: CryptoSuite },
): Result<true> {
  if (suite.verify(signature, statement, deviceOf(session, member))) return accepted(true);
  return rejected("signature-invalid", "consistency.signature", {
    rule: "must be the device's own over the session and its survivors",
    fix: "sign consistencySigningBytes of the survivors that were sent",
  });
}

function checkRevealed(state: UnmaskingState, revealed: RevealedShares, member: number): Result<true> {
  const { recovered } = state;
  const due = state.session.holders(member).filter((owner) => recovered[owner] !== undefined);
  const { owners, kinds } = revealed;
  const complete =
    owners.length === due.length &&
    kinds.length === due.length &&
    owners.every((owner, i) => owner === due[i] && SHARE_KINDS[kinds[i]!] === recovered[owner]) &&
    areRevealed(revealed, revealBytes(state));
  if (complete) return accepted(true);
  return rejected("share-invalid", "reveal.shares", {
    rule: `must hold exactly one well-formed share for each of ${due.length} owners, in order, self-mask of survivors and mask-key of dropped members`,
    fix: "reveal what the survivors' set implies",
  });
}
