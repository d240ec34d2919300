import { describe, expect, it } from "vitest";
import { KindredError } from "./errors.ts";
import { parsePlanInput, planInputSchema } from "./plan.ts";

const accepts = (change: Record<string, unknown>) => parsePlanInput({ task: "x", ...change });

function fieldRefused(change: Record<string, unknown>): string | undefined {
  try {
    accepts(change);
  } catch (error) {
    if (error instanceof KindredError) return error.rejection.field;
    throw error;
  }
  return undefined;
}

describe("the encoder of a plan", () => {
  it("is a transformer over every input where the plan says nothing", () => {
    const { encoder, training } = accepts({});
    expect(encoder.architecture).toBe("transformer");
    expect(encoder).not.toHaveProperty("inputs");
    expect(training).not.toHaveProperty("proximal");
  });

  it("may be recurrent, for which heads need not divide the width", () => {
    expect(accepts({ encoder: { architecture: "gru", heads: 3 } }).encoder.architecture).toBe("gru");
    expect(fieldRefused({ encoder: { heads: 3 } })).toBe("plan.encoder.heads");
    expect(fieldRefused({ encoder: { architecture: "lstm" } })).toBe("plan.encoder.architecture");
  });

  it("names its inputs once each, or none", () => {
    expect(accepts({ encoder: { inputs: [] } }).encoder.inputs).toEqual([]);
    expect(accepts({ encoder: { inputs: ["gap", "rating"] } }).encoder.inputs).toEqual(["gap", "rating"]);
    expect(fieldRefused({ encoder: { inputs: ["gap", "gap"] } })).toBe("plan.encoder.inputs");
    expect(fieldRefused({ encoder: { inputs: ["weather"] } })).toBe("plan.encoder.inputs.0");
  });

  it("is pulled back to the global weights only where there is more than one local step", () => {
    expect(accepts({ training: { maxSteps: 4, proximal: 0.1 } }).training.proximal).toBe(0.1);
    expect(accepts({ training: { proximal: 0 } }).training.proximal).toBe(0);
    expect(fieldRefused({ training: { proximal: 0.1 } })).toBe("plan.training.proximal");
  });

  it("has rating and next-interest heads, personal parameters and held-out evaluation only where the plan names them", () => {
    const plain = accepts({});
    expect(plain.training).not.toHaveProperty("ratings");
    expect(plain.training).not.toHaveProperty("interests");
    expect(plain).not.toHaveProperty("personal");
    expect(plain).not.toHaveProperty("evaluation");
    const { training, personal, evaluation } = accepts({
      training: { ratings: {}, interests: {} },
      personal: {},
      evaluation: {},
    });
    expect(training.ratings).toEqual({ weight: 5 });
    expect(training.interests).toEqual({ weight: 1, groups: 64 });
    expect(personal).toMatchObject({ affine: true, adapterRank: 0, steps: 30 });
    expect(evaluation).toEqual({ holdOut: "last" });
    expect(fieldRefused({ personal: { affine: false } })).toBe("plan.personal.affine");
    expect(fieldRefused({ training: { ratings: { weight: 0 } } })).toBe("plan.training.ratings.weight");
    expect(fieldRefused({ training: { interests: { groups: 1 } } })).toBe("plan.training.interests.groups");
  });

  it("parses to itself with all of it", () => {
    const plan = accepts({
      encoder: { architecture: "gru", inputs: ["action"] },
      training: { maxSteps: 2, proximal: 1 },
    });
    expect(planInputSchema.parse(plan)).toEqual(plan);
  });
});
