/** The SDK in Node: files for storage, native cryptography, the best tensor backend that loads. */
import { randomBytes } from "node:crypto";
import { type BackendName, loadBackend } from "@kindred/encoder";
import { nodeMaskStream, nodeSuite } from "@kindred/secagg/node";
import { createClient, type KindredClient } from "./client.ts";
import type { ClientOptions } from "./client-options.ts";
import { createEncoderRuntime } from "./encoder-runtime.ts";
import { type FileStoreOptions, fileStore, type StoreKey } from "./file-store.ts";

export { fileStore, type StoreKey };

/** What Node brings: native suite, secure randomness, AES for the privacy noise. */
export function nodeDefaults(): Required<Pick<ClientOptions, "suite" | "random" | "keystream">> {
  return {
    suite: nodeSuite(),
    random: (length) => new Uint8Array(randomBytes(length)),
    keystream: nodeMaskStream,
  };
}

/** `url` and `task` as in `ClientOptions`; the rest has defaults. */
export interface NodeClientOptions
  extends Omit<ClientOptions, "store" | "encoder" | "suite" | "random">,
    FileStoreOptions {
  /** One per person; made if need be. */
  readonly directory: string;
  /** Tensor backend to try first. */
  readonly backend?: BackendName;
}

/**
 * Opens a client that keeps its data in a directory and loads everything else by itself.
 *
 * ```ts
 * const client = await createNodeClient({ url: "https://kindred.example", task: "films", directory: "./kindred" });
 * ```
 */
export function createNodeClient(options: NodeClientOptions): Promise<KindredClient> {
  const { directory, storeKey, adoptUnsealed, backend, ...rest } = options;
  return createClient({
    ...nodeDefaults(),
    ...rest,
    store: fileStore(directory, { storeKey, adoptUnsealed }),
    encoder: async (task) => createEncoderRuntime({ ...task, backend: await loadBackend(backend) }),
  });
}
