/** What one field of a plan says about another: the contradictions that no single field shows. */
import { MAX_VECTOR_BYTES, packedLength } from "./packing.ts";
import type { PlanSections, ResolvedPlan } from "./plan-sections.ts";
import { SIGNALS, signalContradictions } from "./plan-signals.ts";

/** One broken rule. */
export interface Contradiction {
  /** Path of the field to change, without the document's name. */
  readonly path: readonly (string | number)[];
  readonly rule: string;
  readonly fix: string;
}

/** Largest cohort for which graph `auto` connects every pair of members. */
const COMPLETE_GRAPH_LIMIT = 256;
/** Least local deviation, in quantised units, for which the sum of discrete Gaussians is as good as one (DIFFERENTIAL_PRIVACY: τd negligible). */
const LEAST_DEVIATION = 4;
/** Deviations of the least noise of a cohort that a modulus of the operator's choice must hold on either side. */
const MODULUS_DEVIATIONS = 6;
/** Order of the blocks in the joint vector; the last one with an adaptive clip norm only. */
const BLOCK_ORDER = ["model", "counts", "sums", "evaluation", "clipping"] as const;

/** ⌊share·total⌋; the margin keeps 0.29·100 = 28.999… from becoming 28. */
function wholeShare(share: number, total: number): number {
  return Math.floor(share * total + 1e-9);
}

/** Most rounds that one device can join: every `minimumSeparation`-th of `rounds`. */
export function attainableParticipations(rounds: number, minimumSeparation: number): number {
  return Math.ceil(rounds / minimumSeparation);
}

function encoderRules({ encoder, training, personal }: PlanSections): Contradiction[] {
  const found: Contradiction[] = [];
  if (personal !== undefined && !personal.affine && personal.adapterRank === 0)
    found.push({
      path: ["personal", "affine"],
      rule: "must be true unless there is an adapter: nothing personal would be left",
      fix: "remove personal, or give it an adapterRank",
    });
  if (encoder.architecture === "transformer" && encoder.dimension % encoder.heads !== 0)
    found.push({
      path: ["encoder", "heads"],
      rule: `must divide encoder.dimension (${encoder.dimension})`,
      fix: "choose a divisor, such as 2",
    });
  if (encoder.inputs !== undefined && new Set(encoder.inputs).size < encoder.inputs.length)
    found.push({
      path: ["encoder", "inputs"],
      rule: "must name each input once",
      fix: "remove the repeated one",
    });
  if (encoder.itemDeltaRank > encoder.dimension)
    found.push({
      path: ["encoder", "itemDeltaRank"],
      rule: `must not exceed encoder.dimension (${encoder.dimension}): a delta of full rank is not low-rank`,
      fix: "lower itemDeltaRank",
    });
  if ((training.proximal ?? 0) > 0 && training.maxSteps === 1)
    found.push({
      path: ["training", "proximal"],
      rule: "must be 0 or left out with one local step, on which it has no effect",
      fix: "raise maxSteps, or remove proximal",
    });
  if (training.trainable === "adapters" && training.adapterRank > encoder.dimension)
    found.push({
      path: ["training", "adapterRank"],
      rule: `must not exceed encoder.dimension (${encoder.dimension}): an adapter of full rank is not low-rank`,
      fix: 'lower adapterRank, or train everything with trainable "full"',
    });
  return found;
}

function cohortRules({ cohort, deadlines }: PlanSections): Contradiction[] {
  const found: Contradiction[] = [];
  if (cohort.minimum > cohort.target)
    found.push({
      path: ["cohort", "minimum"],
      rule: `must not exceed cohort.target (${cohort.target})`,
      fix: "lower the minimum or raise the target",
    });
  if (cohort.target > cohort.maximum)
    found.push({
      path: ["cohort", "target"],
      rule: `must not exceed cohort.maximum (${cohort.maximum})`,
      fix: "lower the target or raise the maximum",
    });
  if (cohort.minSurvivors > cohort.minimum)
    found.push({
      path: ["cohort", "minSurvivors"],
      rule: `must not exceed cohort.minimum (${cohort.minimum})`,
      fix: "lower minSurvivors or raise the minimum",
    });
  if (cohort.minSurvivors < 2)
    found.push({
      path: ["cohort", "minSurvivors"],
      rule: "must be at least 2: the sum of one client is that client's data",
      fix: "raise it to 2 or more",
    });
  const honest = cohort.minSurvivors - wholeShare(cohort.corruption, cohort.maximum);
  if (honest < 2)
    found.push({
      path: ["cohort", "corruption"],
      rule: `leaves fewer than 2 honest survivors: minSurvivors − ⌊corruption × maximum⌋ = ${honest}`,
      fix: "raise minSurvivors, or lower corruption or maximum",
    });
  if (cohort.sampling === "first-come" && cohort.samplingRate !== 1)
    found.push({
      path: ["cohort", "samplingRate"],
      rule: 'must be 1 with sampling "first-come", which takes no sample',
      fix: 'remove samplingRate, or set sampling to "poisson"',
    });
  if (cohort.sampling === "poisson" && cohort.samplingRate === 1)
    found.push({
      path: ["cohort", "samplingRate"],
      rule: 'must be below 1 with sampling "poisson": a coin of bias 1 selects everybody',
      fix: 'set samplingRate to the cohort over the population, or sampling to "first-come"',
    });
  if (cohort.selectionWindow > deadlines.selecting)
    found.push({
      path: ["cohort", "selectionWindow"],
      rule: `must not exceed deadlines.selecting (${deadlines.selecting})`,
      fix: "shorten the window or move the deadline",
    });
  return found;
}

