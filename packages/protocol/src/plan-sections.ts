/**
 * The sections of a plan as an operator writes them, with their defaults, and what resolving adds. What ties sections together is in plan-rules.ts.
 */
import { z } from "zod";
import { downloadSchema } from "./packed-weights.ts";
import { evaluationSchema } from "./plan-evaluation.ts";
import { personalSchema } from "./plan-personal.ts";
import { resolvedSignalsSchema, signalsSchema } from "./plan-signals.ts";

const positive = z.number().positive().finite();
const count = z.number().int().min(1);
/** Norms whose quotients floating point holds at full precision, also where an update has diverged. */
const clipNorm = z.number().gt(1e-9).max(1e9);
const digest = z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits");
const milliseconds = z.number().int().min(100).max(86_400_000);
const modulusBits = z.number().int().min(8).max(32);

export const taskIdSchema = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,62}$/,
    "must be 1 to 63 lower-case letters, digits or hyphens and not start with a hyphen",
  );

/** What an encoder can read of an interaction besides its item, in the order of its tables. */
export const ENCODER_INPUTS = ["action", "gap", "rating"] as const;
export type EncoderInput = (typeof ENCODER_INPUTS)[number];

/** Shape of the interest encoder over a person's last interactions. */
export const encoderShapeSchema = z.strictObject({
  /** `transformer`: pre-norm causal attention. `gru`: gated recurrent units; `heads` and `feedForward` do not matter. */
  architecture: z.enum(["transformer", "gru"]).default("transformer"),
  /** Embeddings added to the item's vector: action, time since the interaction before, rating. Left out: all of them. */
  inputs: z.array(z.enum(ENCODER_INPUTS)).max(ENCODER_INPUTS.length).optional(),
  layers: count.max(8).default(2),
  /** d, width of item and user vectors. */
  dimension: count.max(512).default(64),
  heads: count.max(16).default(2),
  /** Width of the feed-forward hidden layer. */
  feedForward: count.max(2048).default(128),
  /** L, number of last interactions that the encoder sees. */
  sequenceLength: z.number().int().min(2).max(200).default(50),
  dropout: z.number().min(0).max(0.9).default(0.3),
  /** Rank of the learned delta on the item vectors; 0 = frozen text projection. */
  itemDeltaRank: z.number().int().min(0).max(64).default(8),
  /** Number of hash buckets of the n-gram text features. */
  textBuckets: z
    .number()
    .int()
    .min(256)
    .max(1 << 20)
    .default(32_768),
  /** Seed of the public random projection and of the initial weights. */
  seed: z.number().int().min(0).max(0xffffffff).default(1),
});

export const trainingSchema = z.strictObject({
  /** What is trained and shared: all parameters, low-rank adapters with the item delta, or the head only. */
  trainable: z.enum(["full", "adapters", "head"]).default("full"),
  adapterRank: count.max(64).default(4),
  /** Passes over a person's own sequence per round. */
  epochs: count.max(50).default(1),
  /** Sequences per local step. */
  batchSize: count.max(256).default(8),
  /** Local SGD learning rate. */
  learningRate: positive.max(10).default(0.1),
  /** Upper bound of local steps per round. */
  maxSteps: count.max(1000).default(1),
  /** μ of FedProx (Li et al. 2020), which pulls local weights back to the global ones; felt from the second local step on. Left out: 0. */
  proximal: z.number().min(0).max(100).optional(),
  /** A rating head, trained beside the next item. Left out, there is none. */
  ratings: z
    .strictObject({
      /** Of a person's squared errors, in shares of the best rating and per 50 ratings, beside the cross-entropy in nats. */
      weight: positive.max(1000).default(5),
    })
    .optional(),
  /** A next-interest head over groups of items by their public features, trained beside the next item. Left out, there is none. */
  interests: z
    .strictObject({
      /** Of the cross-entropy of the next item's group beside that of the next item, both in nats. */
      weight: positive.max(1000).default(1),
      /** Groups of items, at the most as many as the items have directions. */
      groups: z.number().int().min(2).max(1024).default(64),
    })
    .optional(),
  /** Shared negatives per step once the catalogue exceeds `fullSoftmaxLimit` items. */
  negatives: count.max(8192).default(256),
  fullSoftmaxLimit: count.max(100_000).default(10_000),
});

