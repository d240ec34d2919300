/** What came of the rounds: qualities, clusters, costs. */
import { blockDeviation, planEpsilon, type RoundRecord } from "@kindred/engine";
import type { Model, Plan } from "@kindred/protocol";
import { PHASES, type RoundResult, type SimulationResult } from "../report/simulation-result.ts";
import type { Progress } from "../terminal/progress.ts";
import type { ClientStatistics } from "./client-worker.ts";
import type { SimulateOptions } from "./options.ts";
import { QualityMeter } from "./quality.ts";
import { type Run, roundOutcome } from "./run-rounds.ts";
import type { Scenario } from "./scenario.ts";
import { verdict } from "./verdict.ts";

/** Model versions whose quality is measured for the learning curve, at the most. */
const CURVE_POINTS = 8;

interface MeasureInput {
  readonly scenario: Scenario;
  readonly options: SimulateOptions;
  readonly progress: Progress;
  readonly run: Run;
  readonly started: number;
}

/** Measures the models of a run and puts the result together. */
export async function measure({
  scenario,
  options,
  progress,
  run,
  started,
}: MeasureInput): Promise<SimulationResult> {
  const meter = await QualityMeter.create(scenario);
  try {
    const { models, signed } = run;
    const first = models[0]!;
    const last = models.at(-1)!;
    const learning = [];
    const chosen = curve(models);
    for (const [i, model] of chosen.entries()) {
      progress.task("Measuring the models", i / chosen.length);
      learning.push({ round: model.round, ...meter.model(model) });
    }
    progress.task("Measuring the models", 1);
    const bar = (label: string) => (fraction: number) => progress.task(label, Math.min(0.99, fraction));
    const centralised = await meter.centralised(bar("Training the same encoder centrally"));
    progress.task("Training the same encoder centrally", 1);
    const noiseCohort = options.noiseCohort === 0 ? undefined : await noisyRun(meter, { options, progress });
    const before = meter.clusters(first);
    const after = meter.clusters(last);
    const { plan } = signed;
    const result: SimulationResult = {
      data: scenario.population.name,
      clients: scenario.clients,
      items: scenario.catalogue.items.length,
      cohort: scenario.cohort,
      seed: options.seed,
      rounds: run.records.map((record) => roundResult(record, run)),
      metrics: {
        before: pick(learning[0]!),
        after: pick(learning.at(-1)!),
        popularity: meter.popularity(),
        centralised,
        ...(noiseCohort === undefined ? {} : { noiseCohort: noiseCohort.result }),
        silhouette: { before: before.quality.silhouette, after: after.quality.silhouette },
        ari: meter.groups === "known" ? after.quality.ari : null,
        clusters: { before: before.quality, after: after.quality, groups: meter.groups },
        users: meter.users,
      },
      epsilon: {
        coordinator: run.records.at(-1)?.epsilon.coordinator ?? null,
        observer: run.records.at(-1)?.epsilon.observer ?? null,
        delta: plan.privacy.delta,
        promised: options.privacy ? planEpsilon(plan, plan.participation.maximum) : null,
      },
      noise: options.privacy ? noiseOf(plan, run.clients) : null,
      learning: learning.map(({ round, ndcg10 }) => ({ round, ndcg10 })),
      clusters: after.map,
      layers: after.layers,
      person: {
        cohort: noiseCohort?.result.cohort ?? null,
        ...(await meter.person(signed, noiseCohort?.model ?? last)),
      },
      vector: {
        length: plan.resolved.blocks.reduce((sum, { length }) => sum + length, 0),
        padded: plan.resolved.mechanism.paddedLength,
        bits: plan.resolved.mechanism.modulusBits,
      },
      backend: run.backend,
      durationMs: Date.now() - started,
      notes: [
        ...scenario.population.notes,
        ...[...run.refusals].map(([reason, count]) => `${count} × a device left a round: ${reason}`),
      ],
      verdict: [],
    };
    return { ...result, verdict: verdict(result) };
  } finally {
    meter.dispose();
  }
}

async function noisyRun(
  meter: QualityMeter,
  { options, progress }: Pick<MeasureInput, "options" | "progress">,
) {
  const label = `The same with the noise of ${options.noiseCohort} people a round`;
  const run = await meter.noiseCohort(options.noiseCohort, (fraction) =>
    progress.task(label, Math.min(0.99, fraction)),
  );
  progress.task(label, 1);
  return { result: { cohort: options.noiseCohort, ...run.measured }, model: run.model };
}

function pick({ hr10, ndcg10 }: { hr10: number; ndcg10: number }) {
  return { hr10, ndcg10 };
}

/** First and last model and some evenly between. */
function curve(models: readonly Model[]): Model[] {
  const points = Math.min(CURVE_POINTS, models.length);
  const indices = Array.from({ length: points }, (_, i) =>
    Math.round((i * (models.length - 1)) / Math.max(1, points - 1)),
  );
  return [...new Set(indices)].map((index) => models[index]!);
}

function roundResult(record: RoundRecord, run: Run): RoundResult {
  const { times, epsilon, silhouette, cohort } = record;
  const moments = [...PHASES.map((phase) => times[phase]), times.finished];
  const ms = Object.fromEntries(
    PHASES.map((phase, i) => {
      const begun = times[phase];
      const ended = moments.slice(i + 1).find((moment) => moment !== undefined);
      return [phase, begun === undefined || ended === undefined ? 0 : ended - begun];
    }),
  ) as RoundResult["ms"];
  ms.total = (times.finished ?? 0) - (times.selecting ?? times.finished ?? 0);
  const { train, encode, crypto, participations } = run.clients;
  const share = Math.max(1, participations);
  const { up = 0, down = 0 } = run.traffic.get(record.round) ?? {};
  const members = Math.max(1, cohort);
  return {
    ...roundOutcome(record, run.signed.plan),
    epsilon: epsilon.coordinator,
    observerEpsilon: epsilon.observer,
    silhouette,
    ms,
    clientMs: { train: train / share, encode: encode / share, crypto: crypto / share },
    bytesUpPerClient: up / members,
    // Every selected device downloads the model once, over HTTP; the simulated ones of a thread share the copy.
    bytesDownPerClient: down / members + (cohort > 0 ? run.modelBytes : 0),
  };
}

/** How loud the noise is beside what the first cohort learned. */
function noiseOf(plan: Plan, { firstUpdate, firstUpdates }: ClientStatistics): SimulationResult["noise"] {
  const { mechanism, blocks } = plan.resolved;
  const block = blocks[0]!;
  const perCoordinate = blockDeviation(mechanism, { block, survivors: plan.cohort.target });
  const norm =
    firstUpdate === undefined
      ? 0
      : Math.sqrt(firstUpdate.reduce((sum, value) => sum + value * value, 0)) / Math.max(1, firstUpdates);
  return {
    multiplier: mechanism.noiseMultiplier,
    perCoordinate,
    signalToNoise: Math.min(norm, block.clip) / (perCoordinate * Math.sqrt(block.length)),
  };
}
