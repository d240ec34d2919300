/** Whether the model files at hand are those that the ledger names, made from one another as it says. */
import { decodeModel, modelHash } from "@kindred/protocol";
import type { AuditViolation } from "./rules.ts";
import type { ModelVersion } from "./task-account.ts";

/** A file that may be a model, without its weights. */
export interface ModelFile {
  readonly name: string;
  /** Content hash, 64 hexadecimal digits. */
  readonly hash: string;
  /** What it says about itself; null where it is no model file. */
  readonly model: {
    readonly task: string;
    readonly round: number;
    readonly parent: string;
    readonly clip: number | null;
  } | null;
}

/** Digits of a hash by which file names are recognised. */
const NAMED_DIGITS = 12;

/** Reads a file; its weights are checked and not kept. */
export function readModelFile(name: string, bytes: Uint8Array): ModelFile {
  const hash = modelHash(bytes);
  const decoded = decodeModel(bytes, hash);
  if (!decoded.ok) return { name, hash, model: null };
  const { task, round, parent, clip = null } = decoded.value;
  return { name, hash, model: { task, round, parent, clip } };
}

/** Holds files against the models of a task. */
export function checkModelFiles(
  { task, models }: { readonly task: string; readonly models: readonly ModelVersion[] },
  files: readonly ModelFile[],
): AuditViolation[] {
  const byHash = new Map(files.map((file) => [file.hash, file]));
  const known = new Set(models.map(({ hash }) => hash));
  const strangers = files.filter(({ hash }) => !known.has(hash));
  return models.flatMap(({ entry, round, hash, parent, clip }): AuditViolation[] => {
    const file = byHash.get(hash);
    if (file === undefined) {
      const posing = strangers.find(
        ({ name, model }) =>
          (model?.task === task && model.round === round) || name.includes(hash.slice(0, NAMED_DIGITS)),
      );
      const found =
        posing === undefined
          ? "no file with this content"
          : `${posing.name} with the content hash ${posing.hash}`;
      const rule = posing === undefined ? "model-missing" : "model-swapped";
      return [{ entry, rule, found, expected: `model ${hash} of round ${round}` }];
    }
    const { model } = file;
    if (model?.task === task && model.round === round && model.parent === parent) {
      if (model.clip === clip) return [];
      const norm = (value: number | null) => (value === null ? "no clip norm" : `the clip norm ${value}`);
      return [
        { entry, rule: "clipping", found: `${file.name} with ${norm(model.clip)}`, expected: norm(clip) },
      ];
    }
    const found =
      model === null
        ? `${file.name}, which is no model file`
        : `${file.name} of ${model.task}, round ${model.round}, made from ${model.parent || "nothing"}`;
    const expected = `${task}, round ${round}, made from ${parent || "nothing"}`;
    return [{ entry, rule: "model-lineage", found, expected }];
  });
}
