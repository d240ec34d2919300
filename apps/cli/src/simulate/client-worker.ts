/**
 * A worker thread full of devices: every one a real SDK client with a store, an identity and a socket of its own; they
 * share the thread's encoder and downloads, as tabs of one browser would.
 */
import { parentPort, workerData } from "node:worker_threads";
import {
  type ClientOptions,
  createClient,
  createEncoderRuntime,
  httpTaskSource,
  type KindredClient,
  memoryStore,
  sharedTaskSource,
  systemClock,
  type TensorEncoderRuntime,
} from "@kindred/client";
import { nodeDefaults } from "@kindred/client/node";
import { publicRandom } from "@kindred/clustering";
import type { Interaction } from "@kindred/simulator";
import { StopWatch } from "./stop-watch.ts";
import { vanishingTransport } from "./vanishing-transport.ts";

/** What the main thread asks of a worker. */
export interface ClientWorkerInput {
  readonly url: string;
  readonly task: string;
  readonly clients: readonly { readonly seed: number; readonly interactions: readonly Interaction[] }[];
  readonly ratingScale: number;
  readonly dropout: number;
  /** Milliseconds a vanished client stays away. */
  readonly absence: number;
  /** Largest ε the devices accept; `null` where the plan has no noise. */
  readonly maximumEpsilon: number | null;
  readonly minimumSurvivors: number;
}

/** What a worker reports. Nothing in it is personal except in that it is a simulation: sums of its own devices. */
export type ClientWorkerReport =
  | { readonly type: "ready"; readonly backend: string }
  | { readonly type: "refused"; readonly code: string; readonly rule: string }
  | { readonly type: "finished"; readonly statistics: ClientStatistics };

/** Figures of a worker's devices. */
export interface ClientStatistics {
  readonly participations: number;
  /** Milliseconds, summed over participations. */
  readonly train: number;
  readonly encode: number;
  readonly crypto: number;
  /** Sum of the unclipped updates that left the initial model, and their number. */
  readonly firstUpdate: Float64Array | undefined;
  readonly firstUpdates: number;
}

const input = workerData as ClientWorkerInput;
const port = parentPort!;
const report = (message: ClientWorkerReport): void => port.postMessage(message);

const watch = new StopWatch();
let participations = 0;
let firstModel: string | undefined;
let firstUpdate: Float64Array | undefined;
let firstUpdates = 0;

/** Measures the shared encoder, and adds up the updates of the first round to say how loud the noise is beside them. */
function observed(runtime: TensorEncoderRuntime): TensorEncoderRuntime {
  return {
    ...runtime,
    train: (model, options) =>
      watch.measure("train", async () => {
        const result = await runtime.train(model, options);
        firstModel ??= model.hash;
        if (model.hash === firstModel) {
          firstUpdate ??= new Float64Array(result.delta.length);
          for (let i = 0; i < firstUpdate.length; i++) firstUpdate[i]! += result.delta[i]!;
          firstUpdates++;
        }
        return result;
      }),
    userVectors: (model, sequences) => watch.measure("train", () => runtime.userVectors(model, sequences)),
  };
}

async function start(): Promise<KindredClient[]> {
  const defaults = nodeDefaults();
  const suite = watch.suite(defaults.suite);
  const source = sharedTaskSource(
    httpTaskSource({ url: input.url, task: input.task, clock: systemClock, fetch }),
  );
  let runtime: Promise<TensorEncoderRuntime> | undefined;
  const encoder: ClientOptions["encoder"] = (task) => {
    runtime ??= createEncoderRuntime(task).then(observed);
    return runtime;
  };
  const clients: KindredClient[] = [];
  let open = input.clients.length;
  for (const { seed, interactions } of input.clients) {
    const client = await createClient({
      ...defaults,
      suite,
      url: input.url,
      task: input.task,
      store: memoryStore(),
      encoder,
      source,
      floors: {
        maximumEpsilon: input.maximumEpsilon ?? Number.POSITIVE_INFINITY,
        minimumSurvivors: input.minimumSurvivors,
      },
      transport: vanishingTransport({
        random: publicRandom(seed),
        dropout: input.dropout,
        absence: input.absence,
        clock: systemClock,
      }),
      onEvent: (event) => {
        if (event.type === "contributed") {
          participations++;
          watch.add("encode", event.encodeMs);
        }
        if (event.type === "refused")
          report({ type: "refused", code: event.rejection.code, rule: event.rejection.rule });
        if (event.type === "stopped")
          report({ type: "refused", code: event.rejection.code, rule: event.rejection.rule });
        if (event.type === "finished" || event.type === "stopped") {
          open--;
          if (open === 0) finish();
        }
      },
    });
    for (const { rating, ...interaction } of interactions)
      await client.record({
        ...interaction,
        ...(rating === undefined ? {} : { rating: rating / input.ratingScale }),
      });
    await client.consent.grant();
    clients.push(client);
  }
  await Promise.all(clients.map((client) => client.start()));
  report({ type: "ready", backend: (await runtime)?.backend ?? "none" });
  return clients;
}

function finish(): void {
  const { train, encode, crypto } = watch.totals;
  report({
    type: "finished",
    statistics: { participations, train, encode, crypto, firstUpdate, firstUpdates },
  });
}

const running = start();
running.catch((error: unknown) => {
  // Becomes the worker's `error` event in the main thread.
  setImmediate(() => {
    throw error;
  });
});
port.on("message", (message: unknown) => {
  if (message !== "stop") return;
  void running
    .then((clients) => Promise.all(clients.map((client) => client.stop())))
    .then(() => {
      finish();
      port.close();
    });
});
