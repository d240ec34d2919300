/** What a task's server keeps between rounds besides the model, as a blob. */
import type { CarriedCounts, OptimiserState } from "@kindred/engine";
import { bytesFloat, floatBytes, SIGNALS, type SignalName } from "@kindred/protocol";
import { decode, encode } from "cborg";

/** Of the document: numbers as bytes, as they lie in memory. */
interface CarriedDocument {
  readonly sums: Uint8Array;
  readonly people: number;
  readonly deviation: number;
  readonly counted: Uint8Array;
}

interface StateDocument {
  readonly steps: number;
  readonly firstMoment: Uint8Array;
  readonly secondMoment: Uint8Array;
  readonly residual?: Uint8Array;
  readonly carried?: { readonly [name in SignalName]?: CarriedDocument };
}

/** Task and round make equal states of two tasks two blobs, each with a life of its own. */
export function encodeServerState(
  { steps, firstMoment, secondMoment, residual, carried }: OptimiserState,
  { task, round }: { readonly task: string; readonly round: number },
): Uint8Array {
  const document: StateDocument & { task: string; round: number } = {
    ...{ task, round, steps, firstMoment: raw(firstMoment), secondMoment: raw(secondMoment) },
    ...(residual !== undefined && { residual: floatBytes(residual) }),
    ...(carried !== undefined && { carried: bySignal(carried, carriedDocument) }),
  };
  return encode(document);
}

/** The inverse of {@link encodeServerState}. */
export function decodeServerState(bytes: Uint8Array): OptimiserState {
  const { steps, firstMoment, secondMoment, residual, carried } = decode(bytes) as StateDocument;
  return {
    steps,
    firstMoment: new Float64Array(aligned(firstMoment)),
    secondMoment: new Float64Array(aligned(secondMoment)),
    ...(residual !== undefined && { residual: bytesFloat(residual) }),
    ...(carried !== undefined && { carried: bySignal(carried, carriedCounts) }),
  };
}

function bySignal<From, To>(
  found: { readonly [name in SignalName]?: From },
  convert: (one: From) => To,
): { readonly [name in SignalName]?: To } {
  return Object.fromEntries(SIGNALS.flatMap((name) => (found[name] ? [[name, convert(found[name])]] : [])));
}

function carriedDocument({ sums, people, deviation, counted }: CarriedCounts): CarriedDocument {
  return { sums: floatBytes(sums), people, deviation, counted: raw(counted) };
}

function carriedCounts({ sums, people, deviation, counted }: CarriedDocument): CarriedCounts {
  return { sums: bytesFloat(sums), people, deviation, counted: new Uint32Array(aligned(counted)) };
}

function raw({ buffer, byteOffset, byteLength }: Float64Array | Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** A copy: wider numbers need an offset that is a multiple of their size. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer;
}
