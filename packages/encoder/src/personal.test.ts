import { KindredError } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { neutralPersonal, type PersonalParameters, personalGradient, personalise } from "./personal.ts";
import { seededRandom } from "./random.ts";
import { fitPersonal, type VectorLoss } from "./train-personal.ts";

const D = 4;
const options = { affine: true, adapterRank: 2, steps: 60, learningRate: 0.05, decay: 0 };
const random = seededRandom(5);
const noise = (length: number) => Float32Array.from({ length }, () => 2 * random() - 1);

const weighted = (values: Float32Array, weights: Float32Array): number =>
  values.reduce((sum, value, i) => sum + value * weights[i]!, 0);

describe("personal parameters", () => {
  it("change nothing at the start, whatever their parts", () => {
    const vectors = noise(3 * D);
    for (const affine of [true, false])
      for (const adapterRank of [0, 2])
        expect(personalise(vectors, neutralPersonal(D, { affine, adapterRank }))).toEqual(vectors);
  });

  it.each([
    ["affine head", true, 0],
    ["adapter", false, 2],
    ["both", true, 2],
  ])("%s: the gradient meets central finite differences", (_, affine, adapterRank) => {
    const vectors = noise(3 * D);
    const weights = noise(3 * D);
    const start = neutralPersonal(D, { affine, adapterRank });
    const parameters = { ...start, values: noise(start.values.length) };
    const gradient = personalGradient(vectors, weights, parameters);
    const at = (index: number, value: number): number => {
      const values = parameters.values.slice();
      values[index] = value;
      return weighted(personalise(vectors, { ...parameters, values }), weights);
    };
    expect(gradient.length).toBe(affine ? 2 * D + 2 * D * adapterRank : 2 * D * adapterRank);
    parameters.values.forEach((value, index) => {
      const slope = (at(index, value + 1e-2) - at(index, value - 1e-2)) / 2e-2;
      expect(gradient[index]).toBeCloseTo(slope, 3);
    });
  });

  it("refuse vectors of another encoder", () => {
    expect(() => personalise(new Float32Array(D + 1), neutralPersonal(D, options))).toThrow(KindredError);
  });
});

/** Half the mean squared distance from a person's directions, one for each target. */
const lossTo =
  (goals: readonly Float32Array[]): VectorLoss =>
  (vectors, targets) => {
    const rows = targets.length;
    const dVectors = vectors.map((value, i) => (value - goals[targets[Math.floor(i / D)]!]![i % D]!) / rows);
    return { loss: dVectors.reduce((sum, value) => sum + value * value, 0) * (rows / 2), dVectors };
  };

function recordOf(length: number) {
  return { vectors: noise(length * D), targets: Int32Array.from({ length }, (_, i) => i % 2) };
}

describe("fitting", () => {
  const constant = [Float32Array.of(2, 0, 0, 0), Float32Array.of(2, 0, 0, 0)];

  it("keeps what lowers the loss of the latest transitions", () => {
    const record = recordOf(30);
    const lossOf = lossTo(constant);
    const fit = fitPersonal(record, { dimension: D, options, lossOf });
    expect(fit.steps).toBeGreaterThan(0);
    expect(fit.after).toBeLessThan(fit.before / 2);
    const { loss } = lossOf(
      personalise(record.vectors, fit.parameters as PersonalParameters),
      record.targets,
    );
    expect(loss).toBeLessThan(lossOf(record.vectors, record.targets).loss / 2);
    expect(fitPersonal(record, { dimension: D, options, lossOf })).toEqual(fit);
  });

  it("keeps nothing where the latest transitions are another story than those before", () => {
    const record = recordOf(30);
    record.targets.fill(0, 0, 24);
    record.targets.fill(1, 24);
    const goals = [Float32Array.of(3, 3, 3, 3), Float32Array.of(-3, -3, -3, -3)];
    const fit = fitPersonal(record, { dimension: D, options, lossOf: lossTo(goals) });
    expect(fit).toMatchObject({ parameters: undefined, steps: 0 });
    expect(fit.after).toBe(fit.before);
  });

  it("keeps nothing that diverges on the whole record", () => {
    // The gradient by the gain is the sum of the vectors, which float32 holds for the earlier transitions only.
    const vectors = Float32Array.from({ length: 10 }, (_, row) => (row < 8 ? 1 : 3e38));
    const lossOf: VectorLoss = (rows) => ({
      loss: rows.reduce((sum, value) => sum + value / rows.length, 0),
      dVectors: rows.map(() => 1),
    });
    const few = { ...options, adapterRank: 0, steps: 3 };
    const fit = fitPersonal({ vectors, targets: new Int32Array(10) }, { dimension: 1, options: few, lossOf });
    expect(fit).toEqual({ parameters: undefined, steps: 0, before: fit.before, after: fit.before });
  });

  it("keeps nothing for a short record", () => {
    const fit = fitPersonal(recordOf(7), { dimension: D, options, lossOf: lossTo(constant) });
    expect(fit.parameters).toBeUndefined();
    expect(fit.before).toBeNaN();
  });
});
