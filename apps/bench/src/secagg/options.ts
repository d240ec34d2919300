/** The flags of `pnpm bench secagg`, checked before anything starts. */
import { availableParallelism } from "node:os";
import { KindredError } from "@kindred/protocol";

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
    clients: integer("--clients", flags.clients, [10, 20_000]),
    length: integer("--length", flags.length, [1, 10_000_000]),
    dropout,
    graph,
    bits: integer("--bits", flags.bits, [8, 32]),
    surplus: integer("--surplus", flags.surplus, [0, 16]),
    workers:
      flags.workers === undefined ? availableParallelism() : integer("--workers", flags.workers, [1, 256]),
    processes: integer("--processes", flags.processes, [1, 64]),
    seed: integer("--seed", flags.seed, [0, 2 ** 31 - 1]),
    json,
  };
}

function integer(flag: string, text: string, [minimum, maximum]: readonly [number, number]): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < minimum || value > maximum)
    refuse(
      flag,
      `must be a whole number from ${minimum} to ${maximum}, found "${text}"`,
      `pass a number in that range`,
    );
  return value;
}

function refuse(field: string, rule: string, fix: string): never {
  throw new KindredError({ code: "option-invalid", field, rule, fix });
}
