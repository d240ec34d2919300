/**
 * Chooses and starts the best tensor backend that loads: native TensorFlow in Node, then WebAssembly, then
 * plain JavaScript.
 */
import { KindredError } from "@kindred/protocol";
import * as tfcore from "@tensorflow/tfjs-core";

export type BackendName = "tensorflow" | "wasm" | "cpu";

/** The part of a tfjs namespace that the encoder uses. */
export type TensorLibrary = Pick<
  typeof tfcore,
  "tensor1d" | "tensor2d" | "matMul" | "add" | "softmax" | "gatherND" | "memory" | "getBackend" | "setBackend"
>;

export interface Backend {
  readonly name: BackendName;
  readonly tf: TensorLibrary;
}

export interface BackendOptions {
  /** Folder or URL prefix of the three .wasm files; in Node they are found beside the package. */
  readonly wasmPath?: string;
}

const LOADERS: Record<BackendName, (options: BackendOptions) => Promise<TensorLibrary>> = {
  async tensorflow() {
    // The name is held back from bundlers: the package is optional and works in Node only.
    const name: string = "@tensorflow/tfjs-node";
    const library = (await import(/* @vite-ignore */ name)) as typeof tfcore & { default?: typeof tfcore };
    const tf = library.default ?? library;
    if (!(await tf.setBackend("tensorflow"))) throw new Error("the native backend did not start");
    return tf;
  },
  async wasm({ wasmPath }) {
    const wasm = await import("@tensorflow/tfjs-backend-wasm");
    const path = wasmPath ?? (await nodeWasmFolder());
    if (path !== undefined) wasm.setWasmPaths(path);
    return start("wasm");
  },
  async cpu() {
    await import("@tensorflow/tfjs-backend-cpu");
    return start("cpu");
  },
};

async function start(name: string): Promise<TensorLibrary> {
  if (!(await quietly(() => tfcore.setBackend(name)))) throw new Error(`backend ${name} did not start`);
  await tfcore.ready();
  return tfcore;
}

/** tfjs reports on the console; libraries must not. `prod` mode silences it and skips its checks. */
async function quietly<T>(action: () => Promise<T>): Promise<T> {
  tfcore.env().set("PROD", true);
  return action();
}

/** Folder of the .wasm files inside the installed package, or undefined outside Node. */
async function nodeWasmFolder(): Promise<string | undefined> {
  if (typeof process === "undefined" || process.versions?.node === undefined) return undefined;
  const name: string = "node:module";
  const { createRequire } = (await import(/* @vite-ignore */ name)) as typeof import("node:module");
  const entry = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
  return entry.slice(0, Math.max(entry.lastIndexOf("/"), entry.lastIndexOf("\\")) + 1);
}

/**
 * Loads a backend and makes it the active one of its tfjs namespace.
 *
 * @param preferred try this one first; the others follow in the order tensorflow, wasm, cpu
 * @throws KindredError `internal` when none loads
 */
export async function loadBackend(preferred?: BackendName, options: BackendOptions = {}): Promise<Backend> {
  const order: BackendName[] = ["tensorflow", "wasm", "cpu"];
  if (preferred) order.unshift(...order.splice(order.indexOf(preferred), 1));
  for (const name of order) {
    try {
      return { name, tf: await LOADERS[name](options) };
    } catch {
      // Expected where a backend is not installed or not supported: the next one is tried.
    }
  }
  throw new KindredError({
    code: "internal",
    field: "backend",
    rule: "could not be started: neither tensorflow, wasm nor cpu loads",
    fix: "install @tensorflow/tfjs-core and @tensorflow/tfjs-backend-cpu",
  });
}
