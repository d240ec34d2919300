/** Where the public files of a task come from: the signed plan, the catalogue, the models. Every hash is checked. */
import {
  assembleFeatures,
  type Catalogue,
  catalogueHash,
  decodeFeatureBundle,
  decodeFeatureManifest,
  decodeModel,
  ERROR_TABLE,
  encodeFeatureBundle,
  KindredError,
  type Model,
  parseCatalogue,
  parseSignedPlan,
  type SignedPlan,
  sha256Hex,
} from "@kindred/protocol";
import { type Clock, within } from "./clock.ts";

/** Plan and catalogue of a task. The plan's signature and floors are checked by each client for itself. */
export interface TaskMaterial {
  readonly signed: SignedPlan;
  readonly catalogue: Catalogue;
  /** Index of each item id in the catalogue. */
  readonly index: ReadonlyMap<string, number>;
  /** Feature vectors of the items, items × dimension, where the plan names some. */
  readonly features?: Float32Array;
  /** The files they were read from. */
  readonly files: MaterialFiles;
  /** Bytes that were downloaded for it. */
  readonly downloaded: number;
}

/** Plan, catalogue and, where the plan names some, the bundle of the items' features. */
export interface MaterialFiles {
  readonly plan: Uint8Array;
  readonly catalogue: Uint8Array;
  readonly features?: Uint8Array;
}

/** A model and the file it was decoded from. */
export interface LoadedModel {
  /** Content hash of the file, 64 hexadecimal digits. */
  readonly hash: string;
  readonly model: Model;
  readonly file: Uint8Array;
}

/** How far a task has come. */
export interface TaskProgress {
  readonly status: string;
  /** Content hash of the newest model; `null` before there is one. */
  readonly modelHash: string | null;
  /** Number of the latest round that was started; 0 before the first. */
  readonly round: number;
}

/** The port. Its promises reject with a KindredError. */
export interface TaskSource {
  /** @param kept files of an earlier time, perhaps of another version or damaged: what fits is not downloaded again */
  material(kept?: Partial<Pick<MaterialFiles, "catalogue" | "features">>): Promise<TaskMaterial>;
  progress(): Promise<TaskProgress>;
  model(hash: string): Promise<LoadedModel>;
}

const REQUEST_MS = 60_000;

/** The fields of a task's public status that the SDK reads. */
interface TaskDocument {
  readonly status?: unknown;
  readonly model?: { readonly hash?: unknown } | null;
  readonly rounds?: { readonly latest?: unknown } | null;
}

/** @throws KindredError `message-invalid` */
function readProgress(document: unknown): TaskProgress {
  const { status, model, rounds } = (document ?? {}) as TaskDocument;
  const modelHash = model?.hash ?? null;
  const round = rounds?.latest ?? 0;
  const hashFits = modelHash === null || (typeof modelHash === "string" && /^[0-9a-f]{64}$/.test(modelHash));
  if (typeof status !== "string" || !hashFits || typeof round !== "number" || !Number.isInteger(round))
    throw new KindredError({
      code: "message-invalid",
      field: "task",
      rule: "must give status, model.hash and rounds.latest",
      fix: "update the side that is older, client or coordinator",
    });
  return { status, modelHash: modelHash as string | null, round };
}

/** Downloads from a coordinator. */
export function httpTaskSource(options: {
  readonly url: string;
  readonly task: string;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
}): TaskSource {
  const { url, task, clock, fetch: get } = options;
  const base = url.replace(/\/+$/, "");

  const download = async (path: string, field: string): Promise<Uint8Array> => {
    const abort = new AbortController();
    const load = async (): Promise<Uint8Array> => {
      let response: Response;
      try {
        response = await get(`${base}${path}`, { signal: abort.signal });
        if (response.ok) return new Uint8Array(await response.arrayBuffer());
      } catch {
        throw new KindredError({
          code: "internal",
          field,
          rule: "could not be downloaded: the coordinator does not answer",
          fix: "check the url and the connection; the device tries again",
        });
      }
      throw downloadFailure(response.status, field);
    };
    return within(load(), { ms: REQUEST_MS, clock, field }).finally(() => abort.abort());
  };

  return {
    async material(kept = {}) {
      let downloaded = 0;
      const get = async (path: string, field: string): Promise<Uint8Array> => {
        const file = await download(path, field);
        downloaded += file.length;
        return file;
      };
      const plan = await get(`/v1/tasks/${encodeURIComponent(task)}/plan`, "plan");
      const { catalogueHash: wanted, featuresHash } = parseSignedPlan(parseJson(plan, "plan")).plan.resolved;
      const blob = (hash: string): Promise<Uint8Array> => get(`/v1/blobs/${hash}`, "catalogue");
      const catalogue =
        kept.catalogue !== undefined && sha256Hex(kept.catalogue) === wanted
          ? kept.catalogue
          : await blob(wanted);
      const features =
        featuresHash === undefined ? {} : { features: await fetchFeatures(featuresHash, { kept, blob }) };
      return { ...readMaterial({ plan, catalogue, ...features }, task), downloaded };
    },
    async progress() {
      return readProgress(parseJson(await download(`/v1/tasks/${encodeURIComponent(task)}`, "task"), "task"));
    },
    model: async (hash) => readModel(await download(`/v1/blobs/${hash}`, "model"), { hash, task }),
  };
}

