/** What the devices of a simulated round say of the interactions that they hold out, as `evaluation` of a plan asks them. */
import { heldOutInteraction, judgeHeldOut } from "@kindred/client";
import { type Matrix, nearestItems } from "@kindred/clustering";
import type { InterestEncoder, Sequence } from "@kindred/encoder";
import {
  type ClusterModel,
  type HeldOutRecord,
  heldOutEntries,
  heldOutLength,
  heldOutRecord,
  lossBound,
} from "@kindred/engine";
import type { PlanInput } from "@kindred/protocol";

/** The model of a round, as it was sent. */
interface JudgedModel {
  readonly plan: PlanInput;
  /** Holds its weights; read when the judge is made, and asked for scores until its round is trained. */
  readonly encoder: InterestEncoder;
  readonly clusters: ClusterModel;
  /** Items × d, rows of norm 1. */
  readonly units: Matrix;
}

/** Judges the model of one round by what its people held out. */
export class HeldOutJudge {
  readonly #judged: JudgedModel;
  readonly #weights: Float32Array;
  readonly #clusterOf: Int32Array;
  readonly #bound: number;

  constructor(judged: JudgedModel) {
    const { encoder, clusters, units } = judged;
    this.#judged = judged;
    this.#weights = encoder.getWeights();
    const centroids = { rows: clusters.clusters, columns: units.columns, data: clusters.centroids };
    this.#clusterOf = Int32Array.from(nearestItems(centroids, units, 1), ([nearest]) => nearest!);
    this.#bound = lossBound(encoder.itemCount);
  }

  /** Numbers in `entries`. */
  get length(): number {
    return heldOutLength(this.#judged.plan);
  }

  /** One device's entries of the evaluation block; zeros where it has nothing to hold out. */
  entries(sequence: Sequence): readonly number[] {
    const { plan, encoder, clusters, units } = this.#judged;
    const held = heldOutInteraction(sequence);
    const lossBound = this.#bound;
    if (held === undefined) return heldOutEntries(plan, { result: undefined, lossBound });
    const vector = encoder.userVectors([held.known]);
    const scores = encoder.scores(vector);
    const result = judgeHeldOut(held, {
      plan,
      model: { weights: this.#weights, clusters: clusters.clusters },
      scores,
      interestScores: plan.training.interests === undefined ? scores : encoder.interestScores(vector),
      space: { units, clusterOf: this.#clusterOf },
    });
    return heldOutEntries(plan, { result, lossBound });
  }

  /** What the record of the round would say. */
  record(mean: Float64Array, deviation: number): HeldOutRecord | undefined {
    return heldOutRecord(mean, { plan: this.#judged.plan, deviation, lossBound: this.#bound });
  }
}
