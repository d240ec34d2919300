/** `pnpm bench privacy`: what noise and accounting cost, in processor time of one thread. */
import { createCipheriv } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
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
import { KindredError } from "@kindred/protocol";

/** What commander hands over. */
export interface PrivacyFlags {
  readonly samples: string;
  readonly json?: string;
}

/** The bench's outcome; times are processor time. */
export interface PrivacyResult {
  readonly node: string;
  readonly cores: number;
  readonly samples: number;
  /** Samples a second by σ, with the platform's AES and with the one in JavaScript that browsers use. */
  readonly samplers: readonly {
    readonly sigma: number;
    readonly platform: number;
    readonly javascript: number;
  }[];
  /** Keystream bytes a second. */
  readonly keystreams: { readonly platform: number; readonly javascript: number };
  readonly accountantMs: Readonly<Record<string, number>>;
}

const DEVIATIONS = [1, 40, 1000, 8738, 2 ** 20];
const SEED = new Uint8Array(32).fill(1);

const platformKeystream: KeystreamFactory = (key) => {
  const cipher = createCipheriv("aes-256-ctr", key, new Uint8Array(16));
  return { next: (length) => cipher.update(new Uint8Array(length)) };
};

const KEYSTREAMS = { platform: platformKeystream, javascript: aesCtrKeystream };

/** Seconds of processor time of this process. */
function seconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function samplerRate(sigma: number, length: number, keystream: KeystreamFactory): number {
  const random = new AesCtrRandom(SEED, { keystream });
  sampleDiscreteGaussian({ sigma, length: Math.min(length, 200_000), random }); // the compiler warms up
  return length / seconds(() => void sampleDiscreteGaussian({ sigma, length, random }));
}

function keystreamRate(bytes: number, factory: KeystreamFactory): number {
  const stream = factory(SEED);
  const chunk = 16_384;
  for (let i = 0; i < 50; i++) stream.next(chunk);
  const taken = seconds(() => {
    for (let at = 0; at < bytes; at += chunk) stream.next(chunk);
  });
  return bytes / taken;
}

/** What is timed of the accountants. */
const ACCOUNTANTS: Readonly<Record<string, () => unknown>> = {
  "calibrate a plan (RDP)": () => calibrate("rdp"),
  "calibrate a plan (PLD)": () => calibrate("pld"),
  "PLD, Gaussian, 20 times": () => compose(8, 1, 20),
  "PLD, q = .01, 1,000 times": () => compose(1, 0.01, 1000),
  "PLD, q = .04, 2,250 times": () => compose(1.5, 0.04, 2250),
};

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

/**
 * Measures and prints.
 * @throws KindredError `option-invalid` for a number of samples out of range
 */
export async function benchPrivacy(flags: PrivacyFlags, out: NodeJS.WritableStream): Promise<PrivacyResult> {
  const samples = Number(flags.samples);
  if (!(Number.isInteger(samples) && samples >= 1000 && samples <= 1e8))
    throw new KindredError({
      code: "option-invalid",
      field: "--samples",
      rule: `must be a whole number from 1000 to 100000000, found "${flags.samples}"`,
      fix: "pass --samples 4000000",
    });
  const result: PrivacyResult = {
    node: process.version,
    cores: availableParallelism(),
    samples,
    samplers: DEVIATIONS.map((sigma) => ({
      sigma,
      platform: samplerRate(sigma, samples, KEYSTREAMS.platform),
      javascript: samplerRate(sigma, samples, KEYSTREAMS.javascript),
    })),
    keystreams: {
      platform: keystreamRate(4 * samples, KEYSTREAMS.platform),
      javascript: keystreamRate(4 * samples, KEYSTREAMS.javascript),
    },
    accountantMs: Object.fromEntries(
      Object.entries(ACCOUNTANTS).map(([name, work]) => [name, 1000 * seconds(() => void work())]),
    ),
  };
  out.write(table(result));
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

function table({ node, cores, samplers, keystreams, accountantMs }: PrivacyResult): string {
  const millions = (rate: number) => (rate / 1e6).toFixed(1).padStart(14);
  const line = (name: string, cells: readonly string[]) => `${name.padEnd(30)}${cells.join("")}\n`;
  return [
    `Node ${node}, ${cores} cores; processor time of one thread\n\n`,
    line("millions a second", ["platform AES".padStart(14), "JavaScript AES".padStart(16)]),
    ...samplers.map(({ sigma, platform, javascript }) =>
      line(`exact samples, sigma ${sigma}`, [millions(platform), `  ${millions(javascript)}`]),
    ),
    line("keystream bytes", [millions(keystreams.platform), `  ${millions(keystreams.javascript)}`]),
    "\n",
    ...Object.entries(accountantMs).map(([name, ms]) => line(name, [`${ms.toFixed(0)} ms`.padStart(14)])),
  ].join("");
}
