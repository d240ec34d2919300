/** A task as one device holds it: verified plan, catalogue, encoder, the newest model, and the person's own parameters. */
import { DEFAULT_PRIVACY_FLOORS, type PrivacyFloors, verifyPlan } from "@kindred/engine";
import {
  type Catalogue,
  ERROR_TABLE,
  KindredError,
  modelHash,
  type Plan,
  planDigest,
} from "@kindred/protocol";
import type { CryptoSuite } from "@kindred/secagg";
import { Backoff, type Clock } from "./clock.ts";
import { checkModelShape } from "./contribution.ts";
import type { EncoderFactory } from "./encoder-factory.ts";
import type { EncoderRuntime, ModelWeights } from "./encoder-runtime.ts";
import { checkNames } from "./item-space.ts";
import { PersonalLayer } from "./personal-layer.ts";
import type { ClientStore } from "./store.ts";
import {
  type LoadedModel,
  type MaterialFiles,
  readMaterial,
  readModel,
  type TaskMaterial,
  type TaskSource,
} from "./task-source.ts";

/** Plan, catalogue and encoder, all verified. */
export interface ReadyTask extends TaskMaterial {
  readonly plan: Plan;
  /** 64 hexadecimal digits. */
  readonly digest: string;
  readonly encoder: EncoderRuntime;
}

export interface LocalTaskOptions {
  readonly task: string;
  readonly source: TaskSource;
  readonly store: ClientStore;
  readonly encoder: EncoderRuntime | EncoderFactory;
  readonly suite: Pick<CryptoSuite, "verify">;
  readonly floors: Partial<PrivacyFloors>;
  readonly clock: Clock;
  readonly random: (length: number) => Uint8Array;
  /** Told the bytes of each file that was obtained. */
  readonly received: (bytes: number) => void;
}

/** Attempts to obtain a file before its absence is reported. */
const ATTEMPTS = 4;

export class LocalTask {
  /** The person's own parameters for the task's plan. */
  readonly personal: PersonalLayer;
  readonly #options: LocalTaskOptions;
  #ready: ReadyTask | undefined;
  #model: LoadedModel | undefined;
  #wanted: string | undefined;
  #loading: { readonly hash: string; readonly loaded: Promise<LoadedModel> } | undefined;
  #closed = false;

  constructor(options: LocalTaskOptions) {
    this.#options = options;
    this.personal = new PersonalLayer(options.store);
  }

  /** `undefined` until it is loaded. */
  get ready(): ReadyTask | undefined {
    return this.#ready;
  }

  /** Content hash of the model in use. */
  get modelHash(): string | undefined {
    return this.#model?.hash;
  }

  /** Whether nothing may be kept in the store any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Keeps nothing in the store from now on. */
  close(): void {
    this.#closed = true;
  }

