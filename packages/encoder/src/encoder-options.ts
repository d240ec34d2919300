/** What an encoder is made from, checked before anything is held on the backend. */
import { type EncoderShape, KindredError, type TrainingOptions } from "@kindred/protocol";
import type { Backend } from "./backend.ts";

export interface EncoderOptions {
  readonly backend: Backend;
  readonly shape: EncoderShape;
  readonly training: TrainingOptions;
  /** Public text vectors, row-major itemCount × shape.dimension; see `itemFeatures`. */
  readonly features: Float32Array;
  readonly itemCount: number;
}

/**
 * @throws KindredError `option-invalid` when the heads of a transformer do not divide its dimension, or `features` has a
 *   wrong length or a value that is not finite
 */
export function checkEncoderOptions({ features, itemCount, shape }: EncoderOptions): void {
  const fail = (field: string, rule: string, fix: string): never => {
    throw new KindredError({ code: "option-invalid", field, rule, fix });
  };
  if (shape.architecture === "transformer" && shape.dimension % shape.heads !== 0)
    fail("shape.heads", `must divide shape.dimension (${shape.dimension})`, "choose a divisor, such as 2");
  if (features.length !== itemCount * shape.dimension)
    fail(
      "features",
      `must have itemCount × dimension = ${itemCount * shape.dimension} entries, got ${features.length}`,
      "compute them with itemFeatures from the same catalogue and shape",
    );
  const broken = features.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) fail(`features[${broken}]`, "must be finite", "compute them anew with itemFeatures");
}
