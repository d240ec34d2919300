/** Finished rows on disk, so that a long experiment survives an interruption. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RowMeasurement } from "./result.ts";

/** Raised when the same settings no longer give the same row. */
const FORMAT = 1;

/** What a finished row depends on. */
export interface RowKey {
  readonly row: string;
  readonly seed: number;
  /** Of the data; see `ExperimentData`. */
  readonly fingerprint: string;
  readonly settings: object;
}

/** A folder with one file per finished row and seed. */
export class RowCache {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** A finished row; `undefined` where there is none, or its file cannot be read as one. */
  async read(key: RowKey): Promise<RowMeasurement | undefined> {
    try {
      const { format, measurement } = JSON.parse(await readFile(this.#file(key), "utf8")) as {
        format?: number;
        measurement?: RowMeasurement;
      };
      return format === FORMAT ? measurement : undefined;
    } catch {
      // Absent, or cut off by an interruption before it was renamed: it is measured again.
      return undefined;
    }
  }

  /** Keeps a finished row; a reader sees all of it or nothing. */
  async write(key: RowKey, measurement: RowMeasurement): Promise<void> {
    const file = this.#file(key);
    await mkdir(this.#directory, { recursive: true });
    await writeFile(`${file}.new`, `${JSON.stringify({ format: FORMAT, key, measurement })}\n`);
    await rename(`${file}.new`, file);
  }

  /** The weights that a finished row was measured with, float32; `undefined` where none were kept. */
  async readWeights(key: RowKey): Promise<Float32Array | undefined> {
    try {
      const bytes = await readFile(weightsFile(this.#file(key)));
      return new Float32Array(Uint8Array.from(bytes).buffer);
    } catch {
      // Absent: the row has none, or was not run.
      return undefined;
    }
  }

  /** Keeps weights for the rows that build on this one. */
  async writeWeights(key: RowKey, weights: Float32Array): Promise<void> {
    const file = weightsFile(this.#file(key));
    await mkdir(this.#directory, { recursive: true });
    await writeFile(`${file}.new`, new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength));
    await rename(`${file}.new`, file);
  }

  #file({ row, seed, fingerprint, settings }: RowKey): string {
    const digest = createHash("sha256").update(JSON.stringify({ fingerprint, settings })).digest("hex");
    return join(this.#directory, `${row}-${seed}-${digest.slice(0, 20)}.json`);
  }
}

function weightsFile(file: string): string {
  return file.replace(/json$/, "f32");
}
