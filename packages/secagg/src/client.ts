/**
 * The client's machine of one round of secure aggregation, phases R0 to R4 (Bonawitz et al. 2017, Fig. 4, variant
 * against a malicious server; Bell et al. 2020 for the regular graph).
 *
 * Pure: state + event + environment in, state + outputs out. A refusal ends the machine and wipes its secrets, as
 * does the last answer. The states of one run share the secrets they have in common, and a step wipes those that are
 * used up: the state passed in is consumed. Repeating a lost answer is the transport's task, from stored bytes.
 */
import {
  type Advertisement,
  accepted,
  advertisementSigningBytes,
  type ClientMessage,
  concatBytes,
  consistencySigningBytes,
  decodeMemberSet,
  type Rejection,
  type Result,
  type RevealedShare,
  rejected,
  revealedColumns,
  type SealedShares,
  sharingSigningBytes,
} from "@kindred/protocol";
import { type Certificate, checkCertificate } from "./certificate.ts";
import {
  type ClientConfig,
  type ClientState,
  type ConsistencyState,
  type EnrollingState,
  ended,
  type HeldShares,
  type IdleState,
  type MaskingState,
  type SharingState,
  wipe,
  wipeShares,
} from "./client-state.ts";
import type { CryptoSuite, KeyPair } from "./crypto.ts";
import { pairwiseMaskKey, seedCommitment, selfMaskKey } from "./keys.ts";
import { type MaskJob, maskJob } from "./masks.ts";
import { SHARE_BYTES } from "./recovery-job.ts";
import { checkDirectory, type NeighbourhoodClaim, type RosterClaim } from "./roster.ts";
import { redacted, Secret } from "./secret.ts";
import { dealShares, lowOrder, openBoxes, SEED_BYTES } from "./share-boxes.ts";
import { addedNoise, drawNoiseSeeds, surplusLevel } from "./surplus-seeds.ts";
import { checkSurvivors, type SurvivorsEvent } from "./survivors.ts";

export type ClientEvent =
  | { readonly type: "enrol" }
  /** R1: the key directory, whole in the complete graph, the client's part of it in the regular one. */
  | RosterClaim
  | NeighbourhoodClaim
  | InboxEvent
  | SurvivorsEvent
  | ({ readonly type: "unmask" } & Certificate)
  /** The person or the application withdraws: the machine ends and wipes its secrets. */
  | { readonly type: "leave" };

/** R2: U2, and the boxes that the neighbours in it sealed for this client. */
interface InboxEvent extends SealedShares {
  readonly type: "inbox";
  readonly sharing: Uint8Array;
}

export type ClientOutput =
  | { readonly type: "send"; readonly message: ClientMessage }
  /** Apply the job to the encoded vector, wipe it, and send the result as `masked-input` with this signature. */
  | {
      readonly type: "mask";
      readonly job: MaskJob;
      readonly sid: Uint8Array;
      /** The device's, over `sharingSigningBytes`. */
      readonly signature: Uint8Array;
    }
  | { readonly type: "finished" }
  /** The machine will not go on; it has ended. */
  | { readonly type: "refused"; readonly rejection: Rejection };

export interface ClientEnvironment {
  readonly suite: CryptoSuite;
  /** Cryptographic randomness, n fresh bytes. */
  readonly random: (length: number) => Uint8Array;
}

export interface ClientStep {
  readonly state: ClientState;
  readonly outputs: readonly ClientOutput[];
}

const NONCE_BYTES = 16;

/** The machine before R0. */
export function startClient({ device, ...config }: ClientConfig): ClientState {
  return { phase: "idle", config, device: device.publicKey, identity: new Secret(device.secretKey.slice()) };
}

/** One transition. An event that the phase does not expect is refused, and every refusal ends the machine. */
export function stepClient(state: ClientState, event: ClientEvent, env: ClientEnvironment): ClientStep {
  const result = transition(state, event, env);
  if (result.ok) {
    if (result.value.state.phase === "ended") wipe(state);
    return result.value;
  }
  wipe(state);
  return { state: ended(state), outputs: [{ type: "refused", rejection: result.rejection }] };
}

function transition(state: ClientState, event: ClientEvent, env: ClientEnvironment): Result<ClientStep> {
  if (event.type === "leave") return accepted({ state: ended(state), outputs: [] });
  if (state.phase === "idle" && event.type === "enrol") return accepted(advertise(state, env));
  if (state.phase === "enrolling" && (event.type === "roster" || event.type === "neighbourhood"))
    return share(state, event, env);
  if (state.phase === "sharing" && event.type === "inbox") return mask(state, event, env.suite);
  if (state.phase === "masking" && event.type === "survivors") return confirm(state, event, env.suite);
  if (state.phase === "consistency" && event.type === "unmask") return reveal(state, event, env);
  return rejected("message-unexpected", event.type, {
    rule: `does not belong to the client's phase ${state.phase}`,
    fix: "send each message of a round once; repeat a lost answer from its stored bytes",
  });
}