export const serverOptimiserSchema = z.strictObject({
  optimiser: z.enum(["fedavg", "fedavgm", "fedadam"]).default("fedadam"),
  learningRate: positive.max(100).default(0.01),
  /** FedAvgM momentum. */
  momentum: z.number().min(0).max(0.999).default(0.9),
  beta1: z.number().min(0).max(0.999).default(0.9),
  beta2: z.number().min(0).max(0.9999).default(0.99),
  /** FedAdam τ, the degree of adaptivity (Reddi et al. 2021). */
  adaptivity: positive.default(1e-6),
  /** Rounds of linear warm-up of the server learning rate. */
  warmupRounds: z.number().int().min(0).default(0),
  /** Learning rate after the warm-up: constant, or half a cosine that would reach zero one round after the last. */
  schedule: z.enum(["constant", "cosine"]).default("constant"),
  /** Positive-part James–Stein shrinkage of each tensor of the noisy mean update (post-processing, free of privacy cost). */
  shrinkage: z.enum(["none", "james-stein"]).default("james-stein"),
});

/** U3 where the operator does not say. */
export const DEFAULT_SURVIVORS = 40;

export const cohortSchema = z.strictObject({
  /** Fewer ready clients than this: the round fails. */
  minimum: count.max(100_000).default(48),
  /** The cohort the operator would like. */
  target: count.max(100_000).default(64),
  /** More ready clients than this are sent home. */
  maximum: count.max(100_000).default(96),
  /** `first-come`: the first target × overSelection check-ins are selected. `poisson`: each check-in by a coin of bias samplingRate. */
  sampling: z.enum(["first-come", "poisson"]).default("first-come"),
  overSelection: z.number().min(1).max(5).default(1.25),
  samplingRate: z.number().gt(0).max(1).default(1),
  /** Milliseconds that selecting lasts at least, so that a cohort is drawn from many and not from the quickest. */
  selectionWindow: milliseconds.default(1_000),
  /** U3 smaller than this is never unmasked. */
  minSurvivors: count.max(100_000).default(DEFAULT_SURVIVORS),
  /** γ, assumed share of the cohort that colludes with the coordinator and adds no noise. */
  corruption: z.number().min(0).max(0.49).default(0.05),
  /** δ, assumed share of the cohort that drops out during the cryptographic phases. */
  dropout: z.number().min(0).max(0.9).default(0.2),
});

export const deadlinesSchema = z.strictObject({
  /** Milliseconds each phase may last at the most. */
  selecting: milliseconds.default(60_000),
  training: milliseconds.default(600_000),
  enrolling: milliseconds.default(60_000),
  sharing: milliseconds.default(60_000),
  masking: milliseconds.default(120_000),
  consistency: milliseconds.default(60_000),
  unmasking: milliseconds.default(60_000),
});

/** The clip norm of the model block follows a quantile of the people's update norms (Andrew et al. 2021). */
const adaptiveClipSchema = z.strictObject({
  /** γ, the share of people whose update is to stay within the clip norm. */
  quantile: z.number().min(0.01).max(0.99).default(0.5),
  /** η_C of the geometric update C ← C·exp(−η_C(b − γ)). */
  learningRate: positive.max(2).default(0.2),
  /** The clip norm never leaves [minimum, maximum]. */
  minimum: clipNorm.default(0.001),
  maximum: clipNorm.default(1_000),
  /** Share of the joint norm that the entry takes which says whether an update was within the clip norm. */
  weight: positive.default(0.1),
});

const block = (weight: number) => z.strictObject({ weight: positive.default(weight) }).prefault({});

