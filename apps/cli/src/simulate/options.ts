/** The flags of `kindred simulate` (and of the demo), checked before anything starts. */
import { existsSync, statSync } from "node:fs";
import { KindredError } from "@kindred/protocol";

export interface SimulateOptions {
  /** Folder of a known data set; a synthetic population without it. */
  readonly data: string | undefined;
  /** Devices simulated; all people of the data set if there are fewer. */
  readonly clients: number | undefined;
  /** People a round aims at. */
  readonly cohort: number | undefined;
  readonly rounds: number | undefined;
  /** Probability that a selected client vanishes during a round. */
  readonly dropout: number;
  readonly epsilon: number;
  /** False with `--no-privacy`: secure aggregation only. */
  readonly privacy: boolean;
  /** With `--evaluation`: each device holds its last interaction out in rounds. */
  readonly evaluation: boolean;
  /** With `--signals`: the first rounds collect popularity and transitions. */
  readonly signals: boolean;
  readonly seed: number;
  /** People per round whose noise a second, in-process run is given; 0 leaves it out, as does `--no-privacy`. */
  readonly noiseCohort: number;
  readonly json: string | undefined;
  readonly out: string;
}

/** What commander hands over: every value still a text. */
export interface SimulateFlags {
  readonly data?: string;
  readonly clients?: string;
  readonly cohort?: string;
  readonly rounds?: string;
  readonly dropout: string;
  readonly epsilon: string;
  readonly privacy: boolean;
  readonly evaluation?: boolean;
  readonly signals?: boolean;
  readonly seed: string;
  readonly noiseCohort: string;
  readonly json?: string;
  readonly out: string;
}

/** Rounds that `--signals` gives to signals, popularity and then transitions. */
const SIGNAL_ROUNDS = 2;

function refuse(field: string, rule: string, fix: string): never {
  throw new KindredError({ code: "option-invalid", field, rule, fix });
}

function integer(
  flag: string,
  text: string,
  { minimum, maximum }: { minimum: number; maximum: number },
): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < minimum || value > maximum)
    refuse(
      flag,
      `must be a whole number from ${minimum} to ${maximum}, found "${text}"`,
      `pass ${flag} ${minimum} or more`,
    );
  return value;
}

function real(
  flag: string,
  text: string,
  { accepts, rule }: { accepts: (value: number) => boolean; rule: string },
): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || !accepts(value))
    refuse(flag, `${rule}, found "${text}"`, "correct the number");
  return value;
}

/**
 * Checks the flags.
 * @throws KindredError `option-invalid` naming the flag, the rule and the fix
 */
export function parseSimulateOptions(flags: SimulateFlags): SimulateOptions {
  const optional = (flag: string, text: string | undefined, range: { minimum: number; maximum: number }) =>
    text === undefined ? undefined : integer(flag, text, range);
  const clients = optional("--clients", flags.clients, { minimum: 12, maximum: 100_000 });
  const cohort = optional("--cohort", flags.cohort, { minimum: 8, maximum: 10_000 });
  if (clients !== undefined && cohort !== undefined && cohort > clients)
    refuse(
      "--cohort",
      `must not exceed --clients (${clients}), found ${cohort}`,
      "lower --cohort or raise --clients",
    );
  if (flags.data !== undefined && !(existsSync(flags.data) && statSync(flags.data).isDirectory()))
    refuse(
      "--data",
      `must be a folder, found "${flags.data}"`,
      "pass the folder of ml-latest-small, movietweetings-100k or completejourney",
    );
  const rounds = optional("--rounds", flags.rounds, { minimum: 1, maximum: 100_000 });
  if (flags.signals === true && rounds !== undefined && rounds <= SIGNAL_ROUNDS)
    refuse(
      "--rounds",
      `must be above ${SIGNAL_ROUNDS} with --signals, whose first ${SIGNAL_ROUNDS} do not train, found ${rounds}`,
      "raise --rounds or leave out --signals",
    );
  return {
    data: flags.data,
    clients,
    cohort,
    rounds,
    dropout: real("--dropout", flags.dropout, {
      accepts: (p) => p >= 0 && p <= 0.5,
      rule: "must lie between 0 and 0.5",
    }),
    epsilon: real("--epsilon", flags.epsilon, {
      accepts: (e) => e > 0 && e <= 100,
      rule: "must be above 0 and at most 100",
    }),
    privacy: flags.privacy,
    evaluation: flags.evaluation === true,
    signals: flags.signals === true,
    seed: integer("--seed", flags.seed, { minimum: 0, maximum: 0xffffffff }),
    noiseCohort: flags.privacy
      ? integer("--noise-cohort", flags.noiseCohort, { minimum: 0, maximum: 100_000_000 })
      : 0,
    json: flags.json,
    out: flags.out,
  };
}
