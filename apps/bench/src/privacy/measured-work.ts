/**
 * What is timed of noise, accounting and encoding: the same work in Node and in a browser, so nothing of either
 * platform is used here. The clock is an argument.
 */
import { decodeAggregate, encodeContribution, resolvePlan } from "@kindred/engine";
import {
  AesCtrRandom,
  aesCtrKeystream,
  calibrateMechanism,
  composePrivacyLoss,
  delta,
  epsilon,
  epsilonOf,
  gaussianPrivacyLoss,
  type KeystreamFactory,
  sampleDiscreteGaussian,
} from "@kindred/privacy";
import { type Plan, parsePlanInput } from "@kindred/protocol";

/** Seconds that some work took: processor time in Node, time on a monotonic clock in a browser. */
export type Stopwatch = (work: () => void) => number;

/** Rates and times of one platform with one AES. */
export interface Measured {
  /** Exact discrete Gaussian samples a second, by σ. */
  readonly samplers: readonly { readonly sigma: number; readonly rate: number }[];
  /** Keystream bytes a second. */
  readonly keystream: number;
  /** Milliseconds for 100,000 entries of the joint vector, padding included. */
  readonly encodeMs: number;
  readonly decodeMs: number;
}

export interface MeasuringOptions {
  readonly samples: number;
  readonly stopwatch: Stopwatch;
  /** AES-256-CTR; left out, the one in JavaScript. */
  readonly keystream?: KeystreamFactory;
}

/** From σ = 1, where the sampler has the fewest shortcuts, to the largest that plans use. */
const DEVIATIONS = [1, 40, 1000, 8738, 2 ** 20];
const SEED = new Uint8Array(32).fill(1);
const WARM_UP = 300_000;

/** Times samplers, keystream, encoding and decoding. */
export function measure({ samples, stopwatch, keystream = aesCtrKeystream }: MeasuringOptions): Measured {
  return {
    samplers: DEVIATIONS.map((sigma) => {
      const random = new AesCtrRandom(SEED, { keystream });
      const draw = (length: number) => void sampleDiscreteGaussian({ sigma, length, random });
      draw(Math.min(samples, WARM_UP)); // the compiler warms up
      return { sigma, rate: samples / stopwatch(() => draw(samples)) };
    }),
    keystream: keystreamRate(4 * samples, { stopwatch, keystream }),
    ...pipelineTimes(samples, { stopwatch, keystream }),
  };
}

function keystreamRate(
  bytes: number,
  { stopwatch, keystream }: Pick<Required<MeasuringOptions>, "stopwatch" | "keystream">,
): number {
  const stream = keystream(SEED);
  const chunk = 16_384;
  for (let i = 0; i < 50; i++) stream.next(chunk);
  const taken = stopwatch(() => {
    for (let at = 0; at < bytes; at += chunk) stream.next(chunk);
  });
  return bytes / taken;
}

const UNRESOLVED = "0".repeat(64);
const OTHER_ENTRIES = 16 * (1 + 64) + 2;

/** A plan whose joint vector fills 2^16 entries, as `kindred privacy plan` has it without flags. */
function benchPlan(): Plan {
  const input = parsePlanInput({
    task: "bench",
    rounds: 20,
    cohort: { minimum: 720, target: 1000, maximum: 1000, minSurvivors: 720 },
    participation: { maximum: 4 },
    privacy: { epsilon: 4 },
  });
  const modelLength = 2 ** 16 - OTHER_ENTRIES;
  return resolvePlan(input, {
    coordinatorKey: UNRESOLVED,
    catalogueHash: UNRESOLVED,
    itemCount: 1000,
    modelLength,
  });
}

/** Encoding: clip, rotate, round, noise. Decoding: lift, rotate back, split. */
function pipelineTimes(
  samples: number,
  { stopwatch, keystream }: Pick<Required<MeasuringOptions>, "stopwatch" | "keystream">,
): Pick<Measured, "encodeMs" | "decodeMs"> {
  const plan = benchPlan();
  const [model, counts, sums, evaluation] = plan.resolved.blocks.map(({ length }) =>
    Float64Array.from({ length }, (_, i) => Math.sin(i + 1) / Math.sqrt(length)),
  );
  const contribution = { model: model!, counts: counts!, sums: sums!, evaluation: evaluation! };
  const { paddedLength } = plan.resolved.mechanism;
  const random = new AesCtrRandom(SEED, { keystream });
  const encode = () => encodeContribution(contribution, { plan, sid: SEED, random });
  const sum = encode();
  const decode = () => void decodeAggregate(sum, { plan, sid: SEED, survivors: 1 });
  const times = Math.max(1, Math.round(samples / paddedLength / 4));
  const milliseconds = (work: () => void): number => {
    for (let i = 0; i < Math.min(times, 3); i++) work();
    const taken = stopwatch(() => {
      for (let i = 0; i < times; i++) work();
    });
    return (1e8 * taken) / (times * paddedLength);
  };
  return { encodeMs: milliseconds(() => void encode()), decodeMs: milliseconds(decode) };
}

/** What is timed of the accountants. */
const ACCOUNTANTS: Readonly<Record<string, () => unknown>> = {
  "calibrate a plan (RDP)": () => calibrate("rdp"),
  "calibrate a plan (PLD)": () => calibrate("pld"),
  "PLD, Gaussian, 20 times": () => compose(8, 1, 20),
  "PLD, q = .01, 1,000 times": () => compose(1, 0.01, 1000),
  "PLD, q = .04, 2,250 times": () => compose(1.5, 0.04, 2250),
};

/** Milliseconds by accountant and task. */
export function measureAccountants(stopwatch: Stopwatch): Record<string, number> {
  return Object.fromEntries(
    Object.entries(ACCOUNTANTS).map(([name, work]) => [name, 1000 * stopwatch(() => void work())]),
  );
}

function calibrate(accountant: "rdp" | "pld") {
  return calibrateMechanism({
    epsilon: epsilon(4),
    delta: delta(1e-6),
    participations: 4,
    cohortMaximum: 1000,
    minSurvivors: 720,
    corruption: 0.05,
    length: 65_536,
    modulusBits: 20,
    accountant,
  });
}

function compose(noiseMultiplier: number, samplingRate: number, times: number) {
  const loss = gaussianPrivacyLoss({ noiseMultiplier, samplingRate });
  return epsilonOf(composePrivacyLoss([{ loss, times }]), delta(1e-6));
}