export const privacySchema = z.strictObject({
  /** `none` turns the noise off: no (ε, δ) guarantee, secure aggregation only. */
  mechanism: z.enum(["distributed-discrete-gaussian", "none"]).default("distributed-discrete-gaussian"),
  /** ε against the coordinator over all rounds in which one person takes part. */
  epsilon: positive.max(100).default(8),
  delta: z.number().gt(0).max(0.01).default(1e-6),
  /**
   * b, entries of the masked vector are integers modulo 2^b. `auto`, the default: resolving takes the fewest bits that cost
   * next to nothing, in wrapped entries and in rounding (`isFrugal` of @kindred/privacy).
   */
  modulusBits: z
    .custom<number | "auto">((value) => value === "auto" || modulusBits.safeParse(value).success, {
      message: 'must be "auto" or an integer from 8 to 32',
      params: { fix: 'use "auto", or a number of bits from 8 to 32' },
    })
    .default("auto"),
  /**
   * `worst-case`, the default: every client's noise is sized for the fewest survivors, and stays. `add-then-remove`: it is
   * added in components, and what is too much once the survivors are known is removed.
   */
  noise: z
    .discriminatedUnion("design", [
      z.strictObject({ design: z.literal("worst-case") }),
      z.strictObject({
        design: z.literal("add-then-remove"),
        /** L, components that can be removed. More leave less surplus; each is one more vector of noise to draw. */
        levels: count.max(16).default(4),
      }),
    ])
    .optional(),
  /** Weights share the joint L2 budget between blocks: a_i ∝ weight, Σ a_i² = 1. */
  blocks: z
    .strictObject({
      model: z
        .strictObject({
          weight: positive.default(1),
          /** C, L2 bound of an update; with `adaptive` that of the first round. */
          clip: clipNorm.default(1),
          /** Left out, the clip norm stays as it is. */
          adaptive: adaptiveClipSchema.optional(),
        })
        .prefault({}),
      counts: block(0.25),
      sums: block(0.35),
      evaluation: block(0.25),
    })
    .prefault({}),
});

/** Minimum size of a cluster where the operator does not say, unless the cohort is small. */
export const LARGEST_DEFAULT_SIZE = 100;

/** Interest clusters: micro-clusters first, then fine clusters and the layers above them. */
export const clusteringSchema = z.strictObject({
  /** k, fine clusters; with a `choice` the largest k. What stands out of the noise may be fewer. */
  clusters: z.number().int().min(2).max(1024).default(16),
  /**
   * What people are counted by once clusters are there: `k-means`, where a vector is in the nearest cluster, or `mixture`,
   * of spherical Gaussians, where it is in each by its responsibility. k-means if left out.
   */
  method: z.enum(["k-means", "mixture"]).optional(),
  /** `fixed`: k as given. Otherwise the coordinator chooses k from what was released, which costs no privacy. */
  choice: z.enum(["fixed", "silhouette", "gap"]).default("fixed"),
  /** Smallest k of a `choice`. */
  minimumClusters: z.number().int().min(2).max(1024).default(2),
  /** Micro-clusters at the most; resolving takes as many as a cohort carries above the noise. 0 = none. */
  microClusters: z.number().int().min(0).max(1024).default(256),
  /** Releases that refine the fine clusters after each one over micro-clusters. */
  refinements: z.number().int().min(0).max(100_000).default(4),
  /** Layers above the fine clusters, basic first: the largest gap of the tree within the range sets the cut. */
  layers: z
    .array(
      z.strictObject({
        minimum: z.number().int().min(2).max(1024),
        maximum: z.number().int().min(2).max(1024),
      }),
    )
    .max(3)
    .default([{ minimum: 3, maximum: 8 }]),
  /** Deviations of its noise by which a count must stand out. */
  significance: z.number().min(0).max(10).default(3),
  /** Fewest people of a cohort in a published cluster: the noisy count less `significance` deviations. */
  minimumSize: z.number().int().min(1).max(100_000).default(LARGEST_DEFAULT_SIZE),
  /** Interests of one person that are counted; their weights sum to one. */
  interests: z.number().int().min(1).max(8).default(1),
  /** Tags of sensitive categories. No cluster is named by one, and none may describe a cluster alone. */
  sensitive: z.array(z.string().min(1).max(128)).max(1000).default([]),
  /** l: a sensitive tag is borne by at most one l-th of the items that describe a cluster. */
  diversity: z.number().int().min(2).max(30).default(2),
});

/** P where the operator does not say, unless the plan's rounds allow fewer. */
export const DEFAULT_PARTICIPATIONS = 5;