/** γ + 2δ beyond which the regular graph's degree, for a coordinator that may equivocate, nears the cohort. */
const REGULAR_GRAPH_LOAD = 0.9;

/**
 * Whether the assumed corruption γ and dropout δ leave a threshold t (SECURE_AGGREGATION, "Thresholds").
 *
 * Complete graph of n members: ⌈(n + ⌊γn⌋)/2⌉ < t ≤ (1 − δ)n. Above, so that no two sets of survivors can both be
 * unmasked by a coordinator with γn colluders; at most, so that the round survives the dropout. Regular graph: the
 * exact rule depends on the degree; here only its limit.
 */
function thresholdRules({ cohort, secureAggregation }: PlanSections): Contradiction[] {
  const { graph } = secureAggregation;
  const fix = "lower dropout or corruption, or raise cohort.minimum";
  const completeUpTo = { auto: COMPLETE_GRAPH_LIMIT, complete: cohort.maximum, regular: 0 }[graph];
  const load = cohort.corruption + 2 * cohort.dropout;
  if (cohort.maximum > completeUpTo && load > REGULAR_GRAPH_LOAD + 1e-9)
    return [
      {
        path: ["cohort", "dropout"],
        rule: `must keep corruption + 2 × dropout within ${REGULAR_GRAPH_LOAD} for a regular graph, found ${load}`,
        fix,
      },
    ];
  for (let n = cohort.minimum; n <= Math.min(cohort.maximum, completeUpTo); n++) {
    const least = Math.ceil((n + wholeShare(cohort.corruption, n)) / 2) + 1;
    const most = wholeShare(1 - cohort.dropout, n);
    if (least > most)
      return [
        {
          path: ["cohort", "dropout"],
          rule: `leaves no threshold for a cohort of ${n}: ${least} answers are needed to unmask, ${most} are expected to remain`,
          fix,
        },
      ];
  }
  return [];
}

/** A modulus that an operator has chosen must hold a sum at all; what it costs beyond is found when the plan is resolved. */
function modulusRules({ privacy, cohort }: PlanSections): Contradiction[] {
  if (privacy.modulusBits === "auto") return [];
  const complain = (least: number, whose: string): Contradiction => ({
    path: ["privacy", "modulusBits"],
    rule: `must be at least ${least} for the ${whose} of cohort.maximum (${cohort.maximum}) clients`,
    fix: 'raise modulusBits, leave it out or set it to "auto", or lower cohort.maximum',
  });
  const half = 2 ** (privacy.modulusBits - 1);
  if (privacy.mechanism === "none") {
    // n·(s + 1) < 2^(b−1) makes overflow impossible; s ≥ 1 leaves one quantised unit for the clip norm.
    const isTooSmall = 2 * cohort.maximum >= half;
    return isTooSmall ? [complain(Math.floor(Math.log2(2 * cohort.maximum)) + 2, "sum")] : [];
  }
  const spread = MODULUS_DEVIATIONS * LEAST_DEVIATION * Math.sqrt(cohort.maximum);
  return half < spread ? [complain(Math.ceil(Math.log2(spread)) + 1, "noise")] : [];
}

function privacyRules({ privacy, cohort }: PlanSections): Contradiction[] {
  const found: Contradiction[] = [];
  if (privacy.mechanism === "none") return found;
  if (privacy.delta * cohort.maximum >= 1)
    found.push({
      path: ["privacy", "delta"],
      rule: `must be below 1 / cohort.maximum (${1 / cohort.maximum}): publishing one person at random would meet it`,
      fix: "choose delta well under one over the population, such as 1e-6",
    });
  return found;
}

