import { sha256Hex } from "@kindred/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "./database.ts";
import { ConflictError, TransactionError } from "./errors.ts";
import type { LedgerRecord } from "./ledger.ts";
import type { RoundRecord } from "./stores.ts";
import { emptyDatabase, hasPostgresql, POSTGRESQL, taskRecord } from "./test-databases.ts";

const NOW = Date.UTC(2026, 5, 1, 12, 0, 0, 123);
const entry = (round: number, kind: string, payload = new Uint8Array([round, 0, 255])) => ({
  round,
  kind,
  payload,
  time: NOW + round,
});
const chained = (last: LedgerRecord | undefined, label: string): LedgerRecord => ({
  index: (last?.index ?? -1) + 1,
  previous: last?.hash ?? "0".repeat(64),
  time: "2026-06-01T12:00:00.000Z",
  body: `{"label":"${label}"}`,
  hash: sha256Hex(label),
  signature: "a".repeat(128),
});
const round = (task: string, number: number): RoundRecord => ({
  task,
  number,
  status: "selecting",
  cohort: 0,
  survivors: 0,
  dropped: 0,
  epsilonCoordinator: null,
  epsilonObserver: null,
  loss: null,
  statistics: {},
  startedAt: NOW,
  endedAt: null,
  reason: null,
});

