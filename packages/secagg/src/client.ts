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
  type IndexedSignature,
  type Rejection,
  type Result,
  type RevealedShare,
  rejected,
  type SealedShare,
} from "@kindred/protocol";
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
import type { CryptoSuite } from "./crypto.ts";
import { BOX_NONCE, pairwiseMaskKey, seedCommitment, selfMaskKey, shareKey } from "./keys.ts";
import { type MaskJob, maskJob } from "./masks.ts";
import { checkRoster } from "./roster.ts";
import { Secret } from "./secret.ts";
import { isSortedSubset, shareX } from "./session.ts";
import { isShare, shareLength, splitSecret } from "./shamir.ts";

export type ClientEvent =
  | { readonly type: "enrol" }
  | { readonly type: "roster"; readonly entries: readonly Advertisement[]; readonly signature: Uint8Array }
  | { readonly type: "inbox"; readonly shares: readonly SealedShare[] }
  | { readonly type: "survivors"; readonly indices: readonly number[] }
  | { readonly type: "unmask"; readonly signatures: readonly IndexedSignature[] }
  /** The person or the application withdraws: the machine ends and wipes its secrets. */
  | { readonly type: "leave" };

export type ClientOutput =
  | { readonly type: "send"; readonly message: ClientMessage }
  /** Apply the job to the encoded vector, wipe it, and send the result as `masked-input`. */
  | { readonly type: "mask"; readonly job: MaskJob; readonly sid: Uint8Array }
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

const SEED_BYTES = 32;
const NONCE_BYTES = 16;
const SHARE_BYTES = shareLength(SEED_BYTES);

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
  if (state.phase === "enrolling" && event.type === "roster") return share(state, event, env);
  if (state.phase === "sharing" && event.type === "inbox") return mask(state, event.shares, env.suite);
  if (state.phase === "masking" && event.type === "survivors")
    return confirm(state, event.indices, env.suite);
  if (state.phase === "consistency" && event.type === "unmask")
    return reveal(state, event.signatures, env.suite);
  return rejected("message-unexpected", event.type, {
    rule: `does not belong to the client's phase ${state.phase}`,
    fix: "send each message of a round once; repeat a lost answer from its stored bytes",
  });
}

