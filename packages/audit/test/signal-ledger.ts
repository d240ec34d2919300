/**
 * A ledger with its models from a task that collects signals, in memory: every member, mask, share and noise of it, and
 * releases as a coordinator computes them.
 */
import {
  computeRelease,
  contentOfRound,
  countedItems,
  initialOptimiserState,
  popularityCounts,
  releaseFigures,
  signalBlocks,
  transitionCounts,
} from "@kindred/engine";
import { appendEntry, type LedgerBody, type LedgerEntry } from "@kindred/privacy";
import { encodeModel, type Model, modelHash, unnamedClustering } from "@kindred/protocol";
import { Fleet, type FleetOptions } from "../../engine/test/fleet.ts";
import { coordinatorSigner, testPlan, zeroContribution } from "../../engine/test/test-task.ts";
import { type ModelFile, readModelFile } from "../src/verify/index.ts";

const AXES = Float32Array.of(1, 0, 0, 1, -1, 0, 0, -1);
const DESCRIBED = {
  items: ["east", "north", "west", "south"].map((tag) => ({ tags: [tag] })),
  units: { rows: 4, columns: 2, data: AXES },
};

interface SignalTask extends Pick<FleetOptions, "breaksAt" | "deliver"> {
  /** The section of the plan. */
  readonly signals: object;
  readonly rounds: number;
  /** The plan's section; no noise by default. */
  readonly privacy?: object;
  /** Goes back to the model of a round, or the initial one, as soon as the next one begins. */
  readonly rollBack?: { readonly after: number; readonly to: number };
}

/** What a coordinator leaves behind. */
export interface SignalLedger {
  readonly entries: readonly LedgerEntry[];
  /** By hash, in the order of the ledger. */
  readonly models: ReadonlyMap<string, Model>;
}

/** A person's items: from round 4 on other ones are popular. */
function itemsOf(client: number, round: number): number[] {
  const first = round < 4 ? 0 : 10;
  return [first, first + 1, first + 2 + (client % 2), first + 4];
}

/** Plays a task of eight devices and a cohort of six. */
export function simulateSignalLedger(task: SignalTask): SignalLedger {
  const { signals, rounds, privacy = { mechanism: "none", modulusBits: 28 } } = task;
  const plan = testPlan({ rounds, signals, privacy, participation: { maximum: rounds } });
  const models = new Map<string, Model>();
  const store = (model: Model): string => {
    const hash = modelHash(encodeModel(model));
    models.set(hash, model);
    return hash;
  };
  const initial: Model = {
    ...{ task: "test", round: 0, parent: "", weights: new Float32Array(25), centroids: AXES, clusters: 4 },
    ...{ cells: new Float32Array(), clustering: unnamedClustering(4) },
  };
  const initialHash = store(initial);
  let optimiser = initialOptimiserState(20);
  const contentOf = (round: number, hash: string) =>
    contentOfRound(plan, { round, model: models.get(hash)! });
  const fleet = new Fleet({
    ...{ plan, clients: 8, seed: "signals", history: { modelHash: initialHash } },
    ...(task.breaksAt && { breaksAt: task.breaksAt }),
    ...(task.deliver && { deliver: task.deliver }),
    content: contentOf,
    contribution: (client, round) => {
      const parent = models.get(fleet.state.modelHash)!;
      const content = contentOf(round, fleet.state.modelHash);
      const zeros = { ...zeroContribution(plan), counts: [1, 0, 0, 0], sums: [1, 0, 0, 0, 0, 0, 0, 0] };
      if (content === "training") return zeros;
      const items = itemsOf(client, round);
      const rows = signalBlocks(plan, content)[0]!.length / plan.resolved.itemCount;
      const signal =
        content === "transitions"
          ? transitionCounts(items, { counted: countedItems(plan, parent), window: 5 })
          : popularityCounts(items, { itemCount: plan.resolved.itemCount, rows, shares: [1, 0, 0, 0] });
      return { ...zeros, signal };
    },
    release: (made) => {
      const release = computeRelease({
        ...{ ...made, plan, optimiser, parent: models.get(made.parentHash)! },
        segments: [{ offset: 0, deltaOffset: 0, length: 20 }],
        describe: () => DESCRIBED,
      });
      optimiser = release.optimiser;
      return { modelHash: store(release.model), optimiserHash: "b".repeat(64), ...releaseFigures(release) };
    },
  });
  if (task.rollBack !== undefined)
    rollBackIn(fleet, {
      ...{ round: task.rollBack.after + 1 },
      target: () => [...models].find(([, { round }]) => round === task.rollBack?.to)![0],
      forget: () => {
        optimiser = initialOptimiserState(20);
      },
    });
  fleet.run();
  const [first, ...rest] = fleet.ledger();
  const role: LedgerBody = {
    ...{ kind: "operator-changed", operator: "ada", role: "operator" },
    credentialHash: "d".repeat(64),
  };
  return { entries: signed([first!, { body: role, time: first!.time }, ...rest]), models };
}

/**
 * The same task by a coordinator that published other models: each is made from the one that it published before it, has
 * that one's signals but for the one of its own round, and the ledger names them all.
 */
export function republished({ entries, models }: SignalLedger, forge: (model: Model) => Model): SignalLedger {
  const forged = new Map<string, Model>();
  const hashes = new Map<string, string>();
  for (const [hash, model] of models) {
    const parent = hashes.get(model.parent) ?? "";
    const own = Object.entries(model.signals ?? {}).filter(([, { round }]) => round === model.round);
    const signals = { ...forged.get(parent)?.signals, ...Object.fromEntries(own) };
    const made = forge({ ...model, parent, ...(parent !== "" && { signals }) });
    const other = modelHash(encodeModel(made));
    hashes.set(hash, other);
    forged.set(other, made);
  }
  const renamed = (_: string, value: unknown) => hashes.get(value as string) ?? value;
  const contents = entries.map(({ body, time }) => ({
    time,
    body: JSON.parse(JSON.stringify(body), renamed) as LedgerBody,
  }));
  return { entries: signed(contents), models: forged };
}

/** The files in which models are published. */
export function modelFiles(models: SignalLedger["models"]): ModelFile[] {
  return [...models].map(([hash, model]) =>
    readModelFile(`${model.round}-${hash.slice(0, 12)}.kindred`, encodeModel(model)),
  );
}

/** A chain over bodies with their times, signed by the coordinator. */
export function signed(contents: readonly Pick<LedgerEntry, "body" | "time">[]): LedgerEntry[] {
  const entries: LedgerEntry[] = [];
  for (const { body, time } of contents)
    entries.push(appendEntry({ tail: entries.at(-1), body, time, signer: coordinatorSigner }));
  return entries;
}

/** Has an operator go back to a model as soon as a round begins, upon which the coordinator forgets its state. */
function rollBackIn(
  fleet: Fleet,
  { round, target, forget }: { readonly round: number; target(): string; forget(): void },
): void {
  const submit = fleet.submit.bind(fleet);
  let isDone = false;
  fleet.submit = (event) => {
    const outputs = submit(event);
    const hasBegun = outputs.some((output) => output.type === "phase" && output.round === round);
    if (hasBegun && !isDone) {
      isDone = true;
      const from = fleet.state.modelHash;
      submit({ type: "roll-back", to: target(), from, reason: "worse", operator: "ada" });
      forget();
    }
    return outputs;
  };
}
