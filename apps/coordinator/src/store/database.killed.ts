/** Run by database.test.ts in a process of its own, which is killed: appends to the journal and says what is durable. */
import { writeSync } from "node:fs";
import { sha256Hex } from "@kindred/protocol";
import { openDatabase } from "./database.ts";
import { taskRecord } from "./test-databases.ts";

const directory = process.argv[2];
if (directory === undefined) throw new Error("usage: database.killed.ts DIRECTORY");
const database = await openDatabase({ directory });
await database.tx("create", ({ tasks }) => tasks.create(taskRecord("task", sha256Hex)));
for (let after = 0; ; after++) {
  const entries = [{ round: 1, kind: "event", payload: new Uint8Array(1000), time: after }];
  await database.tx("append", ({ journal }) => journal.append("task", { after, entries }));
  writeSync(1, `${after + 1}\n`);
}