function clipRules({ privacy }: PlanSections): Contradiction[] {
  const { clip, adaptive } = privacy.blocks.model;
  if (adaptive === undefined || (adaptive.minimum <= clip && clip <= adaptive.maximum)) return [];
  return [
    {
      path: ["privacy", "blocks", "model", "clip"],
      rule: `must lie within the bounds of adaptive, ${adaptive.minimum} to ${adaptive.maximum}, found ${clip}`,
      fix: "start within the bounds, or widen them",
    },
  ];
}

function scheduleRules({ rounds, participation, server }: PlanSections): Contradiction[] {
  const found: Contradiction[] = [];
  const attainable = attainableParticipations(rounds, participation.minimumSeparation);
  if (participation.maximum > attainable)
    found.push({
      path: ["participation", "maximum"],
      rule: `must not exceed ${attainable}, all that ${rounds} rounds and a separation of ${participation.minimumSeparation} allow: noise would be added for nothing`,
      fix: `lower it to ${attainable}, or leave it out`,
    });
  if (server.warmupRounds >= rounds)
    found.push({
      path: ["server", "warmupRounds"],
      rule: `must be below rounds (${rounds}): the learning rate would never be reached`,
      fix: "shorten the warm-up or raise rounds",
    });
  return found;
}

function clusteringRules({ clustering, cohort }: PlanSections): Contradiction[] {
  const { clusters, choice, minimumClusters, microClusters, layers, minimumSize } = clustering;
  const found: Contradiction[] = [];
  if (choice !== "fixed" && minimumClusters > clusters)
    found.push({
      path: ["clustering", "minimumClusters"],
      rule: `must not exceed clustering.clusters (${clusters}), the largest k`,
      fix: "lower it, or raise clusters",
    });
  if (microClusters !== 0 && microClusters < clusters)
    found.push({
      path: ["clustering", "microClusters"],
      rule: `must be 0 or at least clustering.clusters (${clusters}): clusters are made of micro-clusters`,
      fix: "leave it out, or lower the number of clusters",
    });
  let coarser = 0;
  for (const [i, { minimum, maximum }] of layers.entries()) {
    if (minimum > maximum || minimum < coarser)
      found.push({
        path: ["clustering", "layers", i],
        rule:
          minimum > maximum
            ? `must have a minimum of at most its maximum (${maximum})`
            : `must have a minimum of at least ${coarser}, the maximum of the layer before`,
        fix: "list the layers from basic to fine, each with a range of its own",
      });
    coarser = maximum;
  }
  if (2 * minimumSize > cohort.minSurvivors)
    found.push({
      path: ["clustering", "minimumSize"],
      rule: `must not exceed half of cohort.minSurvivors (${cohort.minSurvivors}): no two clusters could be published`,
      fix: "leave it out, or raise the cohort",
    });
  return found;
}

/** Every contradiction between the sections of a plan; none when they fit together. */
export function planContradictions(plan: PlanSections): Contradiction[] {
  return [
    ...encoderRules(plan),
    ...cohortRules(plan),
    ...thresholdRules(plan),
    ...modulusRules(plan),
    ...privacyRules(plan),
    ...clipRules(plan),
    ...scheduleRules(plan),
    ...clusteringRules(plan),
    ...signalContradictions(plan),
  ];
}

/** Components of surplus noise: where the design has them, by rising survivors within the cohort's bounds. */
function surplusContradictions({
  privacy,
  cohort,
  resolved,
}: PlanSections & { resolved: ResolvedPlan }): Contradiction[] {
  const { surplus } = resolved.mechanism;
  if (surplus === undefined) return [];
  const found: Contradiction[] = [];
  const complain = (rule: string): void => {
    const path = ["resolved", "mechanism", "surplus"];
    found.push({ path, rule, fix: "resolve the plan again with the coordinator" });
  };
  const { noise, mechanism } = privacy;
  if (noise?.design !== "add-then-remove" || mechanism === "none")
    complain('must be absent unless privacy.noise.design is "add-then-remove"');
  else if (surplus.length > noise.levels) complain(`must hold at most ${noise.levels} components`);
  const corrupted = wholeShare(cohort.corruption, cohort.maximum);
  let before = cohort.minSurvivors;
  for (const { survivors, honest } of surplus) {
    if (survivors <= before || survivors > cohort.maximum)
      complain(`must name rising counts of survivors from ${cohort.minSurvivors + 1} to ${cohort.maximum}`);
    if (honest !== survivors - corrupted)
      complain(`must count on ${survivors - corrupted} honest of ${survivors} survivors, found ${honest}`);
    before = survivors;
  }
  return found.slice(0, 1);
}

const sumOfSquares = (blocks: readonly { readonly weight: number }[]): number =>
  blocks.reduce((sum, { weight }) => sum + weight ** 2, 0);

