/** The SDK in a browser: IndexedDB for storage, portable cryptography, the best tensor backend that loads. */
import { loadBackend } from "@kindred/encoder";
import { webNative, webSuite } from "@kindred/secagg/web";
import { type BrowserStoreOptions, browserStore } from "./browser-store.ts";
import { createClient, type KindredClient } from "./client.ts";
import type { ClientOptions } from "./client-options.ts";
import { createEncoderRuntime } from "./encoder-runtime.ts";

export { browserStore };

/** What every browser brings, without WebCrypto's asynchronous calls: the portable suite and secure randomness. */
export function browserDefaults(): Pick<ClientOptions, "suite" | "random"> {
  return {
    suite: webSuite(),
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  };
}

/** `url` and `task` as in `ClientOptions`; the rest has defaults. */
export interface BrowserClientOptions
  extends Omit<ClientOptions, "store" | "encoder" | "suite" | "random">,
    BrowserStoreOptions {
  /** Folder or URL prefix of the .wasm files of `@tensorflow/tfjs-backend-wasm`. */
  readonly wasmPath: string;
  /** Name of the IndexedDB database, `kindred` by default; one per person who uses the device. */
  readonly database?: string;
}

/**
 * Opens a client that keeps its data in IndexedDB and loads everything else by itself.
 */
export async function createBrowserClient(options: BrowserClientOptions): Promise<KindredClient> {
  const { wasmPath, database, adoptUnsealed, ...rest } = options;
  return createClient({
    ...browserDefaults(),
    native: await webNative(),
    ...rest,
    store: browserStore(database, { adoptUnsealed }),
    encoder: async (task) =>
      createEncoderRuntime({ ...task, backend: await loadBackend("wasm", { wasmPath }) }),
  });
}
