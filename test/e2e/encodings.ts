/** What clients encoded and what the coordinator decoded, for tests that replace `pipeline.ts` by `recordedPipeline`. */
import type * as Pipeline from "../../packages/engine/src/pipeline.ts";
import { bytesToHex } from "../../packages/protocol/src/index.ts";
import { ITEMS, stubMark } from "./marks.ts";

const MARKS = Array.from({ length: ITEMS }, (_, index) => stubMark(index));

export interface Encoding {
  /** Index of the device, by the delta its person trains. */
  readonly device: number;
  readonly vector: Uint32Array;
}

/** By session id. */
export const encodings = new Map<string, Encoding[]>();
export const decodings = new Map<string, { readonly sum: Uint32Array; readonly survivors: number }>();

/** The pipeline, with a copy of every vector kept. */
export function recordedPipeline(real: typeof Pipeline): typeof Pipeline {
  return {
    ...real,
    encodeContribution(contribution, options) {
      const device = MARKS.indexOf(contribution.model[0]!);
      const vector = real.encodeContribution(contribution, options);
      const sid = bytesToHex(options.sid);
      encodings.set(sid, [...(encodings.get(sid) ?? []), { device, vector: vector.slice() }]);
      return vector;
    },
    decodeAggregate(sum, options) {
      decodings.set(bytesToHex(options.sid), { sum: sum.slice(), survivors: options.survivors });
      return real.decodeAggregate(sum, options);
    },
  };
}
