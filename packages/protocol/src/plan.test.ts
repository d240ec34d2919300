import { describe, expect, it } from "vitest";
import { samplePlan } from "../test/samples.ts";
import { KindredError, type Rejection } from "./errors.ts";
import {
  type Plan,
  parsePlanInput,
  parseSignedPlan,
  planDigest,
  planSchema,
  planSigningText,
} from "./plan.ts";

function refusal(parse: () => unknown): Rejection {
  try {
    parse();
  } catch (error) {
    if (error instanceof KindredError) return error.rejection;
    throw error;
  }
  throw new Error("the plan was accepted");
}

const refusalOf = (change: Record<string, unknown>) =>
  refusal(() => parsePlanInput({ task: "x", ...change }));
const accepts = (change: Record<string, unknown>) => parsePlanInput({ task: "x", ...change });

/** Every leaf of a document as [path, value]. */
function leaves(value: unknown, path: readonly string[] = []): [readonly string[], unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).flatMap(([key, entry]) => leaves(entry, [...path, key]));
}

/** A document that holds `value` at `path` and nothing else. */
function documentWith(path: readonly string[], value: unknown): Record<string, unknown> {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Record<string, unknown>;
}

describe("defaults", () => {
  const plan = parsePlanInput({ task: "x" });

  it("make a whole plan out of a task's id", () => {
    expect(plan).toMatchObject({
      schema: "kindred.plan/1",
      rounds: 5,
      encoder: { layers: 2, dimension: 64, heads: 2, sequenceLength: 50, itemDeltaRank: 8 },
      cohort: { minimum: 48, target: 64, maximum: 96, minSurvivors: 40, sampling: "first-come" },
      participation: { maximum: 5, minimumSeparation: 1 },
      privacy: { mechanism: "distributed-discrete-gaussian", epsilon: 8, delta: 1e-6, modulusBits: "auto" },
      clustering: { clusters: 16, choice: "fixed", microClusters: 256, refinements: 4, minimumSize: 2 },
    });
  });

  it("are a fixed point: a plan parses to itself", () => {
    expect(parsePlanInput(plan)).toEqual(plan);
  });

  it("fill in what a section leaves out", () => {
    expect(accepts({ cohort: { target: 80 } }).cohort).toEqual({ ...plan.cohort, target: 80 });
  });

  it.each([
    [{ rounds: 1 }, 1],
    [{ rounds: 3 }, 3],
    [{ rounds: 100 }, 5],
    [{ rounds: 5, participation: { minimumSeparation: 2 } }, 3],
    [{ rounds: 4, participation: { minimumSeparation: 9 } }, 1],
    [{ rounds: 100, participation: { maximum: 7 } }, 7],
  ])("let a device take part no more often than the rounds allow: %j", (change, expected) => {
    expect(accepts(change).participation.maximum).toBe(expected);
  });
});

describe("the minimum size of a cluster", () => {
  it.each([
    [{}, 2],
    [{ cohort: { minimum: 900, target: 1000, maximum: 1000, minSurvivors: 900 } }, 45],
    [{ cohort: { minimum: 9000, target: 10_000, maximum: 10_000, minSurvivors: 9000 } }, 100],
    [{ clustering: { minimumSize: 7 } }, 7],
  ])("is 100 people, or a twentieth of a small cohort: %j", (change, expected) => {
    expect(accepts(change).clustering.minimumSize).toBe(expected);
  });
});

describe("a clip norm", () => {
  // Below the normal numbers of floating point clipping is off by percents, and only for whom it clips: who could not
  // encode their contribution would be seen.
  it.each([6e-309, 1e300])("of %d is refused wherever it stands", (norm) => {
    const model = (change: object) => refusalOf({ privacy: { blocks: { model: change } } }).field;
    expect(model({ clip: norm })).toBe("plan.privacy.blocks.model.clip");
    for (const bound of ["minimum", "maximum"])
      expect(model({ adaptive: { [bound]: norm } })).toBe(`plan.privacy.blocks.model.adaptive.${bound}`);
  });
});

