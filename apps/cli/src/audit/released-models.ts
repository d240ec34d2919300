/**
 * Trains the models that membership inference is tried on: a small task on synthetic people, by the simulator's rounds,
 * with the noise of a plan of the same ε. Everybody is a device of every round; who is no member contributes zeros, which
 * is the difference that ε is about.
 */
import {
  attackReleasedModels,
  LEAST_SHADOWS,
  type PersonStatistics,
  type ReleasedAttackResult,
  type ShadowModel,
} from "@kindred/audit/attack";
import { publicRandom } from "@kindred/clustering";
import { InterestEncoder, itemFeatures, loadBackend, type Sequence } from "@kindred/encoder";
import { type PlanInput, parsePlanInput } from "@kindred/protocol";
import { simulateFederated, syntheticPopulation, userSequences } from "@kindred/simulator";

const ITEMS = 60;
const GROUPS = 3;
const ROUNDS = 2;

export interface ReleasedModelOptions {
  /** Its ε and δ are those of the demo task. */
  readonly privacy: PlanInput["privacy"];
  /** 1: the noise as promised; 0: none; 0.5: half the deviation. */
  readonly deviationShare: number;
  /** Models to train, at least 8; each is attacked with the help of all others. */
  readonly shadows: number;
  /** People of the demo task. */
  readonly people: number;
  /** Probability that any of the lower bounds is wrong. */
  readonly alpha: number;
  readonly seed: string;
  /** Whether time is up: the models trained until then are attacked. */
  readonly expired: () => boolean;
  /** Told after each model, 0 to 1. */
  readonly progress: (fraction: number) => Promise<void> | void;
}

/** What membership inference found on released models. */
export interface ReleasedModelReport {
  readonly seed: string;
  readonly deviationShare: number;
  readonly people: number;
  readonly rounds: number;
  /** Models that were trained. */
  readonly shadows: number;
  /** ε that the demo task promises each person over its rounds. */
  readonly promised: number;
  readonly delta: number;
  readonly attacks: readonly ReleasedAttackResult[];
  /** The largest of the lower bounds; all hold together. */
  readonly lowerBound: number;
  /** Whether it contradicts the promise. */
  readonly contradicted: boolean;
  /** Probability that any of the bounds is wrong. */
  readonly alpha: number;
  readonly timeUp: boolean;
}

function demoPlan(privacy: PlanInput["privacy"]): PlanInput {
  return parsePlanInput({
    task: "attack",
    rounds: ROUNDS,
    participation: { maximum: ROUNDS },
    encoder: {
      layers: 1,
      dimension: 8,
      heads: 1,
      feedForward: 16,
      sequenceLength: 8,
      dropout: 0,
      itemDeltaRank: 2,
      textBuckets: 512,
    },
    training: { learningRate: 0.1 },
    server: { optimiser: "fedavg", learningRate: 1, shrinkage: "none" },
    // Nothing is held back for being small or noisy, so that the noise alone is what the attack meets.
    clustering: { clusters: GROUPS, microClusters: 0, layers: [], minimumSize: 1, significance: 0 },
    privacy: {
      mechanism: "distributed-discrete-gaussian",
      epsilon: privacy.epsilon,
      delta: privacy.delta,
      blocks: { model: { clip: 0.3 } },
    },
  });
}

/**
 * Trains the models and attacks them.
 * @returns `null` where time was up before there were enough models to attack
 * @throws KindredError `plan-invalid` if so few people admit no mechanism of this ε
 */
