/** How an app hands over an encoder that can only be made once a task is known. */
import { type Catalogue, type Plan, planDigest } from "@kindred/protocol";
import type { EncoderRuntime } from "./encoder-runtime.ts";

/** Makes the encoder once plan and catalogue are verified. */
export type EncoderFactory = (task: {
  readonly plan: Plan;
  readonly catalogue: Catalogue;
  /** Where the plan names some. */
  readonly features?: Float32Array;
}) => Promise<EncoderRuntime>;

/** Makes an encoder once for each plan, so that starting again holds no second one. */
export function onePerPlan(create: EncoderFactory): EncoderFactory {
  const made = new Map<string, Promise<EncoderRuntime>>();
  return (task) => {
    const digest = planDigest(task.plan);
    const known = made.get(digest);
    if (known !== undefined) return known;
    const making = create(task);
    made.set(digest, making);
    making.catch(() => made.delete(digest));
    return making;
  };
}
