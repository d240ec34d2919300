/** What every process of a round knows beforehand, derived from the options alone. */
import { hashParts, sha256Bytes, utf8ToBytes } from "@kindred/protocol";
import type { ServerConfig } from "@kindred/secagg";
import type { SecaggOptions } from "./options.ts";

/** About that of a component in a plan of 1000 clients. */
const NOISE_DEVIATION = 500;

type Shape = Omit<SecaggOptions, "json">;

/** The plan's part of the round. */
export function roundBinding(options: Shape): Omit<ServerConfig, "signRoster"> {
  const { clients, dropout, graph, bits, length, surplus } = options;
  const minSurvivors = clients - droppedClients(options).size;
  return {
    task: "bench",
    round: 1,
    planDigest: sha256Bytes("plan"),
    modelHash: sha256Bytes("model"),
    beacon: sha256Bytes("beacon"),
    bits,
    length,
    minimumCohort: clients,
    maximumCohort: clients,
    minSurvivors,
    corruption: 0.05,
    dropout: Math.max(dropout, 0.05),
    graph,
    // All of it is removed, so that the sum stays the plain one.
    surplus: Array.from({ length: surplus }, () => ({ survivors: minSurvivors, deviation: NOISE_DEVIATION })),
  };
}

/** Clients and entries of a round that warms up, at most. */
const WARM_UP_CLIENTS = 250;
const WARM_UP_ENTRIES = 20_000;

/**
 * The rounds that a bench plays. A coordinator has rounds behind it: its threads run, and its code is compiled. So small rounds of
 * the same kind come first, over the same sockets.
 */
export function roundsOf(measured: SecaggOptions): {
  readonly warmUps: readonly SecaggOptions[];
  readonly measured: SecaggOptions;
} {
  const clients = Math.min(measured.clients, WARM_UP_CLIENTS);
  const length = Math.min(measured.length, WARM_UP_ENTRIES);
  return {
    warmUps: Array.from({ length: measured.warmUps }, () => ({ ...measured, clients, length })),
    measured,
  };
}

/** Who drops out: the ⌊p·n⌋ clients whose seeded hashes are least. */
export function droppedClients({ clients, dropout, seed }: Shape): Set<number> {
  const ranked = Array.from({ length: clients }, (_, client) => {
    const digest = hashParts("kindred.bench/1", [utf8ToBytes(`${seed}/${client}`)]);
    return { client, rank: new DataView(digest.buffer, digest.byteOffset).getUint32(0) };
  }).sort((a, b) => a.rank - b.rank);
  return new Set(ranked.slice(0, Math.floor(dropout * clients + 1e-9)).map(({ client }) => client));
}

/** The vector of a client: entries below 2^bits that differ from client to client. */
export function plainVector(client: number, { bits, length, seed }: Shape): Uint32Array {
  const step = Math.imul(2 * (client + seed) + 1, 0x9e3779b1);
  return Uint32Array.from({ length }, (_, i) => Math.imul(i + 1, step) >>> (32 - bits));
}

/** The Ed25519 seed of the coordinator. */
export const COORDINATOR_SEED = sha256Bytes("kindred.bench coordinator");
