/** The client's states: one per phase, each with exactly that phase's data, and how their secrets are wiped. */
import type { Advertisement } from "@kindred/protocol";
import type { KeyPair } from "./crypto.ts";
import type { Secret } from "./secret.ts";
import type { RoundBinding, Session } from "./session.ts";

export interface ClientConfig extends RoundBinding {
  /** Ed25519 key of the coordinator, 32 bytes, from the pinned plan. */
  readonly coordinatorKey: Uint8Array;
  /** The device's long-term Ed25519 identity; the machine copies the secret key. */
  readonly device: KeyPair;
}

/** The shares that a member holds of one owner's secrets. */
export interface HeldShares {
  readonly maskKey: Secret;
  readonly selfMask: Secret;
  /** By component of surplus noise; of one owner at most one is ever revealed. */
  readonly noise: readonly Secret[];
}

interface Membership {
  readonly config: PublicConfig;
  readonly identity: Secret;
  readonly session: Session;
  /** The client's own index. */
  readonly self: number;
}

type PublicConfig = Omit<ClientConfig, "device">;

export interface RoundKeys {
  readonly c: Secret;
  readonly s: Secret;
  /** b_u. */
  readonly seed: Secret;
}

export interface IdleState {
  readonly phase: "idle";
  readonly config: PublicConfig;
  readonly device: Uint8Array;
  readonly identity: Secret;
}
/** R0 answered; waits for the roster. */
export interface EnrollingState {
  readonly phase: "enrolling";
  readonly config: PublicConfig;
  readonly identity: Secret;
  readonly keys: RoundKeys;
  readonly own: Advertisement;
}
/** R1 answered; waits for the inbox. */
export interface SharingState extends Membership {
  readonly phase: "sharing";
  readonly keys: RoundKeys;
  /** ECDH(c_u, c_v) by neighbour. */
  readonly agreements: ReadonlyMap<number, Secret>;
  /** The member's own share of its own secrets, in the complete graph. */
  readonly own: HeldShares | undefined;
  /** a_0 … a_{L−1}, from which its surplus noise is drawn. */
  readonly noiseSeeds: readonly Secret[];
}
/** R2: the masks are handed out; waits for the survivors. Of the secrets only shares are left. */
export interface MaskingState extends Membership {
  readonly phase: "masking";
  /** By owner: the neighbours in U2, and in the complete graph the member itself. */
  readonly held: ReadonlyMap<number, HeldShares>;
  /** U2 as it was shown, `encodeMemberSet`. */
  readonly sharing: Uint8Array;
}
/** R3 answered; waits for the signatures. */
export interface ConsistencyState extends Membership {
  readonly phase: "consistency";
  readonly held: ReadonlyMap<number, HeldShares>;
  /** U3, sorted. */
  readonly survivors: readonly number[];
}
export interface EndedState {
  readonly phase: "ended";
  readonly sid: Uint8Array | undefined;
}

export type ClientState =
  | IdleState
  | EnrollingState
  | SharingState
  | MaskingState
  | ConsistencyState
  | EndedState;

/** The session id, from the roster on; also after the end. */
export function clientSessionId(state: ClientState): Uint8Array | undefined {
  switch (state.phase) {
    case "idle":
    case "enrolling":
      return undefined;
    case "ended":
      return state.sid;
    default:
      return state.session.sid;
  }
}

/** The end of a machine; wipe the state before. */
export function ended(state: ClientState): EndedState {
  return { phase: "ended", sid: clientSessionId(state) };
}

/** Wipes every secret a state holds; wiping what is wiped already is harmless. */
export function wipe(state: ClientState): void {
  if (state.phase === "ended") return;
  state.identity.wipe();
  if (state.phase === "enrolling" || state.phase === "sharing")
    for (const key of Object.values(state.keys) as Secret[]) key.wipe();
  if (state.phase === "sharing") {
    for (const agreement of state.agreements.values()) agreement.wipe();
    for (const seed of state.noiseSeeds) seed.wipe();
    if (state.own !== undefined) wipeShares([state.own]);
  }
  if (state.phase === "masking" || state.phase === "consistency") wipeShares(state.held.values());
}

/** Wipes shares that are not part of a state. */
export function wipeShares(shares: Iterable<HeldShares>): void {
  for (const { maskKey, selfMask, noise } of shares)
    for (const secret of [maskKey, selfMask, ...noise]) secret.wipe();
}