describe("malformed fields", () => {
  const fields = leaves(parsePlanInput({ task: "x" }));

  it.each(fields.map(([path, value]) => [path.join("."), path, value] as const))(
    "%s of a wrong type is named",
    (name, path, value) => {
      const wrong = typeof value === "string" ? 5 : "five";
      const rejection = refusalOf(documentWith(path, wrong));
      expect(rejection.code).toBe("plan-invalid");
      expect(rejection.field).toBe(`plan.${name}`);
      expect(rejection.rule).toMatch(/^must be /);
      expect(rejection.fix).toMatch(/^(make it|use) /);
    },
  );

  const numbers = fields.filter(([, value]) => typeof value === "number");
  it.each(numbers.map(([path]) => [path.join("."), path] as const))(
    "%s out of every range is named, with the bound in rule and fix",
    (name, path) => {
      const low = refusalOf(documentWith(path, -1));
      expect(low).toMatchObject({ code: "plan-invalid", field: `plan.${name}` });
      expect(low.rule).toMatch(/^must be (at least|above) \d/);
      expect(low.fix).toMatch(/^raise it (to \d+ or more|above \d)/);
      expect(refusalOf(documentWith(path, Number.NaN)).field).toBe(`plan.${name}`);
      expect(refusalOf(documentWith(path, Number.POSITIVE_INFINITY)).field).toBe(`plan.${name}`);
    },
  );

  const sections = Object.entries(parsePlanInput({ task: "x" })).filter(
    ([, value]) => typeof value === "object",
  );
  it.each(sections.map(([name]) => name))("an unknown key of %s is named", (name) => {
    expect(refusalOf({ [name]: { sped: 1 } })).toEqual({
      code: "plan-invalid",
      field: `plan.${name}.sped`,
      rule: 'is not a field here: "sped"',
      fix: 'remove "sped", or check the spelling',
    });
  });

  it.each(["", "-x", "X", "a b", "ä", "x".repeat(64)])("the task id %j is refused", (task) => {
    expect(refusal(() => parsePlanInput({ task }))).toMatchObject({ field: "plan.task" });
  });

  it.each([
    [{ rounds: 1.5 }, "plan.rounds", "must be an integer, found a fraction", "make it an integer"],
    [{ rounds: 0 }, "plan.rounds", "must be at least 1", "raise it to 1 or more"],
    [
      { encoder: { dimension: 1024 } },
      "plan.encoder.dimension",
      "must be at most 512",
      "lower it to 512 or less",
    ],
    [
      { privacy: { modulusBits: 33 } },
      "plan.privacy.modulusBits",
      'must be "auto" or an integer from 8 to 32',
      'use "auto", or a number of bits from 8 to 32',
    ],
    [{ encoder: null }, "plan.encoder", "must be an object, found null", "make it an object"],
    [{ sped: 1 }, "plan.sped", 'is not a field here: "sped"', 'remove "sped", or check the spelling'],
    [
      { server: { optimiser: "adam" } },
      "plan.server.optimiser",
      'must be one of "fedavg", "fedavgm", "fedadam"',
      'use "fedavg" or "fedavgm" or "fedadam"',
    ],
  ])("%j", (change, field, rule, fix) => {
    expect(refusalOf(change)).toEqual({ code: "plan-invalid", field, rule, fix });
  });

  it.each([[undefined], [null], [[]], ["plan"], [5]])("a document that is %j is refused", (document) => {
    expect(refusal(() => parsePlanInput(document))).toMatchObject({ code: "plan-invalid", field: "plan" });
  });

  it("a plan without a task says so", () => {
    expect(refusal(() => parsePlanInput({}))).toMatchObject({
      field: "plan.task",
      rule: "must be a string, but is missing",
      fix: "add the field",
    });
  });
});