/** R0: fresh keys and their advertisement. */
function advertise({ config, device, identity }: IdleState, env: ClientEnvironment): ClientStep {
  const { suite, random } = env;
  const c = agreementKeys(env);
  const s = agreementKeys(env);
  const seed = random(SEED_BYTES);
  const unsigned = {
    device,
    cPublic: c.publicKey,
    sPublic: s.publicKey,
    nonce: random(NONCE_BYTES),
    seedCommitment: seedCommitment(seed),
  };
  const signature = suite.sign(advertisementSigningBytes(unsigned, config), identity.expose());
  const own: Advertisement = { ...unsigned, signature };
  const keys = { c: new Secret(c.secretKey), s: new Secret(s.secretKey), seed: new Secret(seed) };
  return {
    state: { phase: "enrolling", config, identity, keys, own },
    outputs: [{ type: "send", message: { type: "advertise", round: config.round, advertisement: own } }],
  };
}

/** A fresh X25519 key pair; the seed is its secret key over again. */
function agreementKeys({ suite, random }: ClientEnvironment): KeyPair {
  const seed = random(SEED_BYTES);
  const pair = suite.agreementKeyPair(seed);
  seed.fill(0);
  return pair;
}

/** R1: checks the directory, then deals shares of s_u and b_u to every neighbour, sealed for it alone. */
function share(
  { config, identity, keys, own }: EnrollingState,
  claim: RosterClaim | NeighbourhoodClaim,
  { suite, random }: ClientEnvironment,
): Result<ClientStep> {
  const { coordinatorKey, round } = config;
  const checked = checkDirectory(claim, { binding: config, own, coordinatorKey, suite });
  if (!checked.ok) return checked;
  const { session, self } = checked.value;
  const components = config.surplus?.length ?? 0;
  const seeds = drawNoiseSeeds(components, { sid: session.sid, owner: self, random, suite });
  const noiseSeeds = seeds.map((seed) => new Secret(seed));
  const dealt = dealShares(keys, { session, self, noiseSeeds: seeds, suite, random });
  if (!dealt.ok) {
    for (const seed of noiseSeeds) seed.wipe();
    return dealt;
  }
  const { agreements, own: kept, sealed } = dealt.value;
  return accepted({
    state: { phase: "sharing", config, identity, session, self, keys, agreements, own: kept, noiseSeeds },
    outputs: [{ type: "send", message: { type: "shares", round, ...sealed } }],
  });
}

/**
 * R2: checks U2, opens its boxes and derives the masks; from here on only shares are kept. The client signs the U2 that
 * it masks for: whoever is to give away its self mask wants to see that it was the same one.
 */
function mask(state: SharingState, inbox: InboxEvent, suite: CryptoSuite): Result<ClientStep> {
  const { config, identity, session, self, keys, own, agreements, noiseSeeds } = state;
  const { sharing } = inbox;
  const senders = checkSharing(state, inbox);
  if (!senders.ok) return senders;
  const components = noiseSeeds.length;
  const opened = openBoxes(inbox, { session, self, components, agreements, suite });
  if (!opened.ok) return opened;
  const held = opened.value;
  const terms = maskTerms(state, { peers: senders.value, suite });
  if (!terms.ok) {
    wipeShares(held.values());
    return terms;
  }
  if (own !== undefined) held.set(self, own);
  const job = maskJob({ ...terms.value, bits: config.bits, length: config.length });
  for (const secret of [keys.c, keys.s, keys.seed, ...agreements.values(), ...noiseSeeds]) secret.wipe();
  const { sid } = session;
  const signature = suite.sign(sharingSigningBytes(sid, sharing), identity.expose());
  return accepted({
    state: { phase: "masking", config, identity, session, self, held, sharing },
    outputs: [{ type: "mask", job, sid, signature }],
  });
}

