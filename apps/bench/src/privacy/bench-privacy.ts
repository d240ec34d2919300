/** `pnpm bench privacy`: what noise, encoding and accounting cost, in time of one thread, in Node and in Chromium. */
import { createCipheriv } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { KeystreamFactory } from "@kindred/privacy";
import { findChromium } from "../chromium.ts";
import { wholeNumber } from "../flags.ts";
import { type Measured, measure, measureAccountants, type Stopwatch } from "./measured-work.ts";
import { measureOvershoot, type NoiseDesign, OVERSHOOT_COHORT, type Overshoot } from "./noise-overshoot.ts";
import { type BrowserMeasured, measureInChromium } from "./run-in-chromium.ts";

/** What commander hands over. */
export interface PrivacyFlags {
  readonly samples: string;
  readonly json?: string;
}

/** The bench's outcome; times are processor time in Node and elapsed time in Chromium. */
export interface PrivacyResult {
  readonly node: string;
  readonly cores: number;
  readonly samples: number;
  /** In Node, with the platform's AES and with the one in JavaScript that browsers use. */
  readonly platform: Measured;
  readonly javascript: Measured;
  readonly accountantMs: Readonly<Record<string, number>>;
  /** `null` where there is no Chromium. */
  readonly chromium: BrowserMeasured | null;
  /** By noise design. */
  readonly overshoot: Readonly<Record<NoiseDesign, readonly Overshoot[]>>;
}

/** Coordinates drawn for each number of survivors: the ratio is measured to about 1 %. */
const OVERSHOOT_ENTRIES = 4096;

const platformKeystream: KeystreamFactory = (key) => {
  const cipher = createCipheriv("aes-256-ctr", key, new Uint8Array(16));
  return { next: (length) => cipher.update(new Uint8Array(length)) };
};

/** Seconds of processor time of this process. */
const stopwatch: Stopwatch = (work) => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
};

/**
 * Measures and prints.
 * @param executable Chromium's, or `null` to leave it out
 * @throws KindredError `option-invalid` for a number of samples out of range
 */
export async function benchPrivacy(
  flags: PrivacyFlags,
  out: NodeJS.WritableStream,
  executable: string | null = findChromium() ?? null,
): Promise<PrivacyResult> {
  const samples = wholeNumber("--samples", flags.samples, [1000, 1e8]);
  const result: PrivacyResult = {
    node: process.version,
    cores: availableParallelism(),
    samples,
    platform: measure({ samples, stopwatch, keystream: platformKeystream }),
    javascript: measure({ samples, stopwatch }),
    accountantMs: measureAccountants(stopwatch),
    chromium: executable === null ? null : await measureInChromium(executable, samples),
    overshoot: {
      "worst-case": measureOvershoot("worst-case", OVERSHOOT_ENTRIES),
      "add-then-remove": measureOvershoot("add-then-remove", OVERSHOOT_ENTRIES),
    },
  };
  out.write(table(result));
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

function table(result: PrivacyResult): string {
  const { node, cores, platform, javascript, chromium, accountantMs, overshoot } = result;
  const line = (name: string, cells: readonly string[]) =>
    `${name.padEnd(30)}${cells.map((cell) => cell.padStart(16)).join("")}\n`;
  const columns: readonly Measured[] = [platform, javascript, ...(chromium ? [chromium.measured] : [])];
  const row = (name: string, of: (measured: Measured) => string) => line(name, columns.map(of));
  const millions = (rate: number) => (rate / 1e6).toFixed(1);
  const browserHead = chromium ? [`Chromium ${chromium.version.split(".")[0]}`] : [];
  const { maximum, minSurvivors, corruption } = OVERSHOOT_COHORT;
  return [
    `Node ${node}, ${cores} cores; ${chromium ? `Chromium ${chromium.version}` : "no Chromium found"}; one thread\n\n`,
    chromium
      ? `Chromium by the clock, in which its page had ${(100 * chromium.processorShare).toFixed(0)} % of a core; Node by processor time\n\n`
      : "",
    line("millions a second", ["platform AES", "JavaScript AES", ...browserHead]),
    ...platform.samplers.map(({ sigma }, i) =>
      row(`exact samples, sigma ${sigma}`, ({ samplers }) => millions(samplers[i]!.rate)),
    ),
    row("keystream bytes", ({ keystream }) => millions(keystream)),
    "\n",
    line("ms per 100,000 entries", []),
    row("encode", ({ encodeMs }) => encodeMs.toFixed(1)),
    row("decode", ({ decodeMs }) => decodeMs.toFixed(1)),
    "\n",
    line("ms", ["Node", ...browserHead]),
    ...Object.entries(accountantMs).map(([name, ms]) =>
      line(
        name,
        [ms, ...(chromium ? [chromium.accountantMs[name]!] : [])].map((time) => time.toFixed(0)),
      ),
    ),
    "\n",
    `noise in the sum over the noise that the guarantee counts on; cohort ${maximum}, at least ${minSurvivors} survive, ${100 * corruption} % collude\n`,
    line("survivors", ["measured", "expected"]),
    ...Object.entries(overshoot).flatMap(([design, found]) =>
      found.map(({ survivors, measured, expected }) =>
        line(`${design}, ${survivors}`, [measured.toFixed(3), expected.toFixed(3)]),
      ),
    ),
  ].join("");
}
