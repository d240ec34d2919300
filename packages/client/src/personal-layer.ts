/**
 * A person's own parameters on this device: between the encoder's answer and everything that is made of it here. They are
 * kept in the client's store, and are no part of a contribution: what a device contributes is computed without them.
 */
import { type PersonalParameters, personalise } from "@kindred/encoder";
import type { ClientStore } from "./store.ts";

/** What is kept, as JSON. */
interface PersonalDocument {
  readonly schema: "kindred.personal/1";
  /** Digest of the plan whose encoder they fit, 64 hexadecimal digits. */
  readonly plan: string;
  readonly parameters: {
    readonly dimension: number;
    readonly affine: boolean;
    readonly rank: number;
    /** See `PersonalParameters.values`. */
    readonly values: readonly number[];
  } | null;
}

export class PersonalLayer {
  readonly #store: Pick<ClientStore, "readCached" | "writeCached">;
  #parameters: PersonalParameters | undefined;

  constructor(store: Pick<ClientStore, "readCached" | "writeCached">) {
    this.#store = store;
  }

  /** Takes up what was kept for a plan; what was kept for another one fits no longer. */
  async load(plan: { readonly digest: string; readonly dimension: number }): Promise<void> {
    const file = await this.#store.readCached("personal");
    this.#parameters = file === undefined ? undefined : readParameters(file, plan);
  }

  /** Replaces the parameters, here and in the store; `undefined` for none. */
  async keep(parameters: PersonalParameters | undefined, digest: string): Promise<void> {
    const document: PersonalDocument = {
      schema: "kindred.personal/1",
      plan: digest,
      parameters: parameters === undefined ? null : { ...parameters, values: [...parameters.values] },
    };
    await this.#store.writeCached("personal", new TextEncoder().encode(JSON.stringify(document)));
    this.#parameters = parameters;
  }

  /** The encoder's answers as they are for this person, rows × d. */
  apply(vectors: Float32Array): Float32Array {
    return this.#parameters === undefined ? vectors : personalise(vectors, this.#parameters);
  }
}

/** `undefined` for what is of another plan or not readable: it is fitted again, so nothing is lost. */
function readParameters(
  file: Uint8Array,
  { digest, dimension }: { digest: string; dimension: number },
): PersonalParameters | undefined {
  try {
    const { schema, plan, parameters } = JSON.parse(new TextDecoder().decode(file)) as PersonalDocument;
    if (schema !== "kindred.personal/1" || plan !== digest || parameters === null) return undefined;
    const { affine, rank, values } = parameters;
    const length = (affine ? 2 * dimension : 0) + 2 * dimension * rank;
    const fits = parameters.dimension === dimension && values.length === length;
    return fits && values.every(Number.isFinite)
      ? { dimension, affine, rank, values: Float32Array.from(values) }
      : undefined;
  } catch {
    return undefined;
  }
}