/** Every field of a plan as an operator writes it, each valid by itself. */
export const planSections = z.strictObject({
  schema: z.literal("kindred.plan/1").default("kindred.plan/1"),
  task: taskIdSchema,
  title: z.string().max(200).default(""),
  rounds: count.max(100_000).default(5),
  encoder: encoderShapeSchema.prefault({}),
  training: trainingSchema.prefault({}),
  /** Left out, rounds report loss and silhouette only. */
  evaluation: evaluationSchema.optional(),
  /** Parameters that each device trains and keeps for itself; left out, it has none. */
  personal: personalSchema.optional(),
  /** Left out, devices download weights as float32. */
  model: z.strictObject({ download: downloadSchema }).optional(),
  server: serverOptimiserSchema.prefault({}),
  cohort: cohortSchema.prefault({}),
  deadlines: deadlinesSchema.prefault({}),
  participation: z
    .strictObject({
      /** P, rounds of this task in which one device takes part at the most; enforced by the device. */
      maximum: count.max(100_000).default(DEFAULT_PARTICIPATIONS),
      /** Rounds that lie between two participations of a device, 1 = every round is allowed. */
      minimumSeparation: count.max(100_000).default(1),
      /** c, devices of one account that may take part, each up to `maximum` times; left out, 1. The noise covers them all. */
      devices: count.max(1000).optional(),
    })
    .prefault({}),
  secureAggregation: z
    .strictObject({
      /** `auto`: complete up to 256 ready clients, k-regular above. */
      graph: z.enum(["auto", "complete", "regular"]).default("auto"),
    })
    .prefault({}),
  privacy: privacySchema.prefault({}),
  clustering: clusteringSchema.prefault({}),
  /** Left out, no round collects a collaborative signal. */
  signals: signalsSchema.optional(),
});

/** One block of the joint vector, in order. */
export const vectorBlockSchema = z.strictObject({
  name: z.enum(["model", "counts", "sums", "evaluation", "clipping"]),
  length: count,
  /** C_i, L2 bound of the block's values. */
  clip: positive,
  /** a_i, with Σ a_i² = 1. */
  weight: positive.max(1),
});

/** Noise that is removed once at least `survivors` members survive. */
const surplusComponentSchema = z.strictObject({ survivors: count, honest: count, deviation: count });

/** The calibrated mechanism; see `Mechanism` of @kindred/privacy for the meaning of each number. */
export const mechanismSchema = z.strictObject({
  /** `overlapped-hadamard`: without padding. Left out, in plans from before there was another: padded to a power of two. */
  rotation: z.enum(["overlapped-hadamard"]).optional(),
  paddedLength: count,
  modulusBits,
  scale: positive,
  localDeviation: z.number().int().min(0),
  honest: count,
  /** With noise design add-then-remove only: components by rising survivors. */
  surplus: z.array(surplusComponentSchema).min(1).max(16).optional(),
  sensitivity: z.strictObject({ l2: positive, l1: positive }),
  beta: z.number().min(0).lt(1),
  noiseMultiplier: z.number().min(0),
});

/** What the coordinator adds to a plan when it accepts it. */
export const resolvedPlanSchema = z.strictObject({
  /** Ed25519 key of the coordinator that signs plan and ledger, hexadecimal. */
  coordinatorKey: digest,
  catalogueHash: digest,
  itemCount: count,
  /** Content hash of the manifest of the items' features; without, each device computes hashed n-grams. */
  featuresHash: digest.optional(),
  /** SHA-256 of the initial model's weights as little-endian float32, where they were pre-trained. */
  weightsHash: digest.optional(),
  /** `clipping` with an adaptive clip norm only. */
  blocks: z.array(vectorBlockSchema).min(4).max(5),
  /** Blocks of the rounds that collect a signal, there exactly if the plan has the section `signals`. */
  signals: resolvedSignalsSchema.optional(),
  mechanism: mechanismSchema,
});

export type EncoderShape = z.infer<typeof encoderShapeSchema>;
export type TrainingOptions = z.infer<typeof trainingSchema>;
export type ClusteringOptions = z.infer<typeof clusteringSchema>;
export type ServerOptimiserOptions = z.infer<typeof serverOptimiserSchema>;
export type PlanSections = z.infer<typeof planSections>;
export type ResolvedPlan = z.infer<typeof resolvedPlanSchema>;
export type AdaptiveClip = z.infer<typeof adaptiveClipSchema>;
export type VectorBlock = z.infer<typeof vectorBlockSchema>;
export type SurplusParameters = z.infer<typeof surplusComponentSchema>;
export type MechanismParameters = z.infer<typeof mechanismSchema>;