/** R0: fresh keys and their advertisement. */
function advertise(
  { config, device, identity }: IdleState,
  { suite, random }: ClientEnvironment,
): ClientStep {
  const c = suite.agreementKeyPair(random(SEED_BYTES));
  const s = suite.agreementKeyPair(random(SEED_BYTES));
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

/** R1: checks the roster, then deals shares of s_u and b_u to every neighbour, sealed for it alone. */
function share(
  { config, identity, keys, own }: EnrollingState,
  roster: Extract<ClientEvent, { type: "roster" }>,
  { suite, random }: ClientEnvironment,
): Result<ClientStep> {
  const { coordinatorKey } = config;
  const checked = checkRoster(roster, { binding: config, own, coordinatorKey, suite });
  if (!checked.ok) return checked;
  const { session, self } = checked.value;
  const agreements = new Map<number, Secret>();
  for (const peer of session.neighbours(self)) {
    const agreement = suite.agree(keys.c.expose(), session.entries[peer]!.cPublic);
    if (agreement === undefined) {
      for (const secret of agreements.values()) secret.wipe();
      return lowOrder(peer, "cPublic");
    }
    agreements.set(peer, new Secret(agreement));
  }

  const holders = session.holders(self);
  const deal = { threshold: session.threshold, xs: holders.map(shareX), random };
  const maskKeyShares = splitSecret({ ...deal, secret: keys.s.expose() });
  const selfMaskShares = splitSecret({ ...deal, secret: keys.seed.expose() });
  const shares: SealedShare[] = [];
  let kept: HeldShares | undefined;
  holders.forEach((holder, i) => {
    const agreement = agreements.get(holder);
    if (agreement === undefined) {
      kept = { maskKey: new Secret(maskKeyShares[i]!), selfMask: new Secret(selfMaskShares[i]!) };
      return;
    }
    const key = shareKey(agreement.expose(), { sid: session.sid, sender: self, addressee: holder });
    const plaintext = concatBytes(maskKeyShares[i]!, selfMaskShares[i]!);
    shares.push({ peer: holder, box: suite.seal(plaintext, key, BOX_NONCE) });
    for (const used of [key, plaintext, maskKeyShares[i]!, selfMaskShares[i]!]) used.fill(0);
  });
  return accepted({
    state: { phase: "sharing", config, identity, session, self, keys, agreements, own: kept },
    outputs: [{ type: "send", message: { type: "shares", round: config.round, shares } }],
  });
}

/** R2: opens the boxes of U2 and derives the masks; from here on only shares are kept. */
function mask(state: SharingState, inbox: readonly SealedShare[], suite: CryptoSuite): Result<ClientStep> {
  const held = new Map<number, HeldShares>();
  const terms: { key: Uint8Array; sign: 1 | -1 }[] = [];
  const result = receive(state, inbox, { held, terms, suite });
  if (!result.ok) {
    wipeShares(held.values());
    for (const { key } of terms) key.fill(0);
  }
  return result;
}

/** The work of `mask`; fills `held` and `terms`, which the caller wipes if it fails. */
function receive(
  state: SharingState,
  inbox: readonly SealedShare[],
  {
    held,
    terms,
    suite,
  }: { held: Map<number, HeldShares>; terms: { key: Uint8Array; sign: 1 | -1 }[]; suite: CryptoSuite },
): Result<ClientStep> {
  const { config, identity, session, self, keys, own } = state;
  const { sid } = session;
  if (own !== undefined) held.set(self, own);
  const shape = { bits: config.bits, length: config.length };
  terms.push({ key: selfMaskKey(keys.seed.expose(), { sid, owner: self, shape }), sign: 1 });
  for (const { peer, box } of inbox) {
    const agreement = state.agreements.get(peer);
    if (agreement === undefined || held.has(peer))
      return rejected("share-invalid", "inbox.shares", {
        rule: `must come from each neighbour at most once, found one of member ${peer}`,
        fix: "deliver every box to its addressee, once",
      });
    const opened = openShares(box, {
      key: shareKey(agreement.expose(), { sid, sender: peer, addressee: self }),
      suite,
    });
    if (opened === undefined)
      return rejected("share-invalid", "inbox.shares", {
        rule: `from member ${peer} does not open as a share for this client`,
        fix: "deliver the boxes unaltered; leave out a member whose boxes are malformed",
      });
    held.set(peer, opened);
    const shared = suite.agree(keys.s.expose(), session.entries[peer]!.sPublic);
    if (shared === undefined) return lowOrder(peer, "sPublic");
    const key = pairwiseMaskKey(shared, { sid, between: [self, peer], shape });
    shared.fill(0);
    terms.push({ key, sign: peer < self ? 1 : -1 });
  }
  if (held.size < session.threshold)
    return rejected("too-few-survivors", "inbox.shares", {
      rule: `must leave at least ${session.threshold} members that hold shares, found ${held.size}`,
      fix: "wait for a round with fewer dropouts",
    });
  for (const secret of [keys.c, keys.s, keys.seed, ...state.agreements.values()]) secret.wipe();
  return accepted({
    state: { phase: "masking", config, identity, session, self, held },
    outputs: [{ type: "mask", job: maskJob({ ...shape, terms }), sid }],
  });
}

/** R3: checks U3 and signs it, so that nobody can be shown another one. */
function confirm(state: MaskingState, survivors: readonly number[], suite: CryptoSuite): Result<ClientStep> {
  const { config, identity, session, self, held } = state;
  if (!isSortedSubset(survivors, session.entries.length) || !survivors.includes(self))
    return rejected("message-invalid", "survivors.indices", {
      rule: "must be strictly increasing indices of the roster, this client's among them",
      fix: "send the sorted set of members whose masked input counts",
    });
  if (survivors.length < config.minSurvivors)
    return rejected("too-few-survivors", "survivors.indices", {
      rule: `must name at least ${config.minSurvivors} survivors, found ${survivors.length}`,
      fix: "fail the round",
    });
  const near = new Set(session.neighbours(self));
  const stranger = survivors.find((member) => near.has(member) && !held.has(member));
  if (stranger !== undefined)
    return rejected("message-invalid", "survivors.indices", {
      rule: `must not name member ${stranger}, which this client took for dropped when it masked`,
      fix: "name only members whose shares were delivered",
    });
  const signature = suite.sign(consistencySigningBytes(session.sid, survivors), identity.expose());
  return accepted({
    state: { phase: "consistency", config, identity, session, self, held, survivors: [...survivors] },
    outputs: [{ type: "send", message: { type: "consistency", round: config.round, signature } }],
  });
}

/** R4: once enough members vouch for the same U3, reveals one share of every neighbour, of the kind U3 implies. */
function reveal(
  state: ConsistencyState,
  signatures: readonly IndexedSignature[],
  suite: CryptoSuite,
): Result<ClientStep> {
  const { config, session, held, survivors } = state;
  const agreeing = countAgreeing(state, signatures, suite);
  if (agreeing < session.threshold)
    return rejected("signature-invalid", "unmask.signatures", {
      rule: `must hold at least ${session.threshold} valid ones of different members over the same survivors, found ${agreeing}`,
      fix: "show every member the same survivors",
    });
  const alive = new Set(survivors);
  const shares = [...held].map(
    ([owner, { maskKey, selfMask }]): RevealedShare =>
      alive.has(owner)
        ? { owner, kind: "self-mask", share: selfMask.expose().slice() }
        : { owner, kind: "mask-key", share: maskKey.expose().slice() },
  );
  return accepted({
    state: ended(state),
    outputs: [
      { type: "send", message: { type: "reveal", round: config.round, shares } },
      { type: "finished" },
    ],
  });
}

/** Different members of the neighbourhood that provably signed this client's U3, itself among them. */
function countAgreeing(
  { session, self, survivors }: ConsistencyState,
  signatures: readonly IndexedSignature[],
  suite: CryptoSuite,
): number {
  const message = consistencySigningBytes(session.sid, survivors);
  const alive = new Set(survivors);
  const near = new Set(session.neighbours(self));
  // The client signed these very survivors itself.
  const agreeing = new Set([self]);
  for (const { index, signature } of signatures) {
    if (agreeing.size >= session.threshold) break;
    if (!near.has(index) || !alive.has(index) || agreeing.has(index)) continue;
    if (suite.verify(signature, message, session.entries[index]!.device)) agreeing.add(index);
  }
  return agreeing.size;
}

function openShares(
  box: Uint8Array,
  { key, suite }: { key: Uint8Array; suite: CryptoSuite },
): HeldShares | undefined {
  const plaintext = suite.open(box, key, BOX_NONCE);
  key.fill(0);
  if (plaintext?.length !== 2 * SHARE_BYTES) return undefined;
  const maskKey = plaintext.slice(0, SHARE_BYTES);
  const selfMask = plaintext.slice(SHARE_BYTES);
  plaintext.fill(0);
  if (!isShare(maskKey, SEED_BYTES) || !isShare(selfMask, SEED_BYTES)) return undefined;
  return { maskKey: new Secret(maskKey), selfMask: new Secret(selfMask) };
}

function lowOrder(peer: number, key: "cPublic" | "sPublic") {
  return rejected("roster-invalid", `roster.entries[${peer}].${key}`, {
    rule: "must not be a point of low order: every secret agreed with it would be public",
    fix: "leave the member out",
  });
}
