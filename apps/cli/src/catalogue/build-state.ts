/** What a build keeps beside its results, so that items added later get rows like those before them. */
import { readFile } from "node:fs/promises";
import type { Fusion, TextStatistics } from "@kindred/encoder/features";
import { bytesFloat, floatBytes, KindredError } from "@kindred/protocol";
import { decode, encode } from "cborg";
import type { ModalityFit, TextKind } from "./item-modalities.ts";

const SCHEMA = "kindred.catalogue-build/1";

export interface BuildState {
  /** Canonical JSON of the options that rows depend on: other options need all rows anew. */
  readonly settings: string;
  readonly fit: ModalityFit;
  readonly fusion: Fusion;
  /** Row of each item by the hash of its content. */
  readonly rows: ReadonlyMap<string, number>;
}

/** The file's form: numbers as little-endian bytes. */
interface StateDocument {
  readonly schema: string;
  readonly settings: string;
  readonly statistics: readonly { kind: TextKind; itemCount: number; documentFrequency: Uint8Array }[];
  readonly edges: Readonly<Record<string, readonly number[]>>;
  readonly modalities: readonly { name: string; width: number; mean: Uint8Array; weight: number }[];
  readonly projection: { inputs: number; outputs: number; mean: Uint8Array; basis: Uint8Array };
  readonly rows: Readonly<Record<string, number>>;
}

export function encodeBuildState({ settings, fit, fusion, rows }: BuildState): Uint8Array {
  const document: StateDocument = {
    schema: SCHEMA,
    settings,
    statistics: [...fit.statistics].map(([kind, { itemCount, documentFrequency }]) => ({
      kind,
      itemCount,
      // Counts are below 2²⁴, the number of items is at most a million: float32 holds them exactly.
      documentFrequency: floatBytes(Float32Array.from(documentFrequency)),
    })),
    edges: fit.edges,
    modalities: fusion.modalities.map(({ mean, ...rest }) => ({ ...rest, mean: floatBytes(mean) })),
    projection: {
      ...fusion.projection,
      mean: floatBytes(fusion.projection.mean),
      basis: floatBytes(fusion.projection.basis),
    },
    rows: Object.fromEntries(rows),
  };
  return encode(document);
}

/**
 * @returns `undefined` where there is no such file
 * @throws KindredError `catalogue-invalid` if it is damaged
 */
export async function readBuildState(file: string): Promise<BuildState | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return stateOf(decode(new Uint8Array(bytes)) as StateDocument);
  } catch {
    throw new KindredError({
      code: "catalogue-invalid",
      field: file,
      rule: "must be the state of an earlier build",
      fix: "build with --refit, which makes everything anew",
    });
  }
}

function stateOf(document: StateDocument): BuildState {
  if (document.schema !== SCHEMA) throw new Error(`not ${SCHEMA}`);
  const { statistics, modalities, projection } = document;
  const textual = statistics.map(({ kind, itemCount, documentFrequency }): [TextKind, TextStatistics] => [
    kind,
    { itemCount, documentFrequency: Uint32Array.from(bytesFloat(documentFrequency)) },
  ]);
  return {
    settings: document.settings,
    fit: { statistics: new Map(textual), edges: document.edges },
    fusion: {
      modalities: modalities.map(({ mean, ...rest }) => ({ ...rest, mean: bytesFloat(mean) })),
      projection: {
        ...projection,
        mean: bytesFloat(projection.mean),
        basis: bytesFloat(projection.basis),
      },
    },
    rows: new Map(Object.entries(document.rows)),
  };
}
