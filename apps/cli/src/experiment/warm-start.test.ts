import { blockDeviation, type CarriedCounts, carriedOn, planMechanism } from "@kindred/engine";
import { jointEpsilon } from "@kindred/privacy";
import { simulatedMechanism } from "@kindred/simulator";
import { describe, expect, it } from "vitest";
import { federatedPlan } from "./federated-rows.ts";
import { DELTA } from "./noise.ts";
import { resolvedSignals, signalsUpload, splitPromise } from "./warm-start.ts";

const noise = { people: 20_000, cohort: 1000, epsilon: 4 };
const itemCount = 60;
const participations = 5;
const encoder = { itemCount, trainable: { length: 3000 } } as Parameters<
  typeof simulatedMechanism
>[0]["encoder"];
const trainingMechanism = (epsilon: number) =>
  simulatedMechanism({
    plan: federatedPlan({
      ...{ rounds: 100, cohort: 100, clusters: 8, serverLearningRate: 0.002, clip: 0.3, seed: 1 },
      ...{ start: "signals", drawn: 100, warmStart: null, noise: { ...noise, epsilon } },
    }),
    encoder,
    noiseCohort: noise.cohort,
  });
const split = splitPromise(noise, { itemCount, participations, trainingMechanism });
const counting = resolvedSignals({ epsilon: split.signals, cohort: 1000, rounds: 20, itemCount });

describe("a promise split over two tasks", () => {
  it("is kept by both together, and hardly anything of it is left", () => {
    const together = (training: number) =>
      jointEpsilon(
        [
          { mechanism: planMechanism(counting.mechanism), participations: 2 },
          { mechanism: trainingMechanism(training), participations },
        ],
        { delta: DELTA },
      );
    expect(together(split.training)).toBeLessThanOrEqual(4);
    expect(together(split.training * 1.01)).toBeGreaterThan(4);
    expect(split.signals).toBeLessThan(4);
  });

  it("leaves sums over all rounds the noise that they are simulated with", () => {
    const [block] = counting.signals!.transitions!;
    const deviation = 1000 * blockDeviation(counting.mechanism, { block: block!, survivors: 1000 });
    const latest = {
      ...{ sums: Float32Array.of(0), people: 1000, deviation },
      counted: Uint32Array.of(0),
    };
    let all: CarriedCounts = latest;
    for (let round = 2; round <= 20; round++) all = carriedOn(all, { latest, carry: 1 });
    expect(all.people).toBe(20_000);
    expect(split.noise).toBeCloseTo(all.deviation / all.people / block!.clip, 12);
  });

  it("says what a device sends for the counts: two vectors of whole bytes", () => {
    const { paddedLength, modulusBits } = counting.mechanism;
    const bytes = signalsUpload({ itemCount, noise, split });
    expect(bytes).toBe(2 * Math.ceil((paddedLength * modulusBits) / 8));
    expect(paddedLength).toBeGreaterThanOrEqual(itemCount ** 2);
  });

  it("is refused where nothing is left for the rounds", () => {
    const costly = () => trainingMechanism(4);
    expect(() => splitPromise(noise, { itemCount, participations, trainingMechanism: costly })).toThrow(
      "--epsilons",
    );
  });
});
