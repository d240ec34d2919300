/** A thread that does its part of recovery jobs: it takes owners off a shared list until none is left. */
import { parentPort } from "node:worker_threads";
import { recoverPart } from "../src/recovery.ts";
import { CANCELLED, NEXT, type RecoveryAnswer, type RecoveryTask } from "./recovery-task.ts";
import { nodeSuite } from "./suite.ts";

const port = parentPort!;
const suite = nodeSuite();

port.on("message", ({ job, owners, control }: RecoveryTask) => {
  const sum = new Uint32Array(job.length);
  const recovered = recoverPart(job, { owners: taken(owners, control), sum, suite });
  if (recovered.ok) {
    const answer: RecoveryAnswer = { sum, ...recovered.value };
    port.postMessage(answer, [sum.buffer]);
    return;
  }
  // The round is lost: the other threads need not go on.
  Atomics.store(control, CANCELLED, 1);
  const answer: RecoveryAnswer = { rejection: recovered.rejection };
  port.postMessage(answer);
});

function* taken(owners: Uint32Array, control: Int32Array): Generator<number> {
  while (Atomics.load(control, CANCELLED) === 0) {
    const position = Atomics.add(control, NEXT, 1);
    if (position >= owners.length) return;
    yield owners[position]!;
  }
}
