/** How an event of the round machine is written to the journal: with the time and randomness it was stepped with. */
import type { TaskEvent } from "@kindred/engine";
import { AesCtrRandom } from "@kindred/privacy";
import { decodeClientFrame, encodeFrame, KindredError } from "@kindred/protocol";
import { decode, encode } from "cborg";

/** One event as it was stepped; a replay gives the machine exactly this. */
export interface JournaledEvent {
  readonly event: TaskEvent;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** 32 bytes from which the transition's randomness is expanded. */
  readonly seed: Uint8Array;
}

type MemberEvent = Extract<TaskEvent, { type: "member" }>;
/** What is written: a member's message in the form in which it crossed the wire, which is short and quick to make. */
interface Written extends Omit<JournaledEvent, "event"> {
  readonly event: Exclude<TaskEvent, MemberEvent> | (Omit<MemberEvent, "message"> & { message: Uint8Array });
}

export function encodeJournaledEvent({ event, ...rest }: JournaledEvent): Uint8Array {
  const written: Written =
    event.type === "member"
      ? { ...rest, event: { ...event, message: encodeFrame(event.message) } }
      : { ...rest, event };
  return encode(written);
}

/**
 * @throws Error if the payload was not written by `encodeJournaledEvent`
 * @throws KindredError `protocol-version` if it was written by a coordinator of another protocol version
 */
export function decodeJournaledEvent(payload: Uint8Array): JournaledEvent {
  const { event, ...rest } = decode(payload) as Written;
  if (event.type !== "member") return { ...rest, event };
  const message = decodeClientFrame(event.message);
  if (!message.ok) throw new KindredError(message.rejection);
  return { ...rest, event: { ...event, message: message.value as MemberEvent["message"] } };
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
