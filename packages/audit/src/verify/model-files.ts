/** Whether the model files at hand are those that the ledger names, made from one another as it says. */
import { decodeModel, modelHash, type Plan } from "@kindred/protocol";
import { ContentCheck, contentOf, type ModelContent } from "./model-content.ts";
import type { AuditViolation } from "./rules.ts";
import { SignalAccount } from "./signal-account.ts";
import type { ModelVersion, TaskAccount } from "./task-account.ts";

/** A file that may be a model, without its weights. */
export interface ModelFile {
  readonly name: string;
  /** Content hash, 64 hexadecimal digits. */
  readonly hash: string;
  /** What it says about itself; null where it is no model file. */
  readonly model:
    | (ModelContent & {
        readonly task: string;
        readonly parent: string;
        readonly clip: number | null;
      })
    | null;
}

/** Digits of a hash by which file names are recognised. */
const NAMED_DIGITS = 12;

/** Reads a file; its weights are checked and not kept. */
export function readModelFile(name: string, bytes: Uint8Array): ModelFile {
  const hash = modelHash(bytes);
  const decoded = decodeModel(bytes, hash);
  if (!decoded.ok) return { name, hash, model: null };
  const { task, parent, clip = null } = decoded.value;
  return { name, hash, model: { task, parent, clip, ...contentOf(decoded.value) } };
}

/**
 * Holds files against the models of a task.
 * @param options.plan undefined where it cannot be used: signals are then held to their rounds alone
 */
export function checkModelFiles(
  { task, models, rollBacks }: Pick<TaskAccount, "task" | "models" | "rollBacks">,
  { files, plan }: { readonly files: readonly ModelFile[]; readonly plan: Plan | undefined },
): AuditViolation[] {
  const byHash = new Map(files.map((file) => [file.hash, file]));
  const known = new Set(models.map(({ hash }) => hash));
  const strangers = files.filter(({ hash }) => !known.has(hash));
  const contents = files.flatMap(({ model }) => model ?? []);
  const content = new ContentCheck(plan, contents);
  const signals = plan && new SignalAccount(plan, rollBacks);
  return models.flatMap((version): AuditViolation[] => {
    const { entry, hash, clip } = version;
    const file = byHash.get(hash);
    const misplaced =
      file === undefined ? missing(version, { task, strangers }) : misplacedFile(file, { task, version });
    const model = misplaced === undefined ? file?.model : null;
    const claimed = signals?.follow(version, model?.signals);
    if (misplaced !== undefined) return [misplaced];
    if (file === undefined || !model) return [];
    const parent = byHash.get(version.parent)?.model ?? undefined;
    const wrong = content.finding(model, { parent, weights: version.weights });
    if (wrong !== undefined) return [{ entry, rule: "model-content", ...wrong }];
    if (claimed !== undefined) return [{ entry, rule: "model-signal", ...claimed }];
    if (model.clip === clip) return [];
    const norm = (value: number | null) => (value === null ? "no clip norm" : `the clip norm ${value}`);
    return [
      { entry, rule: "clipping", found: `${file.name} with ${norm(model.clip)}`, expected: norm(clip) },
    ];
  });
}

function missing(
  { entry, hash, round }: ModelVersion,
  { task, strangers }: { readonly task: string; readonly strangers: readonly ModelFile[] },
): AuditViolation {
  const posing = strangers.find(
    ({ name, model }) =>
      (model?.task === task && model.round === round) || name.includes(hash.slice(0, NAMED_DIGITS)),
  );
  const found =
    posing === undefined
      ? "no file with this content"
      : `${posing.name} with the content hash ${posing.hash}`;
  const rule = posing === undefined ? "model-missing" : "model-swapped";
  return { entry, rule, found, expected: `model ${hash} of round ${round}` };
}

/** Whether a file names another task, round or parent than the ledger. */
function misplacedFile(
  { name, model }: ModelFile,
  { task, version }: { readonly task: string; readonly version: ModelVersion },
): AuditViolation | undefined {
  const { entry, round, parent } = version;
  if (model?.task === task && model.round === round && model.parent === parent) return undefined;
  const found =
    model === null
      ? `${name}, which is no model file`
      : `${name} of ${model.task}, round ${model.round}, made from ${model.parent || "nothing"}`;
  const expected = `${task}, round ${round}, made from ${parent || "nothing"}`;
  return { entry, rule: "model-lineage", found, expected };
}
