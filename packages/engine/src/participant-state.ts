/** State, events and outputs of the participant machine: one machine per task, on each device. */
import type { ParticipationEntry, SignedLedgerHead } from "@kindred/privacy";
import type { ClientMessage, Plan, Rejection, ServerMessage } from "@kindred/protocol";
import type { ClientState, CryptoSuite, MaskJob } from "@kindred/secagg";

export interface ParticipantConfig {
  readonly plan: Plan;
  /** 32 bytes. */
  readonly planDigest: Uint8Array;
  readonly device: { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array };
  readonly coordinatorKey: Uint8Array;
}

/** What a device was selected with. */
interface SelectedRound {
  readonly round: number;
  readonly modelHash: Uint8Array;
  readonly beacon: Uint8Array;
}

export type ParticipantState =
  | { readonly name: "waiting" }
  | ({ readonly name: "training" } & SelectedRound)
  | ({ readonly name: "ready" } & SelectedRound)
  | {
      readonly name: "secure";
      readonly round: number;
      readonly beacon: Uint8Array;
      readonly client: ClientState;
      /** Last message received and the answer given, so that a repeated message gets the same bytes. */
      readonly heard: ServerMessage | undefined;
      readonly answer: ClientMessage | undefined;
      /** The signature that goes with the masked input, once the masks are handed out. */
      readonly statement: Uint8Array | undefined;
    }
  | { readonly name: "finished" };

export type ParticipantEvent =
  | { readonly type: "message"; readonly message: ServerMessage }
  /** Local training is done and its contribution kept by the runtime. */
  | { readonly type: "trained"; readonly round: number }
  | { readonly type: "training-failed"; readonly round: number; readonly rejection: Rejection }
  /** The masked and packed vector of a `mask` output, after the participation was recorded durably. */
  | { readonly type: "masked"; readonly round: number; readonly vector: Uint8Array }
  /** The person withdrew consent, or the app stops. */
  | { readonly type: "withdraw" };

export type ParticipantOutput =
  | { readonly type: "send"; readonly message: ClientMessage }
  /** Remember this head durably in place of the one before, at the latest before a masked input leaves. */
  | { readonly type: "remember"; readonly head: SignedLedgerHead }
  | { readonly type: "train"; readonly round: number; readonly modelHash: string }
  /** Encode the contribution under `sid`, record the participation durably, apply the masks, answer with `masked`. */
  | {
      readonly type: "mask";
      readonly round: number;
      readonly sid: Uint8Array;
      readonly job: MaskJob;
      readonly epsilon: number | null;
    }
  /** Forget the contribution of the round. */
  | { readonly type: "forget"; readonly round: number }
  | { readonly type: "check-in"; readonly afterMs: number }
  | { readonly type: "released"; readonly round: number; readonly modelHash: string }
  | { readonly type: "refused"; readonly round: number; readonly rejection: Rejection }
  | { readonly type: "round-failed"; readonly round: number; readonly rejection: Rejection }
  | { readonly type: "finished"; readonly modelHash: string };

export interface ParticipantEnvironment {
  readonly suite: CryptoSuite;
  readonly random: (length: number) => Uint8Array;
  /** The device's own ledger. */
  readonly ledger: readonly ParticipationEntry[];
  /** The newest verified tree head of this coordinator's ledger. */
  readonly ledgerHead: SignedLedgerHead | undefined;
}
