/** Training of a person's own parameters on their device; the encoder's weights stay as they are. */
import type { PersonalOptions } from "@kindred/protocol";
import { Adam } from "./adam.ts";
import { neutralPersonal, type PersonalParameters, personalGradient, personalise } from "./personal.ts";

/** What the encoder makes of one person's record, and what followed. */
export interface PersonalRecord {
  /** User vectors before each transition, rows × d, oldest first. */
  readonly vectors: Float32Array;
  /** The item that followed, per row. */
  readonly targets: Int32Array;
}

/** Mean next-item loss of rows, nats, and its gradient by their user vectors. */
export type VectorLoss = (
  vectors: Float32Array,
  targets: Int32Array,
) => { readonly loss: number; readonly dVectors: Float32Array };

export interface PersonalFit {
  /** `undefined` where none were better than none at all. */
  readonly parameters: PersonalParameters | undefined;
  /** Steps taken; 0 without parameters. */
  readonly steps: number;
  /** Mean loss over the person's latest transitions, which were held back, nats: without personal parameters … */
  readonly before: number;
  /** … and with those fitted to the earlier ones. */
  readonly after: number;
}

/** Fewest transitions to fit to and to judge by. */
const FEWEST = 8;
/** Share of the transitions, the latest, by which a fit is judged. */
const HELD_BACK = 0.2;

/**
 * Adam steps on the whole record, with decay towards 0. How many do good is found on the latest fifth of the
 * transitions, fitting to the rest; then that many are taken on all of them. A person for whom no step helps, or with fewer
 * than eight transitions, gets none.
 */
export function fitPersonal(
  record: PersonalRecord,
  { dimension, options, lossOf }: { dimension: number; options: PersonalOptions; lossOf: VectorLoss },
): PersonalFit {
  const { vectors, targets } = record;
  if (targets.length < FEWEST)
    return { parameters: undefined, steps: 0, before: Number.NaN, after: Number.NaN };
  const split = targets.length - Math.max(1, Math.floor(targets.length * HELD_BACK));
  const earlier = { vectors: vectors.subarray(0, split * dimension), targets: targets.subarray(0, split) };
  const latest = { vectors: vectors.subarray(split * dimension), targets: targets.subarray(split) };
  const before = lossOf(latest.vectors, latest.targets).loss;
  let best = { steps: 0, loss: before };
  descend(earlier, { dimension, options, lossOf, steps: options.steps }, (parameters, steps) => {
    const { loss } = lossOf(personalise(latest.vectors, parameters), latest.targets);
    if (loss < best.loss) best = { steps, loss };
  });
  const { steps, loss: after } = best;
  const none = { parameters: undefined, steps: 0, before, after: before };
  if (steps === 0) return none;
  const parameters = descend(record, { dimension, options, lossOf, steps });
  // What went well on the earlier transitions may diverge on all of them, with a model or options that ask for it.
  return parameters.values.every(Number.isFinite) ? { parameters, steps, before, after } : none;
}

function descend(
  { vectors, targets }: PersonalRecord,
  run: { dimension: number; options: PersonalOptions; lossOf: VectorLoss; steps: number },
  seen?: (parameters: PersonalParameters, steps: number) => void,
): PersonalParameters {
  const { dimension, options, lossOf } = run;
  const parameters = neutralPersonal(dimension, options);
  const { values } = parameters;
  const adam = new Adam(values.length, options.learningRate);
  for (let step = 1; step <= run.steps; step++) {
    const { dVectors } = lossOf(personalise(vectors, parameters), targets);
    adam.step(values, personalGradient(vectors, dVectors, parameters));
    for (let i = 0; i < values.length; i++) values[i]! *= 1 - options.learningRate * options.decay;
    seen?.(parameters, step);
  }
  return parameters;
}
