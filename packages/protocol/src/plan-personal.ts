/** What a plan says about parameters that stay on each device. */
import { z } from "zod";

/** A person's own parameters on top of the shared encoder; trained on their device, never shared. */
export const personalSchema = z.strictObject({
  /** Gain and bias on the person's vector. */
  affine: z.boolean().default(true),
  /** Rank of a low-rank adapter on the person's vector; 0 = none. */
  adapterRank: z.number().int().min(0).max(64).default(0),
  /** Adam steps at the most; how many do good is found on each device. */
  steps: z.number().int().min(1).max(500).default(30),
  learningRate: z.number().positive().finite().max(1).default(0.01),
  /** Decay towards no personal parameters, per step and relative to the learning rate. */
  decay: z.number().min(0).max(100).default(1),
});

export type PersonalOptions = z.infer<typeof personalSchema>;
