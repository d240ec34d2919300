/** The running sum of a round's masked inputs: memory of one vector, however many clients. */

import { KindredError, type Result, unpackBits } from "@kindred/protocol";
import { addInto, applyMasks, type CryptoSuite, type MaskJob } from "@kindred/secagg";
import type { BlobStore } from "../store/blobs.ts";

export class RunningSum {
  readonly #bits: number;
  readonly #length: number;
  readonly #spool: BlobStore<"spool">;
  /** Vectors received but not yet accepted, by name, so that an accepted one need not be read back. */
  readonly #arrived = new Map<string, Uint32Array>();
  #sum: Uint32Array;
  #added = new Set<string>();

  constructor({ bits, length, spool }: { bits: number; length: number; spool: BlobStore<"spool"> }) {
    this.#bits = bits;
    this.#length = length;
    this.#spool = spool;
    this.#sum = new Uint32Array(length);
  }

  /** Checks a packed masked input and spools it durably. @returns its name */
  async receive(packed: Uint8Array): Promise<Result<string>> {
    const unpacked = unpackBits(packed, { bits: this.#bits, length: this.#length });
    if (!unpacked.ok) return unpacked;
    const name = await this.#spool.put(packed);
    this.#arrived.set(name, unpacked.value);
    return { ok: true, value: name };
  }

  /** Forgets a vector that was not accepted. */
  async refuse(name: string): Promise<void> {
    this.#arrived.delete(name);
    if (!this.#added.has(name)) await this.#spool.delete(name);
  }

  /** Adds an accepted vector, once. @throws KindredError `internal` if its spooled bytes are gone */
  async add(name: string): Promise<void> {
    if (this.#added.has(name)) return;
    this.#added.add(name);
    const vector = this.#arrived.get(name) ?? (await this.#read(name));
    this.#arrived.delete(name);
    addInto(this.#sum, vector, this.#bits);
  }

  async #read(name: string): Promise<Uint32Array> {
    const packed = await this.#spool.get(name);
    const unpacked =
      packed === undefined ? undefined : unpackBits(packed, { bits: this.#bits, length: this.#length });
    if (unpacked?.ok) return unpacked.value;
    throw new KindredError({
      code: "internal",
      field: "spool",
      rule: `must hold the accepted vector ${name}`,
      fix: "restore the data folder; the round fails and the next one starts",
    });
  }

  /** The plain sum: the running sum with the job's masks taken off. */
  unmask(job: MaskJob, suite: CryptoSuite): Uint32Array {
    const sum = this.#sum.slice();
    applyMasks(sum, job, suite.maskStream);
    return sum;
  }

  /** Starts the next round's sum and removes this one's vectors from the spool. */
  async discard(vectors: readonly string[]): Promise<void> {
    const stale = new Set([...this.#arrived.keys(), ...this.#added, ...vectors]);
    this.#arrived.clear();
    this.#added = new Set();
    this.#sum = new Uint32Array(this.#length);
    for (const name of stale) await this.#spool.delete(name);
  }
}
