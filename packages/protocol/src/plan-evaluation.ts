/** What a plan says about evaluation beyond loss and silhouette. */
import { z } from "zod";

export const evaluationSchema = z.strictObject({
  /** `last`: each device keeps its last interaction out of training, and says how well the model foresaw it. */
  holdOut: z.enum(["last"]).default("last"),
});