describe.each([
  ["PGlite", "pglite", true],
  [POSTGRESQL, "postgresql", hasPostgresql],
] as const)("stores on %s", (_name, kind, available) => {
  describe.skipIf(!available)("each concern", () => {
    let database: Database;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ database, close } = await emptyDatabase(kind));
    });
    afterAll(() => close?.());
    const newTask = async (id: string) => {
      const task = taskRecord(id, sha256Hex);
      await database.tx("create task", ({ tasks }) => tasks.create(task));
      return task;
    };

    it("keeps tasks exactly, lists them, and changes only their status", async () => {
      const task = await newTask("tasks-1");
      expect(await database.tx("get", ({ tasks }) => tasks.get("tasks-1"))).toEqual(task);
      expect(await database.tx("get", ({ tasks }) => tasks.get("tasks-2"))).toBeUndefined();
      await database.tx("finish", ({ tasks }) => tasks.setStatus("tasks-1", "finished"));
      expect(await database.tx("list", ({ tasks }) => tasks.list())).toContainEqual({
        ...task,
        status: "finished",
      });
      await expect(newTask("tasks-1")).rejects.toThrow(ConflictError);
      await expect(
        database.tx("finish", ({ tasks }) => tasks.setStatus("tasks-2", "finished")),
      ).rejects.toThrow(ConflictError);
      await expect(
        database.tx("create", ({ tasks }) => tasks.create({ ...task, id: "tasks-3", plan: "{}" })),
      ).rejects.toThrow(/digest/);
    });

    it("refuses in the database what the types forbid", async () => {
      const task = taskRecord("Not A Slug", sha256Hex);
      await expect(database.tx("create", ({ tasks }) => tasks.create(task))).rejects.toThrow(
        TransactionError,
      );
      const { status: _, ...rest } = taskRecord("status-1", sha256Hex);
      await expect(
        database.tx("create", ({ tasks }) => tasks.create({ ...rest, status: "paused" as "running" })),
      ).rejects.toThrow(/transaction "create" failed/);
    });

    it("appends to the journal in groups, reads from a round on, and prunes", async () => {
      await newTask("journal-1");
      const append = (after: number, ...entries: ReturnType<typeof entry>[]) =>
        database.tx("append", ({ journal }) => journal.append("journal-1", { after, entries }));
      expect(await append(0, entry(1, "a"), entry(1, "b"))).toBe(2);
      expect(await append(2, entry(2, "c", new Uint8Array(0)))).toBe(3);
      const all = await database.tx("read", ({ journal }) => journal.read("journal-1", 1));
      expect(all.map(({ sequence, kind: event }) => [sequence, event])).toEqual([
        [1, "a"],
        [2, "b"],
        [3, "c"],
      ]);
      expect([...all[0]!.payload]).toEqual([1, 0, 255]);
      expect(all[0]!.time).toBe(NOW + 1);
      expect(all[2]!.payload).toHaveLength(0);
      expect(await database.tx("prune", ({ journal }) => journal.prune("journal-1", 3))).toBe(3);
      // Sequences go on after the whole journal is pruned.
      expect(await append(3, entry(3, "d"))).toBe(4);
      expect(await database.tx("last", ({ journal }) => journal.last("journal-1"))).toBe(4);
      const rest = await database.tx("read", ({ journal }) => journal.read("journal-1", 0));
      expect(rest.map(({ sequence }) => sequence)).toEqual([4]);
    });

    it("refuses a journal append of a coordinator that has been overtaken", async () => {
      await newTask("journal-2");
      const append = (after: number) =>
        database.tx("append", ({ journal }) =>
          journal.append("journal-2", { after, entries: [entry(1, "x")] }),
        );
      const results = await Promise.allSettled([append(0), append(0)]);
      expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      expect(results.find((r) => r.status === "rejected")?.reason).toBeInstanceOf(ConflictError);
      await expect(
        database.tx("append", ({ journal }) => journal.append("nobody", { after: 0, entries: [] })),
      ).rejects.toThrow(ConflictError);
    });

    it("appends more entries than one statement may carry", async () => {
      await newTask("journal-3");
      const entries = Array.from({ length: 1_001 }, () => entry(1, "many"));
      expect(
        await database.tx("append", ({ journal }) => journal.append("journal-3", { after: 0, entries })),
      ).toBe(1_001);
      const read = await database.tx("read", ({ journal }) => journal.read("journal-3", 0));
      expect(read.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 1_001 }, (_, i) => i + 1));
    });

    it("writes a round again and again, and lists rounds in order", async () => {
      await newTask("rounds-1");
      const final: RoundRecord = {
        ...round("rounds-1", 1),
        status: "published",
        cohort: 64,
        survivors: 60,
        dropped: 4,
        epsilonCoordinator: 1.25,
        epsilonObserver: 0.1 + 0.2,
        loss: 6.5,
        statistics: { ms: { masking: 12.5, unmasking: null }, silhouette: null, bytesUpPerClient: 1000 },
        endedAt: NOW + 1,
      };
      for (const record of [round("rounds-1", 2), round("rounds-1", 1), final])
        await database.tx("upsert", ({ rounds }) => rounds.upsert(record));
      expect(await database.tx("list", ({ rounds }) => rounds.list("rounds-1"))).toEqual([
        final,
        round("rounds-1", 2),
      ]);
      expect(await database.tx("get", ({ rounds }) => rounds.get("rounds-1", 1))).toEqual(final);
      expect(await database.tx("get", ({ rounds }) => rounds.get("rounds-1", 3))).toBeUndefined();
    });

    it("releases one model per round and keeps the optimiser's state", async () => {
      const task = await newTask("models-1");
      const versions = [0, 1, 2].map((n) => ({
        task: "models-1",
        round: n,
        hash: sha256Hex(`model ${n}`),
        parent: n === 0 ? null : sha256Hex(`model ${n - 1}`),
        createdAt: NOW,
      }));
      for (const version of versions) await database.tx("record", ({ models }) => models.record(version));
      await database.tx("check", async ({ models, tasks }) => {
        expect(await models.list("models-1")).toEqual(versions);
        expect(await models.current("models-1")).toEqual(versions[2]);
        expect(await models.current("models-2")).toBeUndefined();
        expect(await models.isReleased(versions[1]!.hash)).toBe(true);
        expect(await models.isReleased(sha256Hex("spooled"))).toBe(false);
        expect(await tasks.hasCatalogue(task.catalogueHash)).toBe(true);
        expect(await tasks.hasCatalogue(versions[1]!.hash)).toBe(false);
        expect(await models.optimiser("models-1")).toBeUndefined();
        for (const n of [1, 2])
          await models.saveOptimiser({ task: "models-1", round: n, blobHash: sha256Hex(`state ${n}`) });
        expect(await models.optimiser("models-1")).toEqual({
          task: "models-1",
          round: 2,
          blobHash: sha256Hex("state 2"),
        });
      });
      await expect(database.tx("record", ({ models }) => models.record(versions[1]!))).rejects.toThrow(
        ConflictError,
      );
    });

    it("appends to the ledger only what continues the chain", async () => {
      const append = (record: LedgerRecord) => database.tx("append", ({ ledger }) => ledger.append(record));
      const last = () => database.tx("last", ({ ledger }) => ledger.last());
      const before = await last();
      const first = chained(before, "one");
      await append(first);
      const second = chained(first, "two");
      await expect(append({ ...second, index: second.index + 1 })).rejects.toThrow(ConflictError);
      await expect(append({ ...second, previous: sha256Hex("fork") })).rejects.toThrow(ConflictError);
      await expect(append(first)).rejects.toThrow(ConflictError);
      const race = await Promise.allSettled([append(second), append(chained(first, "other two"))]);
      expect(race.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      expect(race.find((r) => r.status === "rejected")?.reason).toBeInstanceOf(ConflictError);
      const all = await database.tx("list", ({ ledger }) => ledger.list({ from: 0, limit: 100 }));
      expect(all.map(({ index }) => index)).toEqual(all.map((_, i) => i));
      expect(all[first.index]).toEqual(first);
      expect(await last()).toEqual(all.at(-1));
      expect(await database.tx("list", ({ ledger }) => ledger.list({ from: first.index, limit: 1 }))).toEqual(
        [first],
      );
    });

    it("records devices and their participations once", async () => {
      await newTask("devices-1");
      const [a, b] = [sha256Hex("device a"), sha256Hex("device b")].sort() as [string, string];
      await database.tx("seen", ({ devices }) => devices.seen([a], { task: "devices-1", now: NOW }));
      await database.tx("seen", ({ devices }) => devices.seen([a], { task: "devices-1", now: NOW + 1 }));
      for (const [number, members] of [
        [2, [a, b]],
        [1, [a]],
        [2, [b, a]],
      ] as const)
        await database.tx("participate", ({ devices }) =>
          devices.recordParticipations({ task: "devices-1", round: number, devices: members, now: NOW }),
        );
      const found = await database.tx("read", ({ devices }) => devices.participations("devices-1"));
      expect([...found]).toEqual([
        [a, [1, 2]],
        [b, [2]],
      ]);
    });

    it("keeps settings", async () => {
      await database.tx("set", async ({ settings }) => {
        expect(await settings.get("colour")).toBeUndefined();
        await settings.set("colour", "red");
        await settings.set("colour", "blue");
        expect(await settings.get("colour")).toBe("blue");
      });
    });

    it("commits a transition over all stores, or nothing of it", async () => {
      await newTask("atomic-1");
      const before = await database.tx("last", ({ ledger }) => ledger.last());
      const commit = (failing: boolean) =>
        database.tx("commit transition", async ({ journal, ledger, rounds, models }) => {
          await journal.append("atomic-1", { after: 0, entries: [entry(1, "finish")] });
          await ledger.append(chained(before, "atomic"));
          await rounds.upsert({ ...round("atomic-1", 1), status: "published" });
          await models.record({
            task: "atomic-1",
            round: 0,
            hash: sha256Hex("m"),
            parent: null,
            createdAt: NOW,
          });
          if (failing) throw new Error("killed before the commit");
        });
      const state = () =>
        database.tx("read", async ({ journal, ledger, rounds, models }) => [
          await journal.last("atomic-1"),
          (await journal.read("atomic-1", 0)).length,
          (await ledger.last())?.index,
          (await rounds.list("atomic-1")).length,
          await models.isReleased(sha256Hex("m")),
        ]);
      await expect(commit(true)).rejects.toThrow(/killed before the commit/);
      expect(await state()).toEqual([0, 0, before?.index, 0, false]);
      await commit(false);
      expect(await state()).toEqual([1, 1, (before?.index ?? -1) + 1, 1, true]);
    });

    it("runs many transactions at once", async () => {
      await newTask("many-1");
      await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          database.tx("upsert", ({ rounds }) => rounds.upsert(round("many-1", i + 1))),
        ),
      );
      expect(await database.tx("list", ({ rounds }) => rounds.list("many-1"))).toHaveLength(40);
    });

    it("runs a transaction again that lost against a concurrent one", async () => {
      const increment = () =>
        database.tx("increment", async ({ settings }) => {
          const value = Number((await settings.get("counter")) ?? "0");
          await settings.set("counter", String(value + 1));
        });
      await increment();
      await Promise.all([increment(), increment(), increment()]);
      expect(await database.tx("read", ({ settings }) => settings.get("counter"))).toBe("4");
    });
  });
});
