import { readFileSync } from "node:fs";
import type { ServerOptimiserOptions } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import {
  initialOptimiserState,
  jamesSteinFactor,
  type Segment,
  scheduledRate,
  serverStep,
} from "./server-optimiser.ts";

const vectors = JSON.parse(
  readFileSync(new URL("../test/vectors/server-optimiser.json", import.meta.url), "utf8"),
) as {
  readonly generator: string;
  readonly means: number[][];
  readonly cases: {
    readonly name: string;
    readonly options: ServerOptimiserOptions;
    readonly rounds: number;
    readonly deviation: number;
    readonly segments: Segment[];
    readonly steps: number[][];
  }[];
};

const options: ServerOptimiserOptions = {
  optimiser: "fedadam",
  learningRate: 0.1,
  momentum: 0.9,
  beta1: 0.9,
  beta2: 0.99,
  adaptivity: 1e-6,
  warmupRounds: 0,
  schedule: "constant",
  shrinkage: "none",
};

describe(`serverStep (${vectors.generator})`, () => {
  it.each(vectors.cases)("$name", ({ options, rounds, deviation, segments, steps }) => {
    let state = initialOptimiserState(vectors.means[0]!.length);
    for (const [t, mean] of vectors.means.entries()) {
      const input = { mean: Float64Array.from(mean), deviation, segments, options, rounds };
      const next = serverStep(state, input);
      steps[t]!.forEach((wanted, i) => {
        expect(next.step[i], `step ${t + 1}, entry ${i}`).toBeCloseTo(wanted, 12);
      });
      state = next.state;
    }
    expect(state.steps).toBe(vectors.means.length);
  });

  it("FedAdam's first step is the rate along every sign: the moments are corrected for their start", () => {
    const mean = Float64Array.of(3, -0.002, 0);
    const { step } = serverStep(initialOptimiserState(3), {
      mean,
      deviation: 0,
      segments: [],
      options,
      rounds: 5,
    });
    expect(step[0]).toBeCloseTo(0.1, 6);
    expect(step[1]).toBeCloseTo(-0.1, 3);
    expect(step[2]).toBe(0);
  });

  it("leaves the state it was given as it was", () => {
    const state = initialOptimiserState(2);
    serverStep(state, { mean: Float64Array.of(1, 2), deviation: 0, segments: [], options, rounds: 5 });
    expect(state).toEqual(initialOptimiserState(2));
  });

  it.each([[[1]], [[1, Number.NaN]], [[1, Number.POSITIVE_INFINITY]]])("refuses the mean %j", (mean) => {
    const input = { mean: Float64Array.from(mean), deviation: 0, segments: [], options, rounds: 5 };
    expect(() => serverStep(initialOptimiserState(2), input)).toThrow(
      expect.objectContaining({ code: "model-invalid" }),
    );
  });
});

describe("jamesSteinFactor", () => {
  it("is 1 − (n − 2)σ²/‖u‖², never negative", () => {
    expect(jamesSteinFactor(Float64Array.of(3, 4, 0, 0), 2)).toBeCloseTo(1 - (2 * 4) / 25, 12);
    expect(jamesSteinFactor(Float64Array.of(1, 1, 0, 0), 2)).toBe(0);
    expect(jamesSteinFactor(new Float64Array(4), 2)).toBe(0);
  });

  it("is 1 without noise and where the theorem says nothing, below three dimensions", () => {
    expect(jamesSteinFactor(Float64Array.of(1, 2, 3), 0)).toBe(1);
    expect(jamesSteinFactor(Float64Array.of(0.1, 0.1), 5)).toBe(1);
  });
});

describe("scheduledRate", () => {
  const rates = (change: Partial<ServerOptimiserOptions>, rounds = 6) =>
    Array.from({ length: rounds }, (_, i) =>
      scheduledRate({ ...options, learningRate: 1, ...change }, { step: i + 1, rounds }),
    );

  it("warms up linearly to the full rate", () => {
    expect(rates({ warmupRounds: 4 })).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
    expect(rates({})).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it("falls along half a cosine from the full rate, and the last round still trains", () => {
    const cosine = rates({ schedule: "cosine", warmupRounds: 2 });
    [0.5, 1, 1, 0.5 + Math.SQRT1_2 / 2, 0.5, 0.5 - Math.SQRT1_2 / 2].forEach((rate, i) => {
      expect(cosine[i]).toBeCloseTo(rate, 12);
    });
    const beyond = scheduledRate({ ...options, schedule: "cosine" }, { step: 99, rounds: 6 });
    expect(beyond).toBe(0);
  });
});