export async function attackReleased(options: ReleasedModelOptions): Promise<ReleasedModelReport | null> {
  const { deviationShare, alpha, people, seed } = options;
  const plan = demoPlan(options.privacy);
  const random = publicRandom(numberOf(seed));
  const population = syntheticPopulation({
    users: people,
    items: ITEMS,
    groups: GROUPS,
    seed: numberOf(seed),
    eventsPerUser: 8,
  });
  const sequences = userSequences(population);
  const encoder = InterestEncoder.create({
    backend: await loadBackend(),
    shape: plan.encoder,
    training: plan.training,
    features: itemFeatures(
      population.items.map((item) => ({ ...item, tags: [...item.tags] })),
      plan.encoder,
    ),
    itemCount: ITEMS,
  });
  try {
    const attacker = await Attacker.prepare(encoder, { sequences, plan });
    const models: ShadowModel[] = [];
    while (models.length < options.shadows && !options.expired()) {
      const included = sequences.map(() => random() < 0.5);
      const members = sequences.filter((_, person) => included[person]);
      encoder.setWeights(attacker.initial);
      const { clusters } = await simulateFederated({
        plan,
        encoder,
        sequences: members,
        items: population.items,
        cohort: members.length,
        idle: people - members.length,
        noiseCohort: people,
        noiseShare: deviationShare,
        seed: Math.floor(random() * 2 ** 31),
      });
      models.push({ included, statistics: await attacker.look(clusters.centroids) });
      await options.progress(models.length / options.shadows);
    }
    if (models.length < LEAST_SHADOWS) return null;
    const { delta, epsilon } = plan.privacy;
    const attacks = attackReleasedModels(models, { delta, alpha });
    const lowerBound = Math.max(...attacks.map((attack) => attack.lowerBound));
    return {
      seed,
      deviationShare,
      people,
      rounds: ROUNDS,
      shadows: models.length,
      promised: epsilon,
      delta,
      attacks,
      lowerBound,
      contradicted: lowerBound > epsilon,
      alpha,
      timeUp: models.length < options.shadows,
    };
  } finally {
    encoder.dispose();
  }
}

/** What an attacker knows of each person before it sees a model: their sequence, and what the first model says of it. */
class Attacker {
  readonly initial: Float32Array;
  readonly #encoder: InterestEncoder;
  readonly #plan: PlanInput;
  readonly #sequences: readonly Sequence[];
  /** Each person's local update from the initial model. */
  readonly #updates: readonly Float32Array[];
  /** Each person's vector under the initial model, of norm 1. */
  readonly #vectors: readonly Float32Array[];

  private constructor(
    encoder: InterestEncoder,
    known: {
      readonly plan: PlanInput;
      readonly sequences: readonly Sequence[];
      readonly updates: readonly Float32Array[];
      readonly vectors: readonly Float32Array[];
    },
  ) {
    this.#encoder = encoder;
    this.initial = encoder.getWeights();
    this.#plan = known.plan;
    this.#sequences = known.sequences;
    this.#updates = known.updates;
    this.#vectors = known.vectors;
  }

  static async prepare(
    encoder: InterestEncoder,
    { sequences, plan }: { readonly sequences: readonly Sequence[]; readonly plan: PlanInput },
  ): Promise<Attacker> {
    const updates: Float32Array[] = [];
    const vectors: Float32Array[] = [];
    for (const sequence of sequences) {
      const trained = await encoder.train({
        sequences: [sequence],
        options: plan.training,
        random: publicRandom(1),
      });
      updates.push(trained.delta);
      vectors.push(unit(encoder.userVectors([sequence])));
    }
    return new Attacker(encoder, { plan, sequences, updates, vectors });
  }

  /** Looks at the model that the encoder holds, and its centroids. */
  async look(centroids: Float32Array): Promise<PersonStatistics[]> {
    const moved = this.#encoder.getWeights();
    const { tensors, length } = this.#encoder.trainable;
    const step = new Float32Array(length);
    for (const { offset, deltaOffset, length: count } of tensors)
      for (let i = 0; i < count; i++) step[deltaOffset + i] = moved[offset + i]! - this.initial[offset + i]!;
    const found: PersonStatistics[] = [];
    for (const [person, sequence] of this.#sequences.entries()) {
      // Its loss before an update is the model's on this person; the update itself is thrown away.
      const { loss } = await this.#encoder.train({
        sequences: [sequence],
        options: this.#plan.training,
        random: publicRandom(1),
      });
      found.push({
        loss,
        direction: dot(step, this.#updates[person]!),
        nearness: nearest(centroids, this.#vectors[person]!),
      });
    }
    return found;
  }
}

/** A seed of the command line as an integer below 2³¹. */
function numberOf(seed: string): number {
  let hash = 0;
  for (const character of seed) hash = (Math.imul(hash, 31) + character.codePointAt(0)!) >>> 1;
  return hash;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function unit(vector: Float32Array): Float32Array {
  const norm = Math.hypot(...vector) || 1;
  return vector.map((value) => value / norm);
}

/** The largest cosine of a vector with a centroid. */
function nearest(centroids: Float32Array, vector: Float32Array): number {
  let best = -1;
  for (let at = 0; at < centroids.length; at += vector.length)
    best = Math.max(best, dot(unit(centroids.subarray(at, at + vector.length)), vector));
  return best;
}
