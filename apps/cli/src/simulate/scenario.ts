/** Who is simulated and under which plan: from the flags to a population, its split, and the operator's document. */

import {
  type Catalogue,
  KindredError,
  type PlanInput,
  parseCatalogue,
  parsePlanInput,
} from "@kindred/protocol";
import {
  kCore,
  type LeaveLastOut,
  leaveLastOut,
  loadPopulation,
  type Population,
  sampleUsers,
  syntheticPopulation,
} from "@kindred/simulator";
import type { SimulateOptions } from "./options.ts";

/** Interactions that every person and every item of a data set has at least (QUALITY, "Protocol"). */
const K_CORE = 5;

/** Defaults of the synthetic demo, sized so that it ends within two minutes on two cores. */
const SYNTHETIC = { clients: 160, cohort: 48, rounds: 8, items: 300, groups: 6, eventsPerUser: 20 };
/** Defaults with a data set. */
const REAL = { clients: 200, cohort: 64, rounds: 5 };

export interface Scenario {
  readonly population: Population;
  readonly split: LeaveLastOut;
  readonly catalogue: Catalogue;
  readonly plan: PlanInput;
  readonly clients: number;
  readonly cohort: number;
  /** How the same encoder is trained centrally; it stops after `patience` epochs without a better validation score. */
  readonly centralised: CentralisedSettings;
}

interface CentralisedSettings {
  readonly epochs: number;
  readonly patience: number;
  /** Windows per step. */
  readonly batchSize: number;
  /** Of Adam. */
  readonly learningRate: number;
}

const CENTRALISED: Readonly<Record<"synthetic" | "real", CentralisedSettings>> = {
  synthetic: { epochs: 60, patience: 6, batchSize: 16, learningRate: 0.003 },
  real: { epochs: 40, patience: 4, batchSize: 32, learningRate: 0.002 },
};

/**
 * Builds the scenario.
 * @throws KindredError `dataset-invalid` or `option-invalid`
 */
export function buildScenario(options: SimulateOptions): Scenario {
  const population = options.data === undefined ? synthetic(options) : fromData(options.data, options);
  const clients = population.users.length;
  const defaults = options.data === undefined ? SYNTHETIC : REAL;
  const cohort = options.cohort ?? Math.min(defaults.cohort, Math.floor(clients / 2));
  if (cohort > clients)
    throw new KindredError({
      code: "option-invalid",
      field: "--cohort",
      rule: `must not exceed the ${clients} people simulated, found ${cohort}`,
      fix: "lower --cohort or raise --clients",
    });
  const catalogue = parseCatalogue({
    schema: "kindred.catalogue/1",
    items: population.items.map(({ id, title, tags }) => ({ id, title, tags: [...tags] })),
  });
  return {
    population,
    split: leaveLastOut(population),
    catalogue,
    plan: planFor(options, cohort),
    clients,
    cohort,
    centralised: CENTRALISED[options.data === undefined ? "synthetic" : "real"],
  };
}

function synthetic(options: SimulateOptions): Population {
  return syntheticPopulation({
    users: options.clients ?? SYNTHETIC.clients,
    items: SYNTHETIC.items,
    groups: SYNTHETIC.groups,
    seed: options.seed,
    eventsPerUser: SYNTHETIC.eventsPerUser,
  });
}

function fromData(folder: string, options: SimulateOptions): Population {
  const all = kCore(loadPopulation(folder), K_CORE);
  const wanted = options.clients ?? Math.min(REAL.clients, all.users.length);
  if (wanted <= all.users.length) return sampleUsers(all, wanted, options.seed);
  return {
    ...all,
    notes: [
      ...all.notes,
      `--clients ${wanted} was lowered to the ${all.users.length} people of the data set.`,
    ],
  };
}

/** γ, the share of the cohort that is assumed to collude with the coordinator. */
const CORRUPTION = 0.05;

/** The largest δ for which a k-regular graph of any size has a threshold. */
const LARGEST_DROPOUT = 0.42;

/** Survivors a round needs, and the dropout it has to bear: twice what is simulated, and a tenth on top. */
function margins(cohort: number, dropout: number): { minSurvivors: number; dropout: number } {
  const borne = Math.min(0.6, 2 * dropout + 0.1);
  const minSurvivors = Math.max(4, Math.floor(cohort * (1 - borne)));
  // Whatever the cohort's size turns out to be, a majority has to stay, or shares cannot be put together again.
  let bearable = Math.min(borne, LARGEST_DROPOUT);
  for (let n = minSurvivors; n <= cohort; n++) {
    const majority = Math.ceil((n + Math.floor(CORRUPTION * n)) / 2) + 1;
    bearable = Math.min(bearable, 1 - majority / n - 1e-9);
  }
  return { minSurvivors, dropout: Math.max(0, bearable) };
}

function planFor(options: SimulateOptions, cohort: number): PlanInput {
  const isSynthetic = options.data === undefined;
  const rounds = options.rounds ?? (isSynthetic ? SYNTHETIC.rounds : REAL.rounds);
  const { minSurvivors, dropout } = margins(cohort, options.dropout);
  return parsePlanInput({
    task: isSynthetic ? "demo" : "demo-data",
    title: isSynthetic ? "Synthetic interest groups" : `Interests from ${options.data}`,
    rounds,
    ...(isSynthetic ? SYNTHETIC_LEARNING : { ...REAL_LEARNING, server: realServer(rounds) }),
    ...(options.evaluation && { evaluation: {} }),
    ...(options.signals && { signals: { popularity: {}, transitions: {} } }),
    cohort: {
      sampling: "first-come",
      overSelection: 1,
      selectionWindow: 300,
      minimum: minSurvivors,
      target: cohort,
      maximum: cohort,
      minSurvivors,
      corruption: CORRUPTION,
      dropout,
    },
    deadlines: { selecting: 300_000 },
    participation: { maximum: rounds, minimumSeparation: 1 },
    privacy: {
      mechanism: options.privacy ? "distributed-discrete-gaussian" : "none",
      epsilon: options.epsilon,
      delta: 1e-6,
      blocks: { model: { clip: options.privacy ? 0.3 : 1 } },
    },
  });
}

const SYNTHETIC_LEARNING = {
  encoder: {
    layers: 1,
    dimension: 32,
    heads: 2,
    feedForward: 64,
    sequenceLength: 40,
    dropout: 0.1,
    textBuckets: 4096,
  },
  training: { epochs: 1, maxSteps: 1, learningRate: 0.1 },
  server: { optimiser: "fedadam", learningRate: 0.01 },
  // Two fine clusters to a group of people; the basic layer is left to the largest gap.
  clustering: { clusters: 2 * SYNTHETIC.groups, layers: [{ minimum: 4, maximum: 8 }] },
};

const REAL_LEARNING = {
  training: { epochs: 1, maxSteps: 1, batchSize: 8, learningRate: 0.1 },
  clustering: { clusters: 16 },
};

/** Server optimiser for real data: a short warm-up and half a cosine, so that few rounds go as far as they can. */
function realServer(rounds: number): object {
  return {
    optimiser: "fedadam",
    learningRate: 0.02,
    warmupRounds: Math.min(5, Math.floor(rounds / 5)),
    schedule: "cosine",
  };
}
