/** What the HTTP interface needs of the coordinator, and nothing more. Records are those of the store. */
import type { Readable } from "node:stream";
import type { OperatorRole } from "@kindred/privacy";
import type { RollBackOutcome, RollBackRequest } from "../runtime/roll-back.ts";
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
  readonly models: {
    current(task: string): Promise<ModelRecord | undefined>;
    /** First to last. */
    list(task: string): Promise<ModelRecord[]>;
  };
  readonly ledger: { stream(from: number): AsyncIterable<LedgerRecord> };
  /** Undefined for a blob that is unknown *or not public*: the difference is not told. */
  readonly blobs: { find(hash: string): Promise<PublicBlob | undefined> };
  /** What operators do; without it nothing changes state. */
  readonly admin?: {
    /** Who sends an `Authorization` header; throws `not-authenticated`. */
    authenticate(header: string | undefined): { readonly name: string; readonly role: OperatorRole };
    rollBack(request: RollBackRequest): Promise<RollBackOutcome>;
  };
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