  /**
   * Obtains and verifies everything. Where the coordinator cannot be reached, what was kept has to do.
   * @throws KindredError of the plan's, catalogue's or model's fault, or `internal` where nothing was kept
   */
  async load(): Promise<void> {
    const { store, suite, task, floors } = this.#options;
    const { material, kept } = await this.#material();
    const verified = verifyPlan(material.signed, { floors: { ...DEFAULT_PRIVACY_FLOORS, ...floors }, suite });
    if (!verified.ok) throw new KindredError(verified.rejection);
    const plan = verified.value;
    const digest = planDigest(plan);
    if (!kept) await this.#keep(material.files);
    const { encoder: given } = this.#options;
    const encoder =
      typeof given === "function"
        ? await given({
            plan,
            catalogue: material.catalogue,
            ...(material.features && { features: material.features }),
          })
        : given;
    if (this.#ready?.digest !== digest)
      this.#model = keptModel(await store.readCached("model"), { task, plan, catalogue: material.catalogue });
    this.#ready = { ...material, plan, digest, encoder };
    await this.personal.load({ digest, dimension: plan.encoder.dimension });
    try {
      await this.refresh();
    } catch (error) {
      if (isTransient(error) && this.#model !== undefined) return;
      this.#ready = undefined;
      throw error;
    }
  }

  /** Looks for a newer model. */
  async refresh(): Promise<void> {
    const { modelHash: hash } = await this.#retry(() => this.#options.source.progress());
    if (hash !== null) await this.adopt(hash);
  }

  /**
   * The model of that hash; it becomes the one in use if no other was asked for later.
   * @throws KindredError `model-invalid` if it is not the model of that hash, task and plan
   */
  adopt(hash: string): Promise<LoadedModel> {
    if (this.#model?.hash === hash) return Promise.resolve(this.#model);
    this.#wanted = hash;
    if (this.#loading?.hash === hash) return this.#loading.loaded;
    const loaded = this.#obtain(hash).finally(() => {
      if (this.#loading?.hash === hash) this.#loading = undefined;
    });
    this.#loading = { hash, loaded };
    return loaded;
  }

  /**
   * What answers about a person are made from.
   * @throws KindredError `option-invalid` before the task is loaded
   */
  inUse(): { ready: ReadyTask; model: LoadedModel; weights: ModelWeights } {
    const ready = this.#ready;
    const model = this.#model;
    if (ready === undefined || model === undefined)
      throw new KindredError({
        code: "option-invalid",
        field: "client",
        rule: "must be started before it can look at interests",
        fix: "await client.start() first",
      });
    return { ready, model, weights: { hash: model.hash, weights: model.model.weights } };
  }

  /** Plan and catalogue from the coordinator, or those kept where it cannot be reached. */
  async #material(): Promise<{ material: TaskMaterial; kept: boolean }> {
    const { store, task, source, received } = this.#options;
    const [catalogue, built] = await Promise.all([
      store.readCached("catalogue"),
      store.readCached("features"),
    ]);
    const features = built && { features: built };
    try {
      const material = await this.#retry(() =>
        source.material({ ...(catalogue && { catalogue }), ...features }),
      );
      received(material.downloaded);
      return { material, kept: false };
    } catch (error) {
      if (!isTransient(error)) throw error;
      const plan = await store.readCached("plan");
      if (plan === undefined || catalogue === undefined) throw error;
      return { material: readMaterial({ plan, catalogue, ...features }, task), kept: true };
    }
  }

  /** Keeps the public files for the next start. */
  async #keep(files: MaterialFiles): Promise<void> {
    const { store } = this.#options;
    for (const name of ["plan", "catalogue", "features"] as const) {
      const file = files[name];
      if (file !== undefined && !this.#closed) await store.writeCached(name, file);
    }
  }

  async #obtain(hash: string): Promise<LoadedModel> {
    const { source, store, received } = this.#options;
    const loaded = await this.#retry(() => source.model(hash));
    received(loaded.file.length);
    if (this.#ready !== undefined) {
      checkModelShape(loaded, this.#ready.plan);
      checkNames(loaded.model, this.#ready.catalogue);
    }
    if (this.#wanted === hash && !this.#closed) {
      this.#model = loaded;
      await store.writeCached("model", loaded.file);
    }
    return loaded;
  }

  /** What failed for a passing reason is tried again a few times, with growing pauses. */
  async #retry<T>(action: () => Promise<T>): Promise<T> {
    const { clock, random } = this.#options;
    const backoff = new Backoff(random);
    for (let attempt = 1; ; attempt++) {
      try {
        return await action();
      } catch (error) {
        if (!isTransient(error) || attempt === ATTEMPTS || this.#closed) throw error;
      }
      await new Promise<void>((resolve) => {
        clock.setTimer(backoff.next(), resolve);
      });
    }
  }
}

/** The model kept from the last run, if it still fits the plan. */
function keptModel(
  file: Uint8Array | undefined,
  { task, plan, catalogue }: { task: string; plan: Plan; catalogue: Catalogue },
): LoadedModel | undefined {
  if (file === undefined) return undefined;
  try {
    const loaded = readModel(file, { hash: modelHash(file), task });
    checkModelShape(loaded, plan);
    checkNames(loaded.model, catalogue);
    return loaded;
  } catch (error) {
    if (error instanceof KindredError) return undefined;
    throw error;
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof KindredError && ERROR_TABLE[error.code].retry;
}
