/** What the suite asks of the platform, in Node. */
import { inspect } from "node:util";

export { nodeMaskStream as platformMaskStream, nodeSuite as platformSuite } from "../../node/index.ts";

/** A value as a log would show it. */
export function show(value: unknown): string {
  return inspect(value, { showHidden: true, depth: 12, maxArrayLength: 999 });
}