describe("contradictions", () => {
  const small = { minimum: 4, target: 4, maximum: 4, minSurvivors: 3, corruption: 0 };
  const poisson = { sampling: "poisson", samplingRate: 0.1 };

  /** What contradicts itself, the field to change, part of the rule, and the change that mends it. */
  const cases: [string, Record<string, unknown>, string, string, Record<string, unknown>][] = [
    [
      "heads",
      { encoder: { heads: 3 } },
      "encoder.heads",
      "must divide encoder.dimension (64)",
      { encoder: { heads: 4 } },
    ],
    [
      "delta rank",
      { encoder: { dimension: 8, itemDeltaRank: 9 } },
      "encoder.itemDeltaRank",
      "must not exceed encoder.dimension (8)",
      { encoder: { dimension: 8, itemDeltaRank: 8 } },
    ],
    [
      "adapter rank",
      { encoder: { dimension: 8 }, training: { trainable: "adapters", adapterRank: 9 } },
      "training.adapterRank",
      "must not exceed encoder.dimension (8)",
      { encoder: { dimension: 8 }, training: { trainable: "full", adapterRank: 9 } },
    ],
    [
      "minimum",
      { cohort: { minimum: 65 } },
      "cohort.minimum",
      "must not exceed cohort.target (64)",
      { cohort: { minimum: 64 } },
    ],
    [
      "target",
      { cohort: { target: 97 } },
      "cohort.target",
      "must not exceed cohort.maximum (96)",
      { cohort: { target: 96 } },
    ],
    [
      "survivors",
      { cohort: { minSurvivors: 49 } },
      "cohort.minSurvivors",
      "must not exceed cohort.minimum (48)",
      { cohort: { minSurvivors: 48 } },
    ],
    [
      "one survivor",
      { cohort: { ...small, minSurvivors: 1 } },
      "cohort.minSurvivors",
      "must be at least 2",
      { cohort: { ...small, minSurvivors: 2 } },
    ],
    [
      "honest survivors",
      { cohort: { corruption: 0.41, dropout: 0.1 } },
      "cohort.corruption",
      "leaves fewer than 2 honest survivors: minSurvivors − ⌊corruption × maximum⌋ = 1",
      { cohort: { corruption: 0.39, dropout: 0.1 } },
    ],
    [
      "a sampling rate that nothing uses",
      { cohort: { samplingRate: 0.5 } },
      "cohort.samplingRate",
      'must be 1 with sampling "first-come"',
      { cohort: { sampling: "poisson", samplingRate: 0.5 } },
    ],
    [
      "sampling that takes everybody",
      { cohort: { sampling: "poisson" } },
      "cohort.samplingRate",
      'must be below 1 with sampling "poisson"',
      { cohort: poisson },
    ],
    [
      "selection window",
      { cohort: { selectionWindow: 2000 }, deadlines: { selecting: 1999 } },
      "cohort.selectionWindow",
      "must not exceed deadlines.selecting (1999)",
      { cohort: { selectionWindow: 2000 }, deadlines: { selecting: 2000 } },
    ],
    [
      "threshold: too much dropout",
      { cohort: { dropout: 0.46 } },
      "cohort.dropout",
      "leaves no threshold for a cohort of 48: 26 answers are needed to unmask, 25 are expected to remain",
      { cohort: { dropout: 0.4 } },
    ],
    [
      "threshold: a tiny cohort",
      { cohort: { ...small, minimum: 3 } },
      "cohort.dropout",
      "leaves no threshold for a cohort of 3: 3 answers are needed to unmask, 2 are expected to remain",
      { cohort: { ...small, minimum: 3, dropout: 0 } },
    ],
    [
      "threshold: larger complete graphs",
      {
        cohort: { minimum: 300, target: 300, maximum: 300, dropout: 0.5 },
        secureAggregation: { graph: "complete" },
      },
      "cohort.dropout",
      "leaves no threshold for a cohort of 300",
      {
        cohort: { minimum: 300, target: 300, maximum: 300, dropout: 0.45 },
        secureAggregation: { graph: "complete" },
      },
    ],
    [
      "threshold: regular graphs",
      {
        cohort: { dropout: 0.4, corruption: 0.11, minSurvivors: 48 },
        secureAggregation: { graph: "regular" },
      },
      "cohort.dropout",
      "must keep corruption + 2 × dropout within 0.9 for a regular graph",
      {
        cohort: { dropout: 0.4, corruption: 0.1, minSurvivors: 48 },
        secureAggregation: { graph: "regular" },
      },
    ],
    [
      "modulus against noise",
      { privacy: { modulusBits: 8 } },
      "privacy.modulusBits",
      "must be at least 9 for the noise of cohort.maximum (96) clients",
      { privacy: { modulusBits: 9 } },
    ],
    [
      "modulus against the sum",
      { privacy: { mechanism: "none", modulusBits: 8 } },
      "privacy.modulusBits",
      "must be at least 9 for the sum of cohort.maximum (96) clients",
      { privacy: { mechanism: "none", modulusBits: 9 } },
    ],
    [
      "delta against the cohort",
      { privacy: { delta: 0.01 }, cohort: { maximum: 100 } },
      "privacy.delta",
      "must be below 1 / cohort.maximum (0.01)",
      { privacy: { delta: 0.0099 }, cohort: { maximum: 100 } },
    ],
    [
      "participations",
      { rounds: 4, participation: { maximum: 5 } },
      "participation.maximum",
      "must not exceed 4, all that 4 rounds and a separation of 1 allow",
      { rounds: 4, participation: { maximum: 4 } },
    ],
    [
      "participations and separation",
      { rounds: 10, participation: { maximum: 5, minimumSeparation: 3 } },
      "participation.maximum",
      "must not exceed 4, all that 10 rounds and a separation of 3 allow",
      { rounds: 10, participation: { maximum: 4, minimumSeparation: 3 } },
    ],
    [
      "warm-up",
      { server: { warmupRounds: 5 } },
      "server.warmupRounds",
      "must be below rounds (5)",
      { server: { warmupRounds: 4 } },
    ],
    [
      "least number of clusters",
      { clustering: { clusters: 8, choice: "gap", minimumClusters: 9 } },
      "clustering.minimumClusters",
      "must not exceed clustering.clusters (8)",
      { clustering: { clusters: 8, choice: "gap", minimumClusters: 8 } },
    ],
    [
      "fewer micro-clusters than clusters",
      { clustering: { clusters: 8, microClusters: 7 } },
      "clustering.microClusters",
      "must be 0 or at least clustering.clusters (8)",
      { clustering: { clusters: 8, microClusters: 0 } },
    ],
    [
      "a layer whose range is empty",
      { clustering: { layers: [{ minimum: 4, maximum: 3 }] } },
      "clustering.layers.0",
      "must have a minimum of at most its maximum (3)",
      { clustering: { layers: [{ minimum: 3, maximum: 3 }] } },
    ],
    [
      "layers that overlap",
      {
        clustering: {
          layers: [
            { minimum: 2, maximum: 6 },
            { minimum: 5, maximum: 9 },
          ],
        },
      },
      "clustering.layers.1",
      "must have a minimum of at least 6",
      {
        clustering: {
          layers: [
            { minimum: 2, maximum: 6 },
            { minimum: 6, maximum: 9 },
          ],
        },
      },
    ],
    [
      "minimum size",
      { clustering: { minimumSize: 21 } },
      "clustering.minimumSize",
      "must not exceed half of cohort.minSurvivors (40)",
      { clustering: { minimumSize: 20 } },
    ],
  ];

  it.each(cases)("%s", (_, change, field, rule, mended) => {
    const rejection = refusalOf(change);
    expect(rejection.code).toBe("plan-invalid");
    expect(rejection.field).toBe(`plan.${field}`);
    expect(rejection.rule).toContain(rule);
    expect(rejection.fix.length).toBeGreaterThan(10);
    expect(() => accepts(mended)).not.toThrow();
  });

  it("beyond the first are counted", () => {
    expect(refusalOf({ encoder: { heads: 3 }, server: { warmupRounds: 9 } })).toMatchObject({
      field: "plan.encoder.heads",
      rule: "must divide encoder.dimension (64) (and 1 more)",
    });
  });
});

