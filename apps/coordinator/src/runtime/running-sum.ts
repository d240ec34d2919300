/** The running sum of a round's masked inputs: memory of one vector, however many clients. */
import { createHash } from "node:crypto";
import { checkPacked, concatBytes, KindredError, type Result, utf8ToBytes } from "@kindred/protocol";
import { PackedSum } from "@kindred/secagg/node";
import type { BlobStore } from "../store/blobs.ts";

/** Ends the header of a spooled vector. */
const NEWLINE = 0x0a;

interface RunningSumOptions {
  readonly task: string;
  readonly bits: number;
  /** Entries of a vector. */
  readonly length: number;
  readonly spool: BlobStore<"spool">;
}

/** One round's sum; every round has a new one. */
export class RunningSum {
  readonly #options: RunningSumOptions;
  /** Packed vectors received but not yet accepted, by name, so that an accepted one need not be read back. */
  readonly #arrived = new Map<string, Uint8Array>();
  /** Vectors in the sum or on their way into it, by name: none is added twice. */
  readonly #added = new Map<string, Promise<void>>();
  /** Allocated with the first vector. */
  #sum: PackedSum | undefined;

  constructor(options: RunningSumOptions) {
    this.#options = options;
  }

  /**
   * The spooled form of a packed masked input. It names task, round and device, so that equal vectors of two devices
   * are two blobs.
   */
  #spooled(packed: Uint8Array, { device, round }: { device: string; round: number }): Uint8Array {
    return concatBytes(utf8ToBytes(`kindred.spool/1 ${this.#options.task} ${round} ${device}\n`), packed);
  }

  /** The name under which a masked input is spooled, without spooling it. */
  nameOf(packed: Uint8Array, sender: { device: string; round: number }): string {
    return createHash("sha256").update(this.#spooled(packed, sender)).digest("hex");
  }

  /** Checks a packed masked input and spools it durably. @returns its name */
  async receive(packed: Uint8Array, sender: { device: string; round: number }): Promise<Result<string>> {
    const { bits, length, spool } = this.#options;
    const checked = checkPacked(packed, { bits, length });
    if (!checked.ok) return checked;
    const name = await spool.put(this.#spooled(packed, sender));
    if (!this.#added.has(name)) this.#arrived.set(name, packed);
    return { ok: true, value: name };
  }

  /** Forgets a vector that was not accepted. */
  async refuse(name: string): Promise<void> {
    this.#arrived.delete(name);
    if (!this.#added.has(name)) await this.#options.spool.delete(name);
  }

  /** Adds an accepted vector, once. @throws KindredError `internal` if its spooled bytes are gone */
  add(name: string): Promise<void> {
    const known = this.#added.get(name);
    if (known !== undefined) return known;
    const adding = this.#add(name);
    this.#added.set(name, adding);
    // One that could not be added is no part of the sum; whoever needs it tries again.
    adding.catch(() => this.#added.delete(name));
    return adding;
  }

  async #add(name: string): Promise<void> {
    const packed = this.#arrived.get(name) ?? (await this.#read(name));
    this.#arrived.delete(name);
    this.#sum ??= new PackedSum(this.#options);
    this.#sum.add(packed);
  }

  async #read(name: string): Promise<Uint8Array> {
    const { bits, length, spool } = this.#options;
    const blob = await spool.get(name);
    const packed = blob?.subarray(blob.indexOf(NEWLINE) + 1);
    if (packed !== undefined && checkPacked(packed, { bits, length }).ok) return packed;
    throw new KindredError({
      code: "internal",
      field: "spool",
      rule: "must hold every accepted vector",
      fix: "restore the data folder; the round fails and the next one starts",
    });
  }

  /** A copy of the running sum, masks and all. */
  masked(): Uint32Array {
    return this.#sum?.total() ?? new Uint32Array(this.#options.length);
  }

  /** Removes the round's vectors, those named and whatever else has arrived, from the spool. */
  async discard(vectors: readonly string[]): Promise<void> {
    const stale = new Set([...this.#arrived.keys(), ...this.#added.keys(), ...vectors]);
    this.#arrived.clear();
    for (const name of stale) await this.#options.spool.delete(name);
  }
}
