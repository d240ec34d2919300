import { matrixFromRows } from "@kindred/clustering";
import { expect, it } from "vitest";
import { principalPlane } from "./principal-plane.ts";

it("keeps the distances of points that lie in a plane", () => {
  // Two orthogonal directions of five-dimensional space, with more spread along the first.
  const u = [1, 1, 0, 0, 0].map((x) => x / Math.SQRT2);
  const v = [0, 0, 1, -1, 0].map((x) => x / Math.SQRT2);
  const plane = [
    [4, 0],
    [-4, 1],
    [1, 2],
    [-1, -3],
  ];
  const rows = plane.map(([a, b]) => u.map((x, i) => 10 + a! * x + b! * v[i]!));
  const found = principalPlane(matrixFromRows(rows));
  for (const i of [0, 1, 2, 3])
    for (const j of [0, 1, 2, 3])
      expect(Math.hypot(found[i]![0] - found[j]![0], found[i]![1] - found[j]![1])).toBeCloseTo(
        Math.hypot(plane[i]![0]! - plane[j]![0]!, plane[i]![1]! - plane[j]![1]!),
        4,
      );
  const spread = (axis: 0 | 1) => found.reduce((sum, point) => sum + point[axis] ** 2, 0);
  expect(spread(0)).toBeGreaterThan(spread(1));
});

it("puts equal points in one place", () => {
  expect(
    principalPlane(
      matrixFromRows([
        [1, 2],
        [1, 2],
      ]),
    ),
  ).toEqual([
    [0, 0],
    [0, 0],
  ]);
});
