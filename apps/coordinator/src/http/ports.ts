/** What the HTTP interface needs of the coordinator, and nothing more. Records are those of the store. */
import type { Readable } from "node:stream";
import type { ByteRange } from "../store/blobs.ts";
import type { LedgerRecord } from "../store/ledger.ts";
import type { ModelRecord, RoundRecord, TaskRecord } from "../store/stores.ts";

/** A blob that anyone may download. */
export interface PublicBlob {
  /** Bytes. */
  readonly size: number;
  /** The whole blob, or a range that lies within it. */
  stream(range?: ByteRange): Promise<Readable>;
}

export interface HttpPorts {
  readonly tasks: { list(): Promise<TaskRecord[]>; get(id: string): Promise<TaskRecord | undefined> };
  readonly rounds: {
    list(task: string): Promise<RoundRecord[]>;
    get(task: string, number: number): Promise<RoundRecord | undefined>;
  };
  readonly models: { current(task: string): Promise<ModelRecord | undefined> };
  readonly ledger: { stream(from: number): AsyncIterable<LedgerRecord> };
  /** Undefined for a blob that is unknown *or not public*: the difference is not told. */
  readonly blobs: { find(hash: string): Promise<PublicBlob | undefined> };
  readonly health: {
    /** Rejects when the database does not answer. */
    ping(): Promise<void>;
    uptimeSeconds(): number;
    readonly version: string;
  };
  /** A pino logger fits. */
  readonly logger: {
    info(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
}
