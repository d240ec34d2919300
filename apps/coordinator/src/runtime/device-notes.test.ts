import { afterEach, expect, it } from "vitest";
import { VirtualClock } from "../../../../packages/client/test/virtual-clock.ts";
import type { Database } from "../store/database.ts";
import { DeviceNotes } from "./device-notes.ts";

type Write = { readonly task: string; readonly keys: readonly string[]; readonly now: number };

const clock = new VirtualClock();
const transactions: Write[][] = [];
const errors: unknown[] = [];
let failing = false;
const database = {
  async tx(_name: string, work: (stores: unknown) => Promise<unknown>) {
    if (failing) throw new Error("the database is away");
    const writes: Write[] = [];
    await work({
      devices: {
        seen: async (keys: string[], { task, now }: { task: string; now: number }) => {
          writes.push({ keys, task, now });
        },
      },
    });
    transactions.push(writes);
  },
} as unknown as Database;
const notes = new DeviceNotes({ database, clock, logger: { error: (fields) => errors.push(fields) } });

afterEach(() => {
  transactions.length = 0;
  errors.length = 0;
});

it("writes many devices in one transaction, a second after the first", async () => {
  for (let i = 0; i < 1_000; i++) notes.note(`device-${i % 500}`, i % 2 === 0 ? "films" : "books");
  await clock.advance(999);
  expect(transactions).toEqual([]);
  await clock.advance(1);
  expect(transactions).toHaveLength(1);
  const [writes] = transactions;
  expect(writes!.map(({ task, keys }) => [task, keys.length])).toEqual([
    ["films", 250],
    ["books", 250],
  ]);
  expect(clock.pendingTimers).toBe(0);
});

it("writes at once when asked to, and nothing where nothing waits", async () => {
  notes.note("device", "films");
  await notes.flush();
  expect(transactions).toEqual([[{ task: "films", keys: ["device"], now: clock.now() }]]);
  await notes.flush();
  expect(transactions).toHaveLength(1);
  expect(clock.pendingTimers).toBe(0);
});

it("only logs what cannot be written", async () => {
  failing = true;
  notes.note("device", "films");
  await notes.flush();
  expect(errors).toHaveLength(1);
  failing = false;
});
