import { afterEach, describe, expect, it, vi } from "vitest";
import { hasPostgresql, POSTGRESQL } from "../../apps/coordinator/src/store/test-databases.ts";
import { DEFAULT_PRIVACY_FLOORS, planEpsilon, verifyPlan } from "../../packages/engine/src/index.ts";
import { verifyLedgerChain } from "../../packages/privacy/src/index.ts";
import {
  bytesToHex,
  decodeModel,
  hexToBytes,
  modelHash,
  parseSignedPlan,
} from "../../packages/protocol/src/index.ts";
import { addInto } from "../../packages/secagg/src/index.ts";
import { decodings, encodings } from "./encodings.ts";
import {
  catalogue,
  cleanUp,
  type Device,
  databaseOption,
  downloadLedger,
  planDocument,
  startWorld,
  suite,
  type Tap,
  type World,
} from "./harness.ts";
import { stubMark } from "./marks.ts";

vi.mock("../../packages/engine/src/pipeline.ts", async (load) => {
  const { recordedPipeline } = await import("./encodings.ts");
  return recordedPipeline(await load());
});

afterEach(async () => {
  await cleanUp();
  encodings.clear();
  decodings.clear();
});

async function publishedModels(world: World): Promise<string[]> {
  const ledger = await downloadLedger(world.url);
  return ledger.flatMap(({ body }) => (body.kind === "round-released" ? [body.modelHash] : []));
}

/** A fetch that checks, whenever a model is served, that the ledger already names it. */
function checkingFetch(url: string, unrecorded: string[]): typeof fetch {
  return async (...request) => {
    const response = await fetch(...request);
    const hash = /\/v1\/blobs\/([0-9a-f]{64})$/.exec(String(request[0]))?.[1];
    if (hash === undefined || !response.ok) return response;
    const file = new Uint8Array(await response.clone().arrayBuffer());
    const model = decodeModel(file, hash);
    if (!model.ok || model.value.round === 0) return response;
    const ledger = await downloadLedger(url);
    if (!ledger.some(({ body }) => body.kind === "round-released" && body.modelHash === hash))
      unrecorded.push(hash);
    return response;
  };
}

