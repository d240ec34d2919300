/** Whether the model files at hand are those that the ledger names, made from one another as it says. */
import {
  canonicalJson,
  decodeModel,
  type Model,
  modelHash,
  SIGNALS,
  type SignalName,
  sha256Hex,
  weightsHash,
} from "@kindred/protocol";
import type { AuditViolation } from "./rules.ts";
import type { ModelVersion } from "./task-account.ts";

/** What of a model has to follow from the one it was made from. */
interface ModelContent {
  /** `weightsHash` of its weights. */
  readonly weights: string;
  /** Its collaborative signals: the round that each says it is of, and a digest of all of it. */
  readonly signals: { readonly [name in SignalName]?: { readonly round: number; readonly digest: string } };
}

/** A file that may be a model, without its weights. */
export interface ModelFile {
  readonly name: string;
  /** Content hash, 64 hexadecimal digits. */
  readonly hash: string;
  /** What it says about itself; null where it is no model file. */
  readonly model:
    | (ModelContent & {
        readonly task: string;
        readonly round: number;
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
  const { task, round, parent, clip = null } = decoded.value;
  return { name, hash, model: { task, round, parent, clip, ...contentOf(decoded.value) } };
}

function contentOf({ weights, signals = {} }: Model): ModelContent {
  const digests: { [name in SignalName]?: { round: number; digest: string } } = {};
  for (const name of SIGNALS) {
    const released = signals[name];
    if (released === undefined) continue;
    const document = Object.entries(released).map(([key, value]) => [
      key,
      typeof value === "number" ? value : [...value],
    ]);
    digests[name] = { round: released.round, digest: sha256Hex(canonicalJson(Object.fromEntries(document))) };
  }
  return { weights: weightsHash(weights), signals: digests };
}

/**
 * What a model has that no round gave it: initial weights that are not the plan's, a signal that is neither its parent's
 * nor of its own round, or other weights after a round that collected a signal.
 */
function unexplained(
  model: ModelContent & { readonly round: number },
  { parent, due }: { readonly parent: ModelContent | undefined; readonly due: string | undefined },
): { readonly found: string; readonly expected: string } | undefined {
  if (due !== undefined && model.weights !== due)
    return { found: `initial weights ${model.weights}`, expected: `${due}, as the plan says` };
  if (model.round > 0 && parent === undefined) return undefined;
  const collected = SIGNALS.filter((name) => model.signals[name]?.digest !== parent?.signals[name]?.digest);
  for (const name of collected)
    if (model.signals[name]?.round !== model.round || collected.length > 1)
      return {
        found: `${name} that round ${model.round} did not collect`,
        expected: "those of the model before, and at most one signal of the round's own",
      };
  if (collected.length > 0 && parent?.weights !== model.weights)
    return {
      found: "other weights than before",
      expected: `those of the model that ${collected} was added to`,
    };
  return undefined;
}

/** Holds files against the models of a task. */
export function checkModelFiles(
  { task, models }: { readonly task: string; readonly models: readonly ModelVersion[] },
  files: readonly ModelFile[],
): AuditViolation[] {
  const byHash = new Map(files.map((file) => [file.hash, file]));
  const known = new Set(models.map(({ hash }) => hash));
  const strangers = files.filter(({ hash }) => !known.has(hash));
  return models.flatMap(({ entry, round, hash, parent, clip, weights }): AuditViolation[] => {
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
      const wrong = unexplained(model, { parent: byHash.get(parent)?.model ?? undefined, due: weights });
      if (wrong !== undefined) return [{ entry, rule: "model-content", ...wrong }];
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
