import { describe, expect, it } from "vitest";
import { l2Norm } from "./clip.ts";
import { sampleDiscreteGaussian } from "./discrete-gaussian.ts";
import {
  fewestBits,
  modulusDeviations,
  scaleFor,
  WRAP_BOUND,
  wrapBound,
  wrapProbability,
} from "./modulus.ts";
import { ROUNDING_BETA, roundedSensitivity } from "./quantise.ts";
import { AesCtrRandom } from "./random.ts";
import {
  DISCRETE_RDP_ORDERS,
  distributedDiscreteGaussianCurve,
  epsilonFromRdp,
  RDP_ORDERS,
  rdpAt,
} from "./rdp.ts";
import { PrivacyRangeError } from "./refusal.ts";
import { mixingWidth, rotate } from "./rotation.ts";
import { delta } from "./units.ts";

const generator = (label: number) => new AesCtrRandom(new Uint8Array(32).fill(label));

/** A vector of length `dimension` and exactly this L2 norm, in a random direction. */
function vectorOf(dimension: number, norm: number): Float64Array {
  const random = generator(dimension % 256);
  const vector = Float64Array.from({ length: dimension }, () => random.uniform() - 0.5);
  const factor = norm / l2Norm(vector);
  return vector.map((x) => x * factor);
}

describe("scaleFor", () => {
  it.each([
    [12, 3.42, 2],
    [14, 1.374, 3],
    [16, 1.159, 3],
    [18, 1.1443, 4],
    [20, 1.1433, 4],
  ])(
    "with %d bits gives ε = %d (n = 100, h = 70, d = 2¹⁷, z = 4, δ = 1e−6)",
    (modulusBits, expected, digits) => {
      const dimension = 2 ** 17;
      const localDeviation = 4 / Math.sqrt(70);
      const scale = scaleFor({ modulusBits, cohort: 100, dimension, localDeviation, kappa: 6 });
      const sigma = scale * localDeviation; // as published, before rounding up to an integer
      const sensitivity = roundedSensitivity({ scaledNorm: scale, dimension, beta: ROUNDING_BETA });
      const curve = distributedDiscreteGaussianCurve({ ...sensitivity, sigma, honest: 70, dimension });
      const orders = [...RDP_ORDERS, ...DISCRETE_RDP_ORDERS];
      const { epsilon } = epsilonFromRdp({ orders, rdp: rdpAt(curve, orders), delta: delta(1e-6) });
      expect(epsilon).toBeCloseTo(expected, digits);
    },
  );

  it("leaves κ deviations of a coordinate of the sum, rounding included, to either side", () => {
    const options = { modulusBits: 16, cohort: 50, clip: 2, dimension: 256, localDeviation: 0.3 };
    for (const kappa of [4, 6]) {
      const scale = scaleFor({ ...options, kappa });
      const variance = scale ** 2 * ((2 * 50) ** 2 / 256 + 50 * 0.3 ** 2) + 50 / 4;
      expect((kappa * Math.sqrt(variance)) / 2 ** 15).toBeCloseTo(1, 10);
    }
  });

  it("refuses a modulus that cannot hold the rounding error, and a deviation that is not finite", () => {
    const options = { modulusBits: 8, cohort: 4000, dimension: 256, localDeviation: 1 };
    expect(() => scaleFor(options)).toThrow(/modulusBits: 2\^16 must exceed/);
    expect(() => scaleFor({ ...options, modulusBits: 33 })).toThrow(/modulusBits/);
    expect(() => scaleFor({ ...options, modulusBits: 20, localDeviation: Infinity })).toThrow(
      /localDeviation/,
    );
  });
});

describe("wrapProbability", () => {
  const shape = { modulusBits: 20, cohort: 96, dimension: 2 ** 17 };

  it("is that of κ deviations of a normal at the scale that leaves them", () => {
    const localDeviation = 0.5;
    for (const [kappa, tail] of [
      [4, 6.334e-5],
      [6, 1.973e-9],
    ] as const) {
      const scale = scaleFor({ ...shape, localDeviation, kappa });
      const found = wrapProbability({ ...shape, scale, localDeviation: scale * localDeviation });
      expect(found / tail).toBeCloseTo(1, 3);
    }
  });

  it("is what happens: coordinates of a rotated sum with noise leave a small modulus as often", () => {
    const dimension = 2 ** 15;
    const cohort = 4;
    const scale = 900;
    const localDeviation = 12;
    const random = generator(7);
    // Four times the same unit vector, rotated, rounded, each with its own noise.
    const vector = rotate(vectorOf(dimension, 1), new Uint8Array(32).fill(1));
    const sum = new Float64Array(dimension);
    for (let i = 0; i < cohort; i++) {
      const noise = sampleDiscreteGaussian({ sigma: localDeviation, length: dimension, random });
      for (let k = 0; k < dimension; k++) sum[k]! += Math.round(vector[k]! * scale + noise[k]!);
    }
    const half = 2 ** 5;
    const wrapped = sum.filter((x) => x < -half || x >= half).length / dimension;
    // The same formula at six bits, below what a plan may have.
    const expected = wrapProbability({
      modulusBits: 8,
      cohort,
      dimension,
      scale: 4 * scale,
      localDeviation: 4 * localDeviation,
    });
    expect(wrapped / expected).toBeGreaterThan(0.93);
    expect(wrapped / expected).toBeLessThan(1.07);
  });

  it("refuses a modulus out of range", () => {
    expect(() => wrapProbability({ ...shape, modulusBits: 33, scale: 1, localDeviation: 1 })).toThrow(
      /modulusBits/,
    );
  });
});

