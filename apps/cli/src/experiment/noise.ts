/** Whose noise a row bears, and what it promises. */
import { delta } from "@kindred/privacy";
import type { Population } from "./result.ts";

/** δ of every ε. */
export const DELTA = delta(1e-6);

/** The noise of a population larger than the data's, all of whom are promised ε. */
export interface Noise extends Population {
  readonly epsilon: number;
}
