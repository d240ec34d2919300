/** Computes a release from the running sum and stores its blobs: what the machine's `aggregate` output asks for. */
import { itemFeatures } from "@kindred/encoder/features";
import { encoderLayout, trainableLayout } from "@kindred/encoder/layout";
import {
  computeRelease,
  initialOptimiserState,
  type OptimiserState,
  type Release,
  releaseFigures,
  type TaskOutput,
} from "@kindred/engine";
import { decodeModel, encodeModel, type Model, type Plan, parseCatalogue } from "@kindred/protocol";
import type { BlobStores } from "../store/blobs.ts";
import type { Database } from "../store/database.ts";
import { storedFeatures } from "./initial-files.ts";
import { itemDescriber } from "./item-describer.ts";
import { decodeServerState, encodeServerState } from "./server-state-file.ts";

type AggregateOutput = Extract<TaskOutput, { type: "aggregate" }>;

export class ReleaseRunner {
  readonly #database: Database;
  readonly #blobs: BlobStores;
  readonly #plan: Plan;
  #describe: Promise<ReturnType<typeof itemDescriber>> | undefined;
  /** Optimiser state before the release under way. */
  #superseded: string | undefined;

  constructor({ database, blobs, plan }: { database: Database; blobs: BlobStores; plan: Plan }) {
    this.#database = database;
    this.#blobs = blobs;
    this.#plan = plan;
  }

  /**
   * @param recovered.sum the plain sum of the survivors' vectors
   * @param recovered.kept survivors whose surplus noise is still in it
   */
  async run(
    { round, sid, survivors }: AggregateOutput,
    { sum, kept }: { readonly sum: Uint32Array; readonly kept: number },
  ): Promise<Release> {
    const plan = this.#plan;
    const { parent, parentHash, optimiserHash } = await this.#latest();
    this.#superseded = optimiserHash;
    const layout = encoderLayout(plan.encoder, plan.resolved.itemCount, plan.training);
    const trained = trainableLayout(layout, plan.training);
    const optimiser =
      optimiserHash === undefined
        ? initialOptimiserState(trained.length)
        : await this.#optimiser(optimiserHash);
    const release = computeRelease({
      plan,
      sid,
      round,
      survivors,
      kept,
      sum,
      parent,
      parentHash,
      optimiser,
      segments: trained.tensors,
      describe: await this.#describer(),
    });
    const modelHash = await this.#blobs.released.put(encodeModel(release.model));
    const stored = await this.#blobs.spool.put(
      encodeServerState(release.optimiser, { task: plan.task, round }),
    );
    return { modelHash, optimiserHash: stored, ...releaseFigures(release) };
  }

  /** A release is durable: the optimiser state before it is not needed again. */
  async published({ optimiserHash }: { readonly optimiserHash: string }): Promise<void> {
    const superseded = this.#superseded;
    this.#superseded = undefined;
    if (superseded !== undefined && superseded !== optimiserHash) await this.#blobs.spool.delete(superseded);
  }

  /** Text features take about a second per 10,000 items: once per run of the coordinator. */
  #describer(): Promise<ReturnType<typeof itemDescriber>> {
    this.#describe ??= this.#loadDescriber().catch((error: unknown) => {
      this.#describe = undefined;
      throw error;
    });
    return this.#describe;
  }

  async #loadDescriber(): Promise<ReturnType<typeof itemDescriber>> {
    const plan = this.#plan;
    const file = await this.#blobs.released.get(plan.resolved.catalogueHash);
    if (file === undefined) throw new Error(`the catalogue of ${plan.task} is missing from the blob store`);
    const catalogue = parseCatalogue(JSON.parse(new TextDecoder().decode(file)));
    const { featuresHash } = plan.resolved;
    const features =
      featuresHash === undefined
        ? itemFeatures(catalogue.items, plan.encoder)
        : await storedFeatures(this.#blobs.released, featuresHash);
    return itemDescriber({ plan, catalogue, features });
  }

  async #latest(): Promise<{ parent: Model; parentHash: string; optimiserHash: string | undefined }> {
    const { task } = this.#plan;
    const { model, optimiser } = await this.#database.tx("read latest model", async ({ models }) => ({
      model: await models.current(task),
      optimiser: await models.optimiser(task),
    }));
    const file = model === undefined ? undefined : await this.#blobs.released.get(model.hash);
    if (model === undefined || file === undefined)
      throw new Error(`the latest model of ${task} is missing from the blob store`);
    const parent = decodeModel(file, model.hash);
    if (!parent.ok) throw new Error(`the latest model of ${task} is damaged: ${parent.rejection.rule}`);
    return { parent: parent.value, parentHash: model.hash, optimiserHash: optimiser?.blobHash };
  }

  async #optimiser(hash: string): Promise<OptimiserState> {
    const bytes = await this.#blobs.spool.get(hash);
    if (bytes === undefined)
      throw new Error(`the optimiser state of ${this.#plan.task} is missing from the blob store`);
    return decodeServerState(bytes);
  }
}
