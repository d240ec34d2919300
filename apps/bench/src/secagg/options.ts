/** The flags of `pnpm bench secagg`, checked before anything starts. */
import { availableParallelism } from "node:os";
import { refuse, wholeNumber } from "../flags.ts";

export interface SecaggOptions {
  readonly clients: number;
  readonly length: number;
  /** Share of the cohort that vanishes between R1 and R2; also δ of the plan, or 0.05 if that is more. */
  readonly dropout: number;
  readonly graph: "complete" | "regular";
  readonly bits: number;
  /** Components of surplus noise, all of which are removed. */
  readonly surplus: number;
  readonly workers: number;
  readonly processes: number;
  /** Rounds played before the measured one. */
  readonly warmUps: number;
  readonly seed: number;
  readonly json: string | undefined;
}

/** What commander hands over: every value still a text. */
export interface SecaggFlags {
  readonly clients: string;
  readonly length: string;
  readonly dropout: string;
  readonly graph: string;
  readonly bits: string;
  readonly surplus: string;
  readonly workers?: string;
  readonly processes: string;
  readonly warmUps: string;
  readonly seed: string;
  readonly json?: string;
}

/**
 * Checks the flags.
 * @throws KindredError `option-invalid` naming the flag, the rule and the fix
 */
export function parseSecaggOptions(flags: SecaggFlags): SecaggOptions {
  const { graph, json } = flags;
  if (graph !== "complete" && graph !== "regular")
    refuse("--graph", `must be complete or regular, found "${graph}"`, "pass one of the two");
  const dropout = Number(flags.dropout);
  if (flags.dropout.trim() === "" || !(dropout >= 0 && dropout <= 0.4))
    refuse("--dropout", `must be a share from 0 to 0.4, found "${flags.dropout}"`, "pass 0.1 for 10 %");
  return {
    clients: wholeNumber("--clients", flags.clients, [10, 20_000]),
    length: wholeNumber("--length", flags.length, [1, 10_000_000]),
    dropout,
    graph,
    bits: wholeNumber("--bits", flags.bits, [8, 32]),
    surplus: wholeNumber("--surplus", flags.surplus, [0, 16]),
    workers:
      flags.workers === undefined
        ? availableParallelism()
        : wholeNumber("--workers", flags.workers, [1, 256]),
    processes: wholeNumber("--processes", flags.processes, [1, 64]),
    warmUps: wholeNumber("--warm-ups", flags.warmUps, [0, 100]),
    seed: wholeNumber("--seed", flags.seed, [0, 2 ** 31 - 1]),
    json,
  };
}
