import { expect, test } from "vitest";
import { parseTicks, processorTicks, stolenShare } from "../src/secagg/stolen-time.ts";

test("reads what the host took from the line of all processors", () => {
  const before = parseTicks("cpu  100 0 20 300 5 0 1 50 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n");
  expect(before).toEqual({ all: 476, stolen: 50 });
  const after = parseTicks("cpu  160 0 30 310 5 0 1 70 9 0\n");
  expect(stolenShare(before, after)).toBeCloseTo(20 / 100, 12);
});

test("nothing is taken where no time has passed, and nothing is known where the platform does not tell", () => {
  const now = { all: 476, stolen: 50 };
  expect(stolenShare(now, now)).toBe(0);
  expect(stolenShare(undefined, now)).toBeUndefined();
  expect(processorTicks()?.all ?? 1).toBeGreaterThan(0);
});