/** Whether U2 is large enough and the boxes are those of exactly its neighbours. @returns the neighbours in U2 */
function checkSharing(
  { config, session, self, own }: SharingState,
  { sharing, peers: senders }: InboxEvent,
): Result<readonly number[]> {
  const decoded = decodeMemberSet(sharing, { size: session.size, field: "inbox.sharing" });
  if (!decoded.ok) return decoded;
  const present = new Set(decoded.value);
  if (!present.has(self))
    return rejected("message-invalid", "inbox.sharing", {
      rule: "must name this client",
      fix: "ask only members whose shares were accepted for a masked input",
    });
  if (present.size < config.minSurvivors)
    return rejected("too-few-survivors", "inbox.sharing", {
      rule: `must name at least ${config.minSurvivors} members, found ${present.size}`,
      fix: "fail the round",
    });
  const peers = session.neighbours(self).filter((peer) => present.has(peer));
  const due = new Set(peers);
  const stray = senders.find((sender) => !due.delete(sender));
  if (stray !== undefined)
    return rejected("share-invalid", "inbox.shares", {
      rule: `must come from each neighbour in U2 once and from nobody else, found one of member ${stray}`,
      fix: "deliver every box to its addressee, once",
    });
  if (due.size > 0)
    return rejected("share-invalid", "inbox.shares", {
      rule: `must come from every neighbour in U2, found none of member ${[...due][0]}`,
      fix: "deliver all boxes of the members that inbox.sharing names",
    });
  const holders = peers.length + (own === undefined ? 0 : 1);
  if (holders < session.threshold)
    return rejected("too-few-survivors", "inbox.shares", {
      rule: `must leave at least ${session.threshold} members that hold shares, found ${holders}`,
      fix: "wait for a round with fewer dropouts",
    });
  return accepted(peers);
}

/** The self mask and the pairwise ones, and the surplus noise where the plan has it. */
function maskTerms(
  { config, session, self, keys, noiseSeeds }: SharingState,
  { peers, suite }: { peers: readonly number[]; suite: CryptoSuite },
): Result<Pick<MaskJob, "terms" | "noise">> {
  const { sid } = session;
  const shape = { bits: config.bits, length: config.length };
  const terms: { key: Uint8Array; sign: 1 | -1 }[] = [
    { key: selfMaskKey(keys.seed.expose(), { sid, owner: self, shape }, suite), sign: 1 },
  ];
  for (const peer of peers) {
    const shared = suite.agree(keys.s.expose(), session.entries[peer]!.sPublic);
    if (shared === undefined) {
      for (const { key } of terms) key.fill(0);
      return lowOrder(session, { self, peer, key: "sPublic" });
    }
    terms.push({
      key: pairwiseMaskKey(shared, { sid, between: [self, peer], shape }, suite),
      sign: peer < self ? 1 : -1,
    });
    shared.fill(0);
  }
  const { surplus = [] } = config;
  if (surplus.length === 0) return accepted({ terms });
  const seeds = noiseSeeds.map((seed) => seed.expose());
  return accepted({ terms, noise: addedNoise(seeds, { sid, owner: self, surplus, shape }, suite) });
}

/** R3: checks U3 and signs it, so that nobody can be shown another one. */
function confirm(state: MaskingState, event: SurvivorsEvent, suite: CryptoSuite): Result<ClientStep> {
  const { config, identity, session, self, held } = state;
  const checked = checkSurvivors(state, event, suite);
  if (!checked.ok) return checked;
  const survivors = checked.value;
  const signature = suite.sign(consistencySigningBytes(session.sid, survivors), identity.expose());
  return accepted({
    state: { phase: "consistency", config, identity, session, self, held, survivors },
    outputs: [{ type: "send", message: { type: "consistency", round: config.round, signature } }],
  });
}

/**
 * R4: once a quorum vouches for the same U3, reveals one share of every neighbour, of the kind U3 implies; and of the
 * members of U3, where |U3| warrants that surplus noise is removed, the share of one noise seed: that of its level.
 */
function reveal(
  state: ConsistencyState,
  certificate: Certificate,
  { suite, random }: ClientEnvironment,
): Result<ClientStep> {
  const { config, session, self, held, survivors } = state;
  const checked = checkCertificate(certificate, { session, self, survivors, suite, random });
  if (!checked.ok) return checked;
  const alive = new Set(survivors);
  const level = surplusLevel(config.surplus, survivors.length);
  // The member's own share was put in last.
  const shares = [...held]
    .sort(([a], [b]) => a - b)
    .map(([owner, { maskKey, selfMask, noise }]: [number, HeldShares]): RevealedShare => {
      const [kind, share, surplus] = alive.has(owner)
        ? (["self-mask", selfMask, noise[level - 1]?.expose()] as const)
        : (["mask-key", maskKey, undefined] as const);
      if (level === 0) return { owner, kind, share: share.expose() };
      // All shares of a message have one length.
      return { owner, kind, share: concatBytes(share.expose(), surplus ?? new Uint8Array(SHARE_BYTES)) };
    });
  const message = revealMessage(config.round, shares);
  // The message has copies of its own; the step wipes the shares themselves.
  if (level > 0) for (const { share: joined } of shares) joined.fill(0);
  return accepted({ state: ended(state), outputs: [{ type: "send", message }, { type: "finished" }] });
}

/** The shares are for the coordinator, not for a log on the way. */
function revealMessage(round: number, shares: RevealedShare[]): ClientMessage {
  return redacted(
    { type: "reveal", round, ...revealedColumns(shares) },
    { type: "reveal", round, shares: `[${shares.length} secret]` },
  );
}
