/** `pnpm bench client`: how long a person waits for interests and recommendations, on this device alone. */
import { writeFile } from "node:fs/promises";
import { type BackendName, loadBackend } from "@kindred/encoder";
import { refuse, wholeNumber } from "../flags.ts";
import { localClient } from "./local-task.ts";

/** What commander hands over. */
export interface ClientFlags {
  readonly items: string;
  readonly events: string;
  readonly repeats: string;
  readonly backend?: string;
  readonly json?: string;
}

/** Milliseconds over the repetitions. */
export interface Latency {
  /** Elapsed time. */
  readonly median: number;
  readonly p95: number;
  /** Median of the process's processor time: what a core of its own would take, and what other work does not change. */
  readonly processor: number;
}

export interface ClientResult {
  readonly node: string;
  readonly backend: string;
  readonly items: number;
  readonly clusters: number;
  /** Interactions on record when the repetitions begin. */
  readonly events: number;
  readonly repeats: number;
  /** The first `interests()` of a model, with the whole record to encode. */
  readonly firstMs: number;
  /** `interests()` after one more interaction. */
  readonly interests: Latency;
  /** `recommend({ count: 10 })` after one more interaction. */
  readonly recommend: Latency;
}

const CLUSTERS = 32;
const BACKENDS: readonly BackendName[] = ["tensorflow", "wasm", "cpu"];
/** Between interactions of the record. */
const HOUR = 3_600_000;

/**
 * Measures and prints.
 * @throws KindredError `option-invalid` for a flag out of range
 */
export async function benchClient(flags: ClientFlags, out: NodeJS.WritableStream): Promise<ClientResult> {
  const items = wholeNumber("--items", flags.items, [100, 1_000_000]);
  const events = wholeNumber("--events", flags.events, [1, 10_000]);
  const repeats = wholeNumber("--repeats", flags.repeats, [1, 10_000]);
  const preferred = BACKENDS.find((name) => name === flags.backend);
  if (flags.backend !== undefined && preferred === undefined)
    refuse("--backend", `must be one of ${BACKENDS.join(", ")}`, "pass --backend wasm");
  const backend = await loadBackend(preferred);
  const { client, dispose } = await localClient({ backend, items, clusters: CLUSTERS });
  try {
    let recorded = 0;
    const record = (): Promise<void> => {
      const time = recorded * HOUR;
      return client.record({ item: `item-${(recorded++ * 131) % items}`, action: "view", time });
    };
    for (let i = 0; i < events; i++) await record();
    const firstMs = await elapsed(() => client.interests());
    const interests = await latency(repeats, record, () => client.interests());
    const recommend = await latency(repeats, record, () => client.recommend({ count: 10 }));
    const result: ClientResult = {
      node: process.version,
      backend: backend.name,
      items,
      clusters: CLUSTERS,
      events,
      repeats,
      firstMs,
      interests,
      recommend,
    };
    out.write(table(result));
    if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(result, null, 2)}\n`);
    return result;
  } finally {
    await dispose();
  }
}

async function latency(
  repeats: number,
  prepare: () => Promise<void>,
  action: () => Promise<unknown>,
): Promise<Latency> {
  const times: number[] = [];
  const processor: number[] = [];
  for (let i = 0; i < repeats; i++) {
    await prepare();
    const before = process.cpuUsage();
    times.push(await elapsed(action));
    const { user, system } = process.cpuUsage(before);
    processor.push((user + system) / 1000);
  }
  for (const values of [times, processor]) values.sort((a, b) => a - b);
  const middle = Math.floor(repeats / 2);
  return {
    median: times[middle]!,
    p95: times[Math.floor(repeats * 0.95)]!,
    processor: processor[middle]!,
  };
}

async function elapsed(action: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await action();
  return performance.now() - started;
}

function table({ node, backend, items, clusters, events, repeats, ...times }: ClientResult): string {
  const line = (name: string, { median, p95, processor }: Latency) =>
    `${name.padEnd(44)}${[median, p95, processor].map((ms) => ms.toFixed(1).padStart(11)).join("")}\n`;
  return [
    `Node ${node}, backend ${backend}: ${items} items, ${clusters} clusters, ${events} interactions and more\n\n`,
    `${`ms, of ${repeats}`.padEnd(44)}${["median", "p95", "processor"].map((name) => name.padStart(11)).join("")}\n`,
    line("interests after one more interaction", times.interests),
    line("10 recommendations after one more", times.recommend),
    `${"interests of the whole record at first".padEnd(44)}${times.firstMs.toFixed(1).padStart(11)}\n`,
  ].join("");
}