describe("resolved plan", () => {
  const signed = (plan: Plan) => ({ plan, signature: "0a".repeat(64) });
  const refusalWith = (change: (plan: Plan) => void) => {
    const plan = samplePlan();
    change(plan);
    return refusal(() => parseSignedPlan(signed(plan)));
  };

  it("parses to itself", () => {
    expect(parseSignedPlan(signed(samplePlan()))).toEqual(signed(samplePlan()));
  });

  it.each<[string, (plan: Plan) => void, string, string]>([
    [
      "block order",
      (p) => p.resolved.blocks.reverse(),
      "resolved.blocks",
      "must be model, counts, sums, evaluation",
    ],
    ["block missing", (p) => p.resolved.blocks.pop(), "resolved.blocks", "must have at least 4 entries"],
    [
      "surplus noise in the other design",
      (p) => (p.resolved.mechanism.surplus = [{ survivors: p.cohort.maximum, honest: 1, deviation: 9 }]),
      "resolved.mechanism.surplus",
      'must be absent unless privacy.noise.design is "add-then-remove"',
    ],
    ...(
      [
        ["too many components", [50, 60, 70], 0, "must hold at most 2 components"],
        ["components out of order", [60, 50], 0, "must name rising counts of survivors from 41 to 96"],
        ["components beyond the cohort", [60, 97], 0, "must name rising counts of survivors from 41 to 96"],
        ["components that remove at once", [40], 0, "must name rising counts of survivors from 41 to 96"],
        ["colluders counted on", [60, 96], 1, "must count on 56 honest of 60 survivors, found 57"],
      ] as const
    ).map(([name, counts, more, rule]): [string, (plan: Plan) => void, string, string] => [
      name,
      (p) => {
        p.privacy.noise = { design: "add-then-remove", levels: 2 };
        p.resolved.mechanism.surplus = counts.map((survivors) => ({
          survivors,
          honest: survivors - 4 + more,
          deviation: 9,
        }));
      },
      "resolved.mechanism.surplus",
      rule,
    ]),
    [
      "fifth block",
      (p) => p.resolved.blocks.push({ name: "clipping", length: 1, clip: 0.5, weight: 0.1 }),
      "resolved.blocks",
      "must be model, counts, sums, evaluation, in this order",
    ],
    [
      "no clipping block",
      (p) => {
        const { model } = p.privacy.blocks;
        model.adaptive = { quantile: 0.5, learningRate: 0.2, minimum: 0.01, maximum: 10, weight: 0.1 };
      },
      "resolved.blocks",
      "must be model, counts, sums, evaluation, clipping",
    ],
    ["weights", (p) => (p.resolved.blocks[0]!.weight = 0.51), "resolved.blocks", "squares sum to 1"],
    [
      "modulus",
      (p) => {
        p.privacy.modulusBits = 20;
        p.resolved.mechanism.modulusBits = 21;
      },
      "resolved.mechanism.modulusBits",
      "must equal privacy.modulusBits (20)",
    ],
    [
      "padding",
      (p) => (p.resolved.mechanism.paddedLength = 512),
      "resolved.mechanism.paddedLength",
      "must be 232, the length of the longest vector of a round",
    ],
    [
      "padding of a plan that names no rotation",
      (p) => {
        p.privacy.modulusBits = 20;
        delete p.resolved.mechanism.rotation;
      },
      "resolved.mechanism.paddedLength",
      "must be 256, the least power of two that holds 232 entries",
    ],
    [
      "a modulus of its own choice without a rotation",
      (p) => {
        delete p.resolved.mechanism.rotation;
        p.resolved.mechanism.paddedLength = 256;
      },
      "resolved.mechanism.rotation",
      'must be "overlapped-hadamard" with privacy.modulusBits "auto"',
    ],
    [
      "size",
      (p) => {
        p.resolved.blocks[0]!.length = 2 ** 27 - 132;
        p.resolved.mechanism.paddedLength = 2 ** 27;
      },
      "resolved.mechanism.paddedLength",
      "must pack into 268435456 bytes",
    ],
    [
      "no noise",
      (p) => (p.resolved.mechanism.localDeviation = 0),
      "resolved.mechanism.localDeviation",
      "must be above 0",
    ],
    [
      "noise that was not asked for",
      (p) => (p.privacy.mechanism = "none"),
      "resolved.mechanism.localDeviation",
      "must be 0 with privacy.mechanism",
    ],
    [
      "clusters",
      (p) => (p.clustering.clusters = 3),
      "clustering.clusters",
      "must not exceed the catalogue's 2 items",
    ],
    [
      "negatives",
      (p) => {
        p.training.fullSoftmaxLimit = 1;
        p.training.negatives = 2;
      },
      "training.negatives",
      "must be below the catalogue's 2 items",
    ],
    ["a section's own rule", (p) => (p.encoder.heads = 3), "encoder.heads", "must divide"],
    [
      "key",
      (p) => (p.resolved.coordinatorKey = "0F".repeat(32)),
      "resolved.coordinatorKey",
      "64 hexadecimal digits",
    ],
  ])("is refused with a wrong %s", (_, change, field, rule) => {
    const rejection = refusalWith(change);
    expect(rejection).toMatchObject({ code: "plan-invalid", field: `signedPlan.plan.${field}` });
    expect(rejection.rule).toContain(rule);
  });

  it("is refused without a signature of 64 bytes", () => {
    expect(refusal(() => parseSignedPlan({ plan: samplePlan(), signature: "00" }))).toMatchObject({
      field: "signedPlan.signature",
      rule: "must be 128 hexadecimal digits",
    });
  });

  it("takes no default: every field is signed", () => {
    const { participation: _, ...rest } = samplePlan();
    expect(planSchema.safeParse({ ...rest, participation: { minimumSeparation: 1 } }).success).toBe(true);
  });
});

describe("planDigest", () => {
  it("does not depend on the order of keys", () => {
    const plan = samplePlan();
    const reordered = Object.fromEntries(Object.entries(plan).reverse()) as Plan;
    expect(planDigest(reordered)).toBe(planDigest(plan));
    expect(planSigningText(plan)).toBe(`kindred.plan/1:${planDigest(plan)}`);
  });

  it("depends on every field", () => {
    const plan = samplePlan();
    const changed = leaves(plan).flatMap(([path, value]) => {
      if (typeof value !== "number" && typeof value !== "string") return [];
      const copy = structuredClone(plan) as unknown as Record<string, unknown>;
      const parent = path
        .slice(0, -1)
        .reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, copy);
      parent[path.at(-1)!] = typeof value === "number" ? value + 1 : `${value}0`;
      return [planDigest(copy as unknown as Plan)];
    });
    expect(changed.length).toBeGreaterThan(50);
    expect(new Set([planDigest(plan), ...changed]).size).toBe(changed.length + 1);
  });
});
