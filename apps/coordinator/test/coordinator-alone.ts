/** Run by storage-key.test.ts in a process of its own, which is killed: a coordinator that says when it runs. */
import { writeSync } from "node:fs";
import { Coordinator } from "../src/coordinator.ts";

const directory = process.argv[2];
if (directory === undefined) throw new Error("usage: coordinator-alone.ts DIRECTORY");
await Coordinator.start({ directory, port: 0 });
writeSync(1, "running\n");
