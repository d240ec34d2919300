/** A ledger with its models from a task that really ran, in memory: every member, mask, share and noise of it. */
import { appendEntry, type LedgerBody, type LedgerEntry } from "@kindred/privacy";
import { encodeModel, modelHash, unnamedClustering } from "@kindred/protocol";
import { Fleet } from "../../engine/test/fleet.ts";
import { coordinatorSigner, testPlan, zeroContribution } from "../../engine/test/test-task.ts";
import { type ModelFile, readModelFile } from "../src/verify/index.ts";

/** What an honest coordinator leaves behind. */
export interface SimulatedLedger {
  readonly entries: readonly LedgerEntry[];
  readonly models: readonly ModelFile[];
  /** Names and bytes of the model files. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const CENTROIDS = Float32Array.of(1, 0, 0, 1, -1, 0, 0, -1);

/** Three rounds with noise, in the last of which a member vanishes before it masks, and a promotion. */
export function simulateLedger({
  noise = true,
  adaptive = false,
  removing = false,
  devices = 1,
  seed = "audit",
} = {}): SimulatedLedger {
  const files = new Map<string, Uint8Array>();
  const hashes: string[] = [];
  const store = (model: { round: number; parent: string; weights: Float32Array; clip?: number }): string => {
    const file = encodeModel({
      task: "test",
      centroids: CENTROIDS,
      clusters: 4,
      cells: new Float32Array(),
      clustering: unnamedClustering(4),
      ...model,
    });
    const hash = modelHash(file);
    hashes.push(hash);
    files.set(`${String(model.round).padStart(4, "0")}-${hash.slice(0, 12)}.kindred`, file);
    return hash;
  };
  const plan = testPlan({
    ...(devices === 1 ? {} : { participation: { devices } }),
    privacy: noise
      ? {
          mechanism: "distributed-discrete-gaussian",
          epsilon: 6,
          modulusBits: 24,
          ...(removing ? { noise: { design: "add-then-remove", levels: 2 } } : {}),
          ...(adaptive ? { blocks: { model: { clip: 0.2, adaptive: {} } } } : {}),
        }
      : { mechanism: "none", modulusBits: 20 },
  });
  const clipped = (clip: number | undefined) => (clip === undefined ? {} : { clip });
  const first = adaptive ? plan.privacy.blocks.model.clip : undefined;
  const initial = store({ round: 0, parent: "", weights: new Float32Array(20), ...clipped(first) });
  const fleet = new Fleet({
    plan,
    seed,
    clients: 8,
    history: { modelHash: initial },
    contribution: (client) => ({ ...zeroContribution(plan), model: new Float64Array(20).fill(client / 50) }),
    deliver: (client, message) => client < 6 || message.type !== "inbox" || message.round < 3,
    model: ({ round, parent, mean, clip }) =>
      store({ round, parent, weights: Float32Array.from(mean.model), ...clipped(clip) }),
  }).run();
  const entries = fleet.ledger();
  const decisions: LedgerBody[] = [
    { kind: "operator-changed", operator: "ada", role: "operator", credentialHash: "d".repeat(64) },
    { kind: "model-promoted", task: "test", round: 2, modelHash: hashes[2]!, operator: "ada" },
  ];
  for (const body of decisions) {
    const time = new Date(fleet.now + 60_000).toISOString();
    entries.push(appendEntry({ tail: entries.at(-1), body, time, signer: coordinatorSigner }));
  }
  return {
    entries,
    files,
    models: [...files].map(([name, bytes]) => readModelFile(name, bytes)),
  };
}
