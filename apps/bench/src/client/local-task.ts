/** A task on one device without a coordinator: public files made here, so that only local work is measured. */

import { randomBytes } from "node:crypto";
import { createClient, createEncoderRuntime, type KindredClient, memoryStore } from "@kindred/client";
import { normaliseRows } from "@kindred/clustering";
import { type Backend, encoderLayout, initialWeights, itemFeatures, trainableLayout } from "@kindred/encoder";
import { itemVectors } from "@kindred/encoder/features";
import { publicClusters, resolvePlan } from "@kindred/engine";
import {
  bytesToHex,
  type Catalogue,
  canonicalJson,
  catalogueHash,
  encodeModel,
  type ModelSignals,
  modelHash,
  type Plan,
  type PlanInput,
  parsePlanInput,
  planSigningText,
  utf8ToBytes,
} from "@kindred/protocol";
import { nodeSuite } from "@kindred/secagg/node";
import { madeUpSignals } from "./made-up-signals.ts";

/** Tags of the made-up catalogue; an item bears two of them. */
const TAGS = 40;

/** Items of which every tag has about as many. */
function madeUpCatalogue(items: number): Catalogue {
  return {
    schema: "kindred.catalogue/1",
    items: Array.from({ length: items }, (_, i) => ({
      id: `item-${i}`,
      title: `Title ${i} of series ${i % 500}`,
      tags: [`topic ${i % TAGS}`, `style ${(i * 7) % 11}`],
    })),
  };
}

/** A task whose public files are made here. */
export interface LocalTask {
  /** A client of its own, started and offline, without a record. */
  open(): Promise<KindredClient>;
  dispose(): Promise<void>;
}

/** A client with the default plan, its initial weights and clusters, and made-up signals, started and offline. */
export async function localClient(options: {
  readonly backend: Backend;
  readonly items: number;
  readonly clusters: number;
}): Promise<{ readonly client: KindredClient; readonly dispose: () => Promise<void> }> {
  const plan = parsePlanInput({
    task: "bench",
    clustering: { clusters: options.clusters },
    signals: { popularity: {}, transitions: {} },
  });
  const catalogue = madeUpCatalogue(options.items);
  const task = await localTask({ backend: options.backend, catalogue, plan, signals: madeUpSignals });
  return { client: await task.open(), dispose: () => task.dispose() };
}

/**
 * A task of a plan and a catalogue, after its last round.
 * @param options.weights the encoder's; its initial ones by default
 * @param options.signals what its rounds collected; nothing by default
 */
export async function localTask(options: {
  readonly backend: Backend;
  readonly catalogue: Catalogue;
  readonly plan: PlanInput;
  readonly weights?: Float32Array;
  readonly signals?: (plan: Plan) => ModelSignals;
}): Promise<LocalTask> {
  const { backend, catalogue, plan: input } = options;
  const suite = nodeSuite();
  const key = suite.signingKeyPair(randomBytes(32));
  const rows = catalogue.items.length;
  const plan = resolvePlan(input, {
    coordinatorKey: bytesToHex(key.publicKey),
    catalogueHash: catalogueHash(catalogue),
    itemCount: rows,
    modelLength: trainableLayout(encoderLayout(input.encoder, rows, input.training), input.training).length,
  });
  const { encoder: shape, training } = plan;
  const weights = options.weights ?? initialWeights(shape, rows, training);
  const features = itemFeatures(catalogue.items, shape);
  const data = itemVectors(weights, { features, shape, training });
  const units = normaliseRows({ rows, columns: shape.dimension, data });
  const model = {
    task: plan.task,
    round: 2,
    parent: "",
    weights,
    ...(options.signals === undefined ? {} : { signals: options.signals(plan) }),
    ...publicClusters({
      options: plan.clustering,
      seed: shape.seed,
      cells: plan.resolved.blocks[1]!.length,
      items: { items: catalogue.items, units },
    }),
  };
  const file = encodeModel(model);
  const hash = modelHash(file);
  const signed = {
    plan,
    signature: bytesToHex(suite.sign(utf8ToBytes(planSigningText(plan)), key.secretKey)),
  };
  const index = new Map(catalogue.items.map(({ id }, i) => [id, i]));
  const files = {
    plan: utf8ToBytes(JSON.stringify(signed)),
    catalogue: utf8ToBytes(canonicalJson(catalogue)),
  };
  const encoder = await createEncoderRuntime({ plan, catalogue, backend });
  return {
    async open() {
      const client = await createClient({
        url: "https://bench.invalid",
        task: plan.task,
        store: memoryStore(),
        encoder,
        suite,
        random: (length) => randomBytes(length),
        source: {
          material: async () => ({ signed, catalogue, index, files, downloaded: 0 }),
          progress: async () => ({ status: "running", modelHash: hash, round: 0 }),
          model: async () => ({ hash, model, file }),
        },
      });
      await client.start();
      return client;
    },
    dispose: () => encoder.dispose(),
  };
}