/** The bundle of that manifest, of kept segments where they are named in it, and of downloaded ones. */
async function fetchFeatures(
  hash: string,
  { kept, blob }: { kept: Partial<MaterialFiles>; blob: (hash: string) => Promise<Uint8Array> },
): Promise<Uint8Array> {
  const past = keptBundle(kept.features);
  const unchanged = past !== undefined && sha256Hex(past.manifest) === hash;
  const manifest = unchanged ? past.manifest : await blob(hash);
  const segments = new Map<string, Uint8Array>();
  for (const { hash: name } of decodeFeatureManifest(manifest, hash).segments)
    segments.set(name, past?.segments.get(name) ?? (await blob(name)));
  return encodeFeatureBundle({ manifest, segments });
}

/** What was kept is a cache: damaged, it is as good as none. */
function keptBundle(file: Uint8Array | undefined): ReturnType<typeof decodeFeatureBundle> | undefined {
  if (file === undefined) return undefined;
  try {
    return decodeFeatureBundle(file);
  } catch (error) {
    if (error instanceof KindredError) return undefined;
    throw error;
  }
}

function downloadFailure(status: number, field: string): KindredError {
  if (status === ERROR_TABLE["task-unknown"].status)
    return new KindredError({
      code: field === "model" || field === "catalogue" ? "not-found" : "task-unknown",
      field,
      rule: "is not known to the coordinator",
      fix: "check the url and the task's id",
    });
  const retry = status >= 500 || status === 429;
  return new KindredError({
    code: retry ? "internal" : "message-invalid",
    field,
    rule: `could not be downloaded: the coordinator answers with status ${status}`,
    fix: retry ? "nothing to do: the device tries again" : "check the url and the task's id",
  });
}

function parseJson(file: Uint8Array, field: "plan" | "catalogue" | "task"): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(file));
  } catch {
    throw new KindredError({
      code:
        field === "plan" ? "plan-invalid" : field === "catalogue" ? "catalogue-invalid" : "message-invalid",
      field,
      rule: "must be JSON in UTF-8",
      fix: "check that the url leads to a coordinator and not to another page",
    });
  }
}

/**
 * Reads plan, catalogue and features, and checks that they belong together and to the task.
 * @throws KindredError `plan-invalid` or `catalogue-invalid`
 */
export function readMaterial(files: MaterialFiles, task: string): TaskMaterial {
  const signed = parseSignedPlan(parseJson(files.plan, "plan"));
  const { resolved } = signed.plan;
  if (signed.plan.task !== task)
    throw new KindredError({
      code: "plan-invalid",
      field: "plan.task",
      rule: "must be the task that was asked for",
      fix: "check the task's id, or the coordinator's address",
    });
  const catalogue = parseCatalogue(parseJson(files.catalogue, "catalogue"));
  if (catalogueHash(catalogue) !== resolved.catalogueHash || catalogue.items.length !== resolved.itemCount)
    throw new KindredError({
      code: "catalogue-invalid",
      field: "catalogue",
      rule: "must have the content hash and the number of items that the plan names",
      fix: "download it again; if it persists, the coordinator serves another catalogue than it signed",
    });
  const index = new Map(catalogue.items.map(({ id }, position) => [id, position]));
  const features = readFeatures(files.features, signed);
  return { signed, catalogue, index, files, downloaded: 0, ...(features && { features }) };
}

/** @throws KindredError `catalogue-invalid` unless the features are those that the plan names */
function readFeatures(file: Uint8Array | undefined, { plan }: SignedPlan): Float32Array | undefined {
  const { featuresHash, catalogueHash: catalogue, itemCount } = plan.resolved;
  if (featuresHash === undefined) return undefined;
  const refuse = (rule: string): never => {
    const fix = "download them again; if it persists, the coordinator serves others than it signed";
    throw new KindredError({ code: "catalogue-invalid", field: "features", rule, fix });
  };
  if (file === undefined) return refuse("must be there: the plan names them");
  const bundle = decodeFeatureBundle(file);
  const manifest = decodeFeatureManifest(bundle.manifest, featuresHash);
  const fits = manifest.catalogue === catalogue && manifest.rowOf.length === itemCount;
  if (!fits || manifest.dimension !== plan.encoder.dimension)
    refuse(`must be of the plan's catalogue and of dimension ${plan.encoder.dimension}`);
  return assembleFeatures(manifest, bundle.segments);
}

/** @throws KindredError `model-invalid` if the file is not the model of that hash and task */
export function readModel(file: Uint8Array, { hash, task }: { hash: string; task: string }): LoadedModel {
  const decoded = decodeModel(file, hash);
  if (!decoded.ok) throw new KindredError(decoded.rejection);
  if (decoded.value.task !== task)
    throw new KindredError({
      code: "model-invalid",
      field: "model.task",
      rule: "must be the task that was asked for",
      fix: "download the model that the task names",
    });
  return { hash, model: decoded.value, file };
}

/** Models kept by a shared source: that of the round under way and the one it leads to. */
const SHARED_MODELS = 2;

/** One source for many clients of the same task in one process: each file is downloaded and decoded once. */
export function sharedTaskSource(source: TaskSource): TaskSource {
  let material: Promise<TaskMaterial> | undefined;
  const models = new Map<string, Promise<LoadedModel>>();
  return {
    material(kept) {
      material ??= source.material(kept).catch((error: unknown) => {
        material = undefined;
        throw error;
      });
      return material;
    },
    progress: () => source.progress(),
    model(hash) {
      const known = models.get(hash);
      if (known !== undefined) return known;
      const loading = source.model(hash).catch((error: unknown) => {
        models.delete(hash);
        throw error;
      });
      models.set(hash, loading);
      for (const old of models.keys()) {
        if (models.size <= SHARED_MODELS) break;
        models.delete(old);
      }
      return loading;
    },
  };
}