describe.each([
  ["pglite", "the embedded database", false],
  ["postgresql", POSTGRESQL, !hasPostgresql],
] as const)("a private task on %s", (kind, title, skipped) => {
  it.skipIf(skipped)(
    `is published round by round with a ledger that anybody verifies: ${title}`,
    async () => {
      const rounds = 2;
      const world = await startWorld(databaseOption(kind));
      const privacy = {
        mechanism: "distributed-discrete-gaussian",
        epsilon: 8,
        delta: 1e-6,
        modulusBits: 24,
      };
      await world.coordinator.createTask({ plan: planDocument({ rounds, privacy }), catalogue });
      const floors = { maximumEpsilon: 8, minimumSurvivors: 4, coordinatorKey: world.coordinator.publicKey };
      const unrecorded: string[] = [];
      await world.join(7, { floors, fetch: checkingFetch(world.url, unrecorded) });
      await world.finished();
      const records = [await world.round(1), await world.round(2)];
      expect(records).toEqual([
        expect.objectContaining({ status: "published", cohort: 6, survivors: 6, dropped: 0 }),
        expect.objectContaining({ status: "published", cohort: 6, survivors: 6, dropped: 0 }),
      ]);

      const signed = parseSignedPlan(JSON.parse(await world.text("/v1/tasks/films/plan")));
      expect(verifyPlan(signed, { floors: { ...DEFAULT_PRIVACY_FLOORS, ...floors }, suite })).toMatchObject({
        ok: true,
      });

      const ledger = await downloadLedger(world.url);
      const publicKey = hexToBytes(world.coordinator.publicKey);
      const verify = suite.verify.bind(suite);
      expect(verifyLedgerChain(ledger, { verify, publicKey })).toEqual([]);
      expect(ledger.map(({ body }) => body.kind)).toEqual([
        "plan-accepted",
        "round-started",
        "round-released",
        "model-promoted",
        "round-started",
        "round-released",
        "model-promoted",
      ]);
      const altered = structuredClone(ledger) as { body: Record<string, unknown> }[];
      altered[2]!.body["survivors"] = 7;
      expect(verifyLedgerChain(altered, { verify, publicKey })).not.toEqual([]);

      const spent = ledger.flatMap(({ body }) => (body.kind === "round-released" ? [body.spent.after] : []));
      for (const [i, { coordinator, observer }] of spent.entries()) {
        expect(coordinator).toBeCloseTo(planEpsilon(signed.plan, i + 1), 9);
        expect(observer).toBe(coordinator);
      }
      expect(spent.at(-1)!.coordinator).toBeLessThanOrEqual(8);

      const models = await publishedModels(world);
      expect(models).toHaveLength(rounds);
      expect(unrecorded).toEqual([]);
      let child: string | undefined;
      for (const [i, hash] of [...models.entries()].reverse()) {
        if (child !== undefined) expect(hash).toBe(child);
        const file = await world.bytes(`/v1/blobs/${hash}`);
        expect(modelHash(file)).toBe(hash);
        const model = decodeModel(file, hash);
        if (!model.ok) throw new Error(model.rejection.rule);
        expect(model.value).toMatchObject({ task: "films", round: i + 1 });
        child = model.value.parent;
      }
      const first = await world.bytes(`/v1/blobs/${child}`);
      expect(decodeModel(first, child!)).toMatchObject({ ok: true, value: { round: 0, parent: "" } });

      for (const { client } of world.devices) {
        const { entries } = client.privacy();
        for (const [i, entry] of entries.entries())
          expect(entry.epsilon).toBeCloseTo(planEpsilon(signed.plan, i + 1), 9);
      }
      const contributions = world.devices.map(({ client }) => client.privacy().entries.length);
      expect(contributions.reduce((sum, count) => sum + count, 0)).toBe(12);
    },
  );

  it.skipIf(skipped)(
    `survives a device that vanishes in each phase; the aggregate is the exact sum of the others: ${title}`,
    async () => {
      const moments = [
        "selected",
        "enrol",
        "roster",
        "inbox",
        "masked-input",
        "survivors",
        "unmask",
      ] as const;
      const rounds = moments.length;
      const world = await startWorld(databaseOption(kind));
      await world.coordinator.createTask({
        plan: planDocument({ rounds, participation: { maximum: rounds } }),
        catalogue,
      });
      const vanished = new Map<number, Device>();
      const vanishes = (message: { type: string; round?: number }, device: Device): boolean => {
        const { type, round } = message;
        if (round === undefined || vanished.has(round) || type !== moments[round - 1]) return false;
        vanished.set(round, device);
        device.away = true;
        // It comes back when the round is over.
        void world.round(round).then(() => {
          device.away = false;
        });
        return true;
      };
      const tap: Tap = {
        hears: (message, device) => !vanishes(message, device),
        sends: (message, device) => message.type !== "masked-input" || !vanishes(message, device),
      };
      await world.join(8, { tap });
      await world.finished();
      const { plan } = parseSignedPlan(JSON.parse(await world.text("/v1/tasks/films/plan")));
      const { modulusBits: bits, paddedLength } = plan.resolved.mechanism;
      const devices = new Map<string, Device>();
      for (const device of world.devices) devices.set(await device.key(), device);

      for (const [i, moment] of moments.entries()) {
        const round = i + 1;
        const record = await world.round(round);
        const lost = moment !== "survivors" && moment !== "unmask";
        expect
          .soft(record, moment)
          .toMatchObject({ status: "published", cohort: 6, survivors: lost ? 5 : 6 });
        expect(vanished.has(round)).toBe(true);

        const counted = world.outputs.entries.flatMap(({ output }) =>
          output.type === "participation" && output.round === round ? [devices.get(output.device)!] : [],
        );
        const aggregate = world.outputs.entries.find(
          ({ output }) => output.type === "aggregate" && output.round === round,
        )?.output;
        if (aggregate?.type !== "aggregate") throw new Error(`round ${round} was not aggregated`);
        const sid = bytesToHex(aggregate.sid);
        const survivors = new Set(counted.map(({ index }) => index));
        expect(survivors.size).toBe(record.survivors);
        if (lost) expect(counted).not.toContain(vanished.get(round));
        else expect(counted).toContain(vanished.get(round));
        const expected = new Uint32Array(paddedLength);
        const contributed = encodings.get(sid)!.filter(({ device }) => survivors.has(device));
        expect(contributed).toHaveLength(record.survivors);
        for (const { vector } of contributed) addInto(expected, vector, bits);
        expect(expected.some((value) => value !== 0)).toBe(true);
        expect(decodings.get(sid)).toEqual({ sum: expected, survivors: record.survivors });
      }

      const models = await publishedModels(world);
      expect(models).toHaveLength(rounds);
      const ledger = await downloadLedger(world.url);
      expect(
        verifyLedgerChain(ledger, {
          verify: suite.verify.bind(suite),
          publicKey: hexToBytes(world.coordinator.publicKey),
        }),
      ).toEqual([]);
    },
  );
});

it("aggregates on a regular graph, too, and moves the model by the mean of what was trained", async () => {
  const world = await startWorld();
  await world.coordinator.createTask({
    plan: planDocument({
      rounds: 1,
      cohort: { minimum: 8, target: 8, maximum: 8, minSurvivors: 8, dropout: 0 },
      secureAggregation: { graph: "regular" },
    }),
    catalogue,
  });
  const before = world.outputs.entries.length;
  await world.join(8);
  expect(await world.round(1)).toMatchObject({ status: "published", cohort: 8, survivors: 8 });
  expect(world.outputs.entries.length).toBeGreaterThan(before);
  const [hash] = await publishedModels(world);
  const file = decodeModel(await world.bytes(`/v1/blobs/${hash}`), hash!);
  if (!file.ok) throw new Error(file.rejection.rule);
  const parent = decodeModel(await world.bytes(`/v1/blobs/${file.value.parent}`), file.value.parent);
  if (!parent.ok) throw new Error(parent.rejection.rule);
  // The stub's delta has one value at every place; clipped to norm C it is C/√length, as every person's norm is above.
  const { plan } = parseSignedPlan(JSON.parse(await world.text("/v1/tasks/films/plan")));
  const { length, clip } = plan.resolved.blocks[0]!;
  const mean =
    Array.from({ length: 8 }, (_, i) => Math.min(stubMark(i), clip / Math.sqrt(length))).reduce(
      (a, b) => a + b,
    ) / 8;
  const moved = Array.from(file.value.weights, (value, i) => value - parent.value.weights[i]!);
  const changed = moved.filter((value) => value !== 0);
  expect(changed.length).toBe(length);
  expect(changed.reduce((a, b) => a + b) / length).toBeCloseTo(mean, 3);
});
