import { expect, it } from "vitest";
import { decodeServerState, encodeServerState } from "./server-state-file.ts";

const plain = {
  steps: 7,
  firstMoment: Float64Array.of(0.1, -2),
  secondMoment: Float64Array.of(3, 1e-300),
};
const of = { task: "films", round: 3 };

it("keeps moments, and residual and carried signals where there are any", () => {
  expect(decodeServerState(encodeServerState(plain, of))).toEqual(plain);
  const counts = (sum: number) => ({
    sums: Float32Array.of(sum, -0.5),
    people: 4000,
    deviation: 17.25,
    counted: Uint32Array.of(9, 2 ** 31),
  });
  const residual = Float32Array.of(0.25);
  for (const carried of [{ transitions: counts(1) }, { transitions: counts(1), popularity: counts(2) }]) {
    const state = { ...plain, residual, carried };
    // A subarray: what comes back must not depend on where the numbers lie.
    const bytes = encodeServerState(state, of);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expect(decodeServerState(shifted.subarray(1))).toEqual(state);
  }
});

it("makes two blobs of equal states of two tasks", () => {
  expect(encodeServerState(plain, of)).not.toEqual(encodeServerState(plain, { ...of, task: "books" }));
});
