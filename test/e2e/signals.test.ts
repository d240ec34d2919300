import { afterEach, expect, it } from "vitest";
import { verifyLedgerChain } from "../../packages/privacy/src/index.ts";
import { decodeModel, hexToBytes, type Model } from "../../packages/protocol/src/index.ts";
import {
  catalogue,
  cleanUp,
  downloadLedger,
  planDocument,
  startWorld,
  suite,
  type World,
} from "./harness.ts";
import { ITEMS, itemsOf } from "./marks.ts";

afterEach(cleanUp);

async function releasedModels(world: World): Promise<Model[]> {
  const ledger = await downloadLedger(world.url);
  const verify = suite.verify.bind(suite);
  expect(verifyLedgerChain(ledger, { verify, publicKey: hexToBytes(world.coordinator.publicKey) })).toEqual(
    [],
  );
  const hashes = ledger.flatMap(({ body }) => (body.kind === "round-released" ? [body.modelHash] : []));
  return Promise.all(
    hashes.map(async (hash) => {
      const decoded = decodeModel(await world.bytes(`/v1/blobs/${hash}`), hash);
      if (!decoded.ok) throw new Error(decoded.rejection.rule);
      return decoded.value;
    }),
  );
}

/** Counts by entry, rounded: rounding to integers modulo 2^b leaves far less than a hundredth. */
function counted({ entries, counts }: { entries: Uint32Array; counts: Float32Array }): Map<number, number> {
  const all = Array.from(entries, (entry, i) => [entry, Math.round(counts[i]! * 100) / 100] as const);
  return new Map(all.filter(([, count]) => count > 0));
}

/** The items of everybody whose input a round's sum holds. */
async function survivors(world: World, round: number): Promise<number[][]> {
  const keys = new Map<string, number>();
  for (const device of world.devices) keys.set(await device.key(), device.index);
  const people = world.outputs.entries.flatMap(({ output }) =>
    output.type === "participation" && output.round === round ? [itemsOf(keys.get(output.device)!)] : [],
  );
  expect(people.length).toBeGreaterThanOrEqual(4);
  return people;
}

const add = (to: Map<number, number>, entry: number): void => void to.set(entry, (to.get(entry) ?? 0) + 1);
const sorted = (counts: Map<number, number>) => new Map([...counts].sort(([a], [b]) => a - b));

it("collects popularity and transitions in rounds of their own, over sockets and masks", async () => {
  const world = await startWorld();
  const signals = { popularity: {}, transitions: { items: ITEMS } };
  await world.coordinator.createTask({ plan: planDocument({ rounds: 3, signals }), catalogue });
  await world.join(6);
  await world.finished();
  const [popular, transitions, trained] = await releasedModels(world);

  const popularity = new Map<number, number>();
  for (const items of await survivors(world, 1)) for (const item of items) add(popularity, item);
  const everybody = [...counted(popular!.signals!.popularity!)].filter(([entry]) => entry < ITEMS);
  expect(new Map(everybody)).toEqual(sorted(popularity));
  expect(popular!.signals!.transitions).toBeUndefined();

  const pairs = new Map<number, number>();
  for (const items of await survivors(world, 2))
    for (const [t, item] of items.entries())
      for (const before of items.slice(0, t)) add(pairs, before * ITEMS + item);
  expect(counted(transitions!.signals!.transitions!)).toEqual(sorted(pairs));
  expect(transitions!.weights).toEqual(popular!.weights);
  expect(trained!.signals).toEqual(transitions!.signals);
  expect(trained!.weights).not.toEqual(transitions!.weights);
  const { entries, deviation } = popular!.signals!.popularity!;
  const signal = { signal: "popularity", kept: entries.length, deviation };
  expect(await world.round(1)).toMatchObject({ status: "published", clusters: null, signal });
  const stored = await fetch(`${world.url}/v1/tasks/films/rounds/1`);
  expect(await stored.json()).toMatchObject({ statistics: { signal } });
});