describe("wrapBound", () => {
  it.each([1, 3, 64, 1000, 95_160, 2 ** 20 + 1])(
    "is met by the scale at length %d, and is above the estimate",
    (dimension) => {
      const sum = { modulusBits: 22, cohort: 90, dimension, localDeviation: 0.1 };
      const scale = scaleFor(sum);
      const scaled = { ...sum, scale, localDeviation: scale * 0.1 };
      expect(wrapBound(scaled) / WRAP_BOUND).toBeCloseTo(1, 6);
      expect(dimension * wrapProbability(scaled)).toBeLessThan(wrapBound(scaled) / 2);
      expect(wrapBound({ ...scaled, scale: 1.1 * scale })).toBeGreaterThan(WRAP_BOUND);
    },
  );

  it("counts every term of the sum: agreement over the mixing width, rounding and noise", () => {
    const sum = { modulusBits: 8, cohort: 3, dimension: 100, clip: 2, localDeviation: 5, scale: 40 };
    const proxy = (40 * 2 * 3) ** 2 / 64 + 3 / 4 + 3 * 5 ** 2;
    expect(wrapBound(sum)).toBeCloseTo(200 * Math.exp(-(128 ** 2) / (2 * proxy)), 12);
  });

  it("holds for the worst vector there is, the same of all, at a length that is no power of two", () => {
    const dimension = 3000;
    const scaled = { modulusBits: 10, cohort: 8, dimension, localDeviation: 0, scale: 1000 };
    const half = 2 ** 9;
    let wrapped = 0;
    const rounds = 40;
    for (let round = 0; round < rounds; round++) {
      const vector = rotate(vectorOf(dimension, 8 * 1000), new Uint8Array(32).fill(round));
      wrapped += vector.filter((x) => Math.abs(x) >= half).length / rounds;
    }
    expect(wrapped).toBeGreaterThan(0);
    expect(wrapped).toBeLessThan(wrapBound(scaled));
    expect(mixingWidth(dimension)).toBe(2048);
  });
});

describe("modulusDeviations", () => {
  it("grows with the length alone, as the union bound over its entries has it", () => {
    for (const dimension of [1, 1000, 1e6])
      expect(2 * dimension * Math.exp(-(modulusDeviations(dimension) ** 2) / 2)).toBeCloseTo(WRAP_BOUND, 12);
  });
});

describe("fewestBits", () => {
  const build = (bits: number) => {
    if (bits >= 12) return bits;
    throw new PrivacyRangeError({ field: "modulusBits", rule: "too few", fix: "more" });
  };

  it.each([8, 12, 13, 14, 20, 31, 32])("finds the first of %d bits that fits and can be built", (least) => {
    expect(fewestBits({ build, fits: (bits) => bits >= least })).toBe(Math.max(12, least));
  });

  it("refuses where not even 32 bits fit", () => {
    expect(() => fewestBits({ build, fits: () => false })).toThrow(PrivacyRangeError);
    expect(() => fewestBits({ build, fits: (bits) => bits > 32 })).toThrow(
      /modulusBits: no modulus of at most 32/,
    );
  });

  it("hands on why nothing can be built, and what is no refusal", () => {
    const refuse = () => {
      throw new PrivacyRangeError({ field: "epsilon", rule: "out of reach", fix: "raise it" });
    };
    expect(() => fewestBits({ build: refuse, fits: () => true })).toThrow(/epsilon: out of reach/);
    const broken = (bits: number) => {
      if (bits === 32) return bits;
      throw new TypeError("broken");
    };
    expect(() => fewestBits({ build: broken, fits: () => true })).toThrow(TypeError);
  });
});
