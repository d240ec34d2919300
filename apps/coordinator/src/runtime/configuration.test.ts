import { verifyLedgerChain } from "@kindred/privacy";
import { nodeSuite } from "@kindred/secagg/node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CoordinatorKey } from "../store/coordinator-key.ts";
import { type Database, openDatabase } from "../store/database.ts";
import { pgliteImage } from "../store/test-databases.ts";
import { ledgerEntryOf } from "./commit.ts";
import { type Configuration, recordConfiguration } from "./configuration.ts";

const key = new CoordinatorKey(new Uint8Array(32).fill(3));
let database: Database;
beforeAll(async () => {
  database = await openDatabase({ image: await pgliteImage() });
});
afterAll(() => database.close());

it("stands in the ledger when it differs from the last start, each setting with what it was", async () => {
  const start = (configuration: Configuration, now: number) =>
    database.tx("start", (stores) => recordConfiguration(stores, configuration, { key, now }));
  const first = { version: "1", corsOrigins: null, reconnectGrace: "10 ms" };
  expect(await start(first, 1)).toEqual([]);
  expect(await start(first, 2)).toEqual([]);
  const second = { version: "2", corsOrigins: "https://app.example", database: "pglite" };
  expect(await start(second, 3)).toEqual(["corsOrigins", "database", "reconnectGrace", "version"]);
  expect(await start(second, 4)).toEqual([]);
  const stored = await database.tx("read", ({ ledger }) => ledger.list({ from: 0, limit: 10 }));
  const entries = stored.map(ledgerEntryOf);
  const changed = (setting: string, before: string | null, after: string | null) => ({
    kind: "configuration-changed",
    setting,
    before,
    after,
    operator: null,
  });
  expect(entries.map(({ body }) => body)).toEqual([
    changed("corsOrigins", null, "https://app.example"),
    changed("database", null, "pglite"),
    changed("reconnectGrace", "10 ms", null),
    changed("version", "1", "2"),
  ]);
  const { verify } = nodeSuite();
  expect(verifyLedgerChain(entries, { verify, publicKey: key.publicKey })).toEqual([]);
});
