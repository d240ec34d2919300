import { type ParticipationEntry, resolvePlan } from "@kindred/engine";
import type { SignedLedgerHead } from "@kindred/privacy";
import { parsePlanInput } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { PLAN_INPUT } from "../test/test-task.ts";
import { ParticipationRecord } from "./participation-record.ts";
import { memoryStore } from "./store.ts";

const plan = resolvePlan(parsePlanInput(PLAN_INPUT), {
  coordinatorKey: "a".repeat(64),
  catalogueHash: "b".repeat(64),
  itemCount: 8,
  modelLength: 5,
});
const entry: ParticipationEntry = {
  task: "films",
  planDigest: "ab".repeat(32),
  round: 1,
  time: 10,
  epsilon: null,
  delta: 1e-6,
};
const head = (coordinatorKey: string, size: number): SignedLedgerHead => ({
  coordinatorKey,
  size,
  root: "cd".repeat(32),
  signature: "ef".repeat(64),
});

async function setting() {
  const store = memoryStore();
  return { store, record: new ParticipationRecord(store, await store.load()) };
}

describe("the record of taking part", () => {
  it("completes an entry, and says the same after a restart", async () => {
    const { store, record } = await setting();
    await record.append(entry, plan);
    await record.rememberHead(head("key", 3));
    expect(record.entries).toEqual([
      expect.objectContaining({ round: 1, limits: expect.objectContaining({ epsilon: null }) }),
    ]);
    const again = new ParticipationRecord(store, await store.load());
    expect(again.account()).toEqual(record.account());
    expect(again.heads).toEqual(record.heads);
  });

  it("counts a participation whose entry could not be stored", async () => {
    const full = { ...memoryStore(), appendParticipation: () => Promise.reject(new Error("disk full")) };
    const record = new ParticipationRecord(full, await full.load());
    await expect(record.append(entry, plan)).rejects.toThrow("disk full");
    expect(record.account().spent).toMatchObject([{ task: "films", participations: 1 }]);
  });

  it("notes each outcome once, and none of a round that this device sent nothing in", async () => {
    const { store, record } = await setting();
    await record.append(entry, plan);
    const said = { task: "films", round: 1, time: 20, released: "ef".repeat(32) };
    record.noteOutcome(said);
    record.noteOutcome({ ...said, time: 30 });
    record.noteOutcome({ ...said, round: 2 });
    record.noteOutcome({ ...said, task: "books" });
    expect((await store.load()).outcomes).toEqual([
      { task: "films", round: 1, time: 20, outcome: "published", modelHash: said.released },
    ]);
    expect(record.account().rounds).toMatchObject([{ outcome: "published", released: said.released }]);
  });

  it("keeps the newest head of each coordinator", async () => {
    const { record } = await setting();
    for (const seen of [head("one", 3), head("two", 8), head("one", 5)]) await record.rememberHead(seen);
    expect(record.heads).toEqual([head("one", 5), head("two", 8)]);
    expect(record.headOf("one")).toEqual(head("one", 5));
    record.clear();
    expect(record.headOf("one")).toBeUndefined();
  });
});