/** Entries of the longest joint vector of any round. */
function longestVector({ blocks, signals = {} }: ResolvedPlan): number {
  const rounds = [blocks, ...SIGNALS.map((name) => signals[name] ?? [])];
  return Math.max(...rounds.map((of) => of.reduce((sum, { length }) => sum + length, 0)));
}

/** The blocks of the rounds that collect a signal: there for each signal of the plan, in order, of norm 1. */
function resolvedSignalContradictions({
  privacy,
  signals,
  resolved,
}: PlanSections & { resolved: ResolvedPlan }): Contradiction[] {
  const found: Contradiction[] = [];
  const fix = "resolve the plan again with the coordinator";
  if ((signals === undefined) !== (resolved.signals === undefined))
    return [{ path: ["resolved", "signals"], rule: "must be there exactly if the plan has signals", fix }];
  for (const name of SIGNALS) {
    const blocks = resolved.signals?.[name];
    const path = ["resolved", "signals", name];
    if ((signals?.[name] === undefined) !== (blocks === undefined))
      found.push({ path, rule: "must be there exactly if the plan has the signal", fix });
    if (blocks === undefined) continue;
    const order = [name, "evaluation", ...(privacy.blocks.model.adaptive === undefined ? [] : ["clipping"])];
    if (blocks.map((block) => block.name).join() !== order.join())
      found.push({ path, rule: `must be ${order.join(", ")}, in this order`, fix });
    const squares = sumOfSquares(blocks);
    if (Math.abs(squares - 1) > 1e-9)
      found.push({ path, rule: `must have weights whose squares sum to 1, found ${squares}`, fix });
  }
  return found;
}

/** Every contradiction between a plan and what it was resolved to. */
export function resolvedContradictions(plan: PlanSections & { resolved: ResolvedPlan }): Contradiction[] {
  const { blocks, mechanism, itemCount } = plan.resolved;
  const found: Contradiction[] = [];
  const complain = (path: string[], rule: string): void => {
    found.push({ path: ["resolved", ...path], rule, fix: "resolve the plan again with the coordinator" });
  };
  const order = BLOCK_ORDER.slice(0, plan.privacy.blocks.model.adaptive === undefined ? 4 : 5);
  if (blocks.length !== order.length || blocks.some((block, i) => block.name !== order[i]))
    complain(["blocks"], `must be ${order.join(", ")}, in this order`);
  const squares = sumOfSquares(blocks);
  if (Math.abs(squares - 1) > 1e-9)
    complain(["blocks"], `must have weights whose squares sum to 1, found ${squares}`);
  found.push(...resolvedSignalContradictions(plan));
  const { modulusBits } = plan.privacy;
  if (modulusBits !== "auto" && mechanism.modulusBits !== modulusBits)
    complain(["mechanism", "modulusBits"], `must equal privacy.modulusBits (${modulusBits})`);
  if (modulusBits === "auto" && mechanism.rotation === undefined)
    complain(["mechanism", "rotation"], 'must be "overlapped-hadamard" with privacy.modulusBits "auto"');
  const length = longestVector(plan.resolved);
  const due = mechanism.rotation === undefined ? 2 ** Math.ceil(Math.log2(length)) : length;
  if (mechanism.paddedLength !== due)
    complain(
      ["mechanism", "paddedLength"],
      mechanism.rotation === undefined
        ? `must be ${due}, the least power of two that holds ${length} entries`
        : `must be ${due}, the length of the longest vector of a round`,
    );
  if (packedLength(mechanism.paddedLength, mechanism.modulusBits) > MAX_VECTOR_BYTES)
    complain(["mechanism", "paddedLength"], `must pack into ${MAX_VECTOR_BYTES} bytes`);
  found.push(...surplusContradictions(plan));
  const noisy = mechanism.localDeviation > 0 && mechanism.noiseMultiplier > 0;
  if (noisy === (plan.privacy.mechanism === "none"))
    complain(
      ["mechanism", "localDeviation"],
      noisy ? 'must be 0 with privacy.mechanism "none"' : "must be above 0, with a noise multiplier above 0",
    );
  if (plan.clustering.clusters > itemCount)
    found.push({
      path: ["clustering", "clusters"],
      rule: `must not exceed the catalogue's ${itemCount} items, from which the clusters are seeded`,
      fix: "lower the number of clusters",
    });
  if (itemCount > plan.training.fullSoftmaxLimit && plan.training.negatives >= itemCount)
    found.push({
      path: ["training", "negatives"],
      rule: `must be below the catalogue's ${itemCount} items`,
      fix: "lower negatives, or raise fullSoftmaxLimit to use every item",
    });
  return found;
}
