/** How an event of the round machine is written to the journal: with the time and randomness it was stepped with. */
import type { TaskEvent } from "@kindred/engine";
import { AesCtrRandom } from "@kindred/privacy";
import { decode, encode } from "cborg";

/** One event as it was stepped; a replay gives the machine exactly this. */
export interface JournaledEvent {
  readonly event: TaskEvent;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** 32 bytes from which the transition's randomness is expanded. */
  readonly seed: Uint8Array;
}

export function encodeJournaledEvent(entry: JournaledEvent): Uint8Array {
  return encode(entry);
}

/** @throws Error if the payload was not written by `encodeJournaledEvent` */
export function decodeJournaledEvent(payload: Uint8Array): JournaledEvent {
  return decode(payload) as JournaledEvent;
}

/** The randomness of one transition, expanded from its journaled seed with AES-256-CTR. */
export function transitionRandom(seed: Uint8Array): (length: number) => Uint8Array {
  const random = new AesCtrRandom(seed);
  return (length) => {
    const out = new Uint8Array(length);
    random.fill(out);
    return out;
  };
}
