/** Collaborative signals in a model file: noisy sums over a cohort, without what does not stand out of the noise. */
import { z } from "zod";
import { rejected } from "./errors.ts";
import type { SignalName } from "./plan-signals.ts";

const index = z.number().int().min(0);
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, { message: "must be bytes" });

const released = {
  /** Round that collected it. */
  round: index.min(1),
  /** People whose sum it is. */
  people: index.min(1),
  /** Deviation of the noise on each count, that of rounding included. */
  deviation: z.number().min(0).finite(),
  /** Entries of the signal's block that stood out, strictly increasing; little-endian uint32. */
  entries: bytes,
  /** Their noisy counts, little-endian float32. */
  counts: bytes,
};

export const modelSignalsSchema = z.strictObject({
  transitions: z
    .strictObject({
      ...released,
      /** Items between which transitions were counted, in the order of rows and columns; little-endian uint32. */
      items: bytes,
    })
    .optional(),
  popularity: z
    .strictObject({
      ...released,
      /** Identity of the fine cluster of each row after the first. */
      clusters: z.array(index).max(1024),
    })
    .optional(),
});

/** A released signal: its block's noisy sum, sparse. */
export interface ReleasedSignal {
  readonly round: number;
  readonly people: number;
  readonly deviation: number;
  /** Positions in the signal's block, strictly increasing. */
  readonly entries: Uint32Array;
  /** Noisy sums over `people`, finite and above 0. */
  readonly counts: Float32Array;
}

/** What a model file holds of the signals; a signal is absent until a round has collected it. */
export interface ModelSignals {
  /** With the items between which transitions were counted, in the order of rows and columns. */
  readonly transitions?: ReleasedSignal & { readonly items: Uint32Array };
  /** With the identity of the fine cluster of each row after the first. */
  readonly popularity?: ReleasedSignal & { readonly clusters: readonly number[] };
}

type SignalsDocument = z.infer<typeof modelSignalsSchema>;

function encodeReleased({ round, people, deviation, entries, counts }: ReleasedSignal) {
  const floats = new DataView(new ArrayBuffer(counts.length * 4));
  for (const [i, value] of counts.entries()) floats.setFloat32(i * 4, value, true);
  return { round, people, deviation, entries: wordBytes(entries), counts: new Uint8Array(floats.buffer) };
}

function wordBytes(words: Uint32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(words.length * 4));
  for (const [i, word] of words.entries()) view.setUint32(i * 4, word, true);
  return new Uint8Array(view.buffer);
}

/** Little-endian words; what is left of a whole one is ignored. */
function bytesWords(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint32Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => view.getUint32(i * 4, true));
}

/** The signals as the document has them. */
export function encodeSignals({ transitions, popularity }: ModelSignals): SignalsDocument {
  return {
    ...(transitions === undefined
      ? {}
      : { transitions: { ...encodeReleased(transitions), items: wordBytes(transitions.items) } }),
    ...(popularity === undefined
      ? {}
      : { popularity: { ...encodeReleased(popularity), clusters: [...popularity.clusters] } }),
  };
}

/** @returns the signals; `model-invalid` on entries that do not increase, counts that do not match them or are not finite and above 0 */
export function decodeSignals(document: SignalsDocument): ModelSignals | ReturnType<typeof rejected> {
  const { transitions, popularity } = document;
  const read: { -readonly [name in SignalName]?: ModelSignals[name] } = {};
  if (transitions !== undefined) {
    const decoded = decodeReleased(transitions, "transitions");
    if ("ok" in decoded) return decoded;
    if (transitions.items.length % 4 !== 0)
      return refuse("transitions.items", "must hold whole 32-bit words");
    read.transitions = { ...decoded, items: bytesWords(transitions.items) };
  }
  if (popularity !== undefined) {
    const decoded = decodeReleased(popularity, "popularity");
    if ("ok" in decoded) return decoded;
    read.popularity = { ...decoded, clusters: popularity.clusters };
  }
  return read;
}

function refuse(field: string, rule: string): ReturnType<typeof rejected> {
  return rejected("model-invalid", `model.signals.${field}`, {
    rule,
    fix: "use a file written by encodeModel",
  });
}

function decodeReleased(
  document: Omit<NonNullable<SignalsDocument["transitions"]>, "items">,
  name: SignalName,
): ReleasedSignal | ReturnType<typeof rejected> {
  const { entries: words, counts: floats, round, people, deviation } = document;
  if (words.length % 4 !== 0) return refuse(`${name}.entries`, "must hold whole 32-bit words");
  if (floats.length !== words.length)
    return refuse(`${name}.counts`, "must have as many values as there are entries");
  const entries = bytesWords(words);
  const view = new DataView(floats.buffer, floats.byteOffset, floats.length);
  const counts = Float32Array.from({ length: entries.length }, (_, i) => view.getFloat32(i * 4, true));
  if (entries.some((entry, i) => i > 0 && entry <= entries[i - 1]!))
    return refuse(`${name}.entries`, "must increase strictly");
  if (!counts.every((count) => count > 0 && count < Number.POSITIVE_INFINITY))
    return refuse(`${name}.counts`, "must be finite and above 0");
  return { round, people, deviation, entries, counts };
}
