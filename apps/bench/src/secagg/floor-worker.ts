/** A thread that expands and adds masks under keys that are already there: the least that unmasking can cost. */
import { randomBytes } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { nodeSuite } from "@kindred/secagg/node";

export interface FloorInput {
  readonly masks: number;
  readonly length: number;
  readonly entryBytes: number;
}

const { masks, length, entryBytes } = workerData as FloorInput;
const suite = nodeSuite();
const keys = Array.from({ length: Math.min(masks, 256) }, () => new Uint8Array(randomBytes(32)));
const target = new Int32Array(length);

function expand(count: number): void {
  for (let done = 0; done < count; done += keys.length)
    suite.addMasks(target, keys.slice(0, Math.min(keys.length, count - done)), entryBytes);
}

// The pool's threads have warmed up by the time that counts: the first masks of a thread take about twice as long.
expand(keys.length);
parentPort!.postMessage("ready");
parentPort!.once("message", () => {
  expand(masks);
  parentPort!.postMessage("done");
});
