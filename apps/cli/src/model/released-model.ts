/** A model that a task has released, as `kindred model get` writes it: the file, and beside it what it belongs to. */
import { readFile, writeFile } from "node:fs/promises";
import {
  type Catalogue,
  catalogueHash,
  decodeModel,
  KindredError,
  type Model,
  modelHash,
} from "@kindred/protocol";
import { refuseFlag } from "../input-files.ts";

/** What a model file does not say of itself. */
export interface ModelOrigin {
  readonly task: string;
  readonly round: number;
  readonly hash: string;
  /** Hash of the task's catalogue, by whose order the file counts items. */
  readonly catalogueHash: string;
}

const beside = (file: string): string => `${file}.json`;

/** Writes the file, and its origin into `FILE.json`. */
export async function writeReleased(file: string, bytes: Uint8Array, origin: ModelOrigin): Promise<void> {
  await writeFile(file, bytes);
  await writeFile(beside(file), `${JSON.stringify(origin, null, 2)}\n`);
}

/**
 * The model in a file, if it is one.
 * @param options.catalogue held to the one that `FILE.json` names, where it is there
 * @returns `undefined` if the bytes are no model
 * @throws KindredError `option-invalid` naming the flag, where the model counts items of another catalogue
 */
export async function readReleased(
  flag: string,
  file: string,
  { bytes, catalogue }: { readonly bytes: Uint8Array; readonly catalogue: Catalogue },
): Promise<Model | undefined> {
  const hash = modelHash(bytes);
  const model = decodeModel(bytes, hash);
  if (!model.ok) return undefined;
  const origin = await originOf(file);
  if (origin !== undefined && origin.hash === hash && origin.catalogueHash !== catalogueHash(catalogue))
    refuseFlag(
      flag,
      `must be a model of this catalogue, but ${beside(file)} says that it is of another one`,
      "pass the catalogue of the task that released it",
    );
  return model.value;
}

/**
 * The model in a file.
 * @throws KindredError `option-invalid` naming the flag, where it is none or of another catalogue
 */
export async function demandReleased(
  flag: string,
  file: string,
  options: { readonly bytes: Uint8Array; readonly catalogue: Catalogue },
): Promise<Model> {
  const model = await readReleased(flag, file, options);
  if (model !== undefined) return model;
  throw new KindredError({
    code: "option-invalid",
    field: flag,
    rule: `must be a released model, found "${file}"`,
    fix: "fetch one with kindred model get",
  });
}

async function originOf(file: string): Promise<Partial<ModelOrigin> | undefined> {
  try {
    return JSON.parse(await readFile(beside(file), "utf8")) as Partial<ModelOrigin>;
  } catch {
    // Not fetched with `kindred model get`, or parted from its file: nothing is known.
    return undefined;
  }
}
