/** One client's side of a round as bytes: what it drew, what it received, what it sent. */
import {
  bytesToHex,
  type ClientMessage,
  decodeServerFrame,
  encodeFrame,
  hexToBytes,
  packBits,
  type Rejection,
} from "@kindred/protocol";
import { type ClientOutput, startClient, stepClient } from "../src/client.ts";
import type { ClientState } from "../src/client-state.ts";
import type { CryptoSuite } from "../src/crypto.ts";
import { applyMasks } from "../src/masks.ts";
import type { RoundBinding } from "../src/session.ts";

/** A `RoundBinding` whose byte strings are hexadecimal. */
type BindingForm = Omit<RoundBinding, "planDigest" | "modelHash" | "beacon" | "graph"> & {
  readonly planDigest: string;
  readonly modelHash: string;
  readonly beacon: string;
  readonly graph: string;
};

export interface ConversationStart {
  readonly binding: BindingForm;
  readonly coordinatorKey: string;
  /** Ed25519 seed of the device. */
  readonly deviceSeed: string;
  /** What the client draws, in order: s of c and s, b, the nonce, then the words of the share polynomials. */
  readonly random: readonly string[];
  /** The encoded vector. */
  readonly vector: readonly number[];
}

/** Plays a client through frames given in hexadecimal; the first step, R0, has none. */
export class Conversation {
  readonly #start: ConversationStart;
  readonly #suite: CryptoSuite;
  readonly #random: string[];
  #state: ClientState;

  constructor(start: ConversationStart, suite: CryptoSuite) {
    const { binding, coordinatorKey, deviceSeed } = start;
    this.#start = start;
    this.#suite = suite;
    this.#random = [...start.random];
    this.#state = startClient({
      ...binding,
      planDigest: hexToBytes(binding.planDigest),
      modelHash: hexToBytes(binding.modelHash),
      beacon: hexToBytes(binding.beacon),
      graph: binding.graph as RoundBinding["graph"],
      coordinatorKey: hexToBytes(coordinatorKey),
      device: suite.signingKeyPair(hexToBytes(deviceSeed)),
    });
  }

  get state(): ClientState {
    return this.#state;
  }

  /** @returns the frame that the client sends, or its refusal */
  receive(frame: string | undefined): string | Rejection {
    if (frame === undefined) return this.#answer({ type: "enrol" });
    const decoded = decodeServerFrame(hexToBytes(frame));
    return decoded.ok ? this.#answer(decoded.value as Parameters<typeof stepClient>[1]) : decoded.rejection;
  }

  #answer(event: Parameters<typeof stepClient>[1]): string | Rejection {
    const random = (length: number): Uint8Array => {
      const bytes = hexToBytes(this.#random.shift() ?? "");
      if (bytes.length !== length) throw new Error(`the vector has ${bytes.length} bytes for ${length}`);
      return bytes;
    };
    const { state, outputs } = stepClient(this.#state, event, { suite: this.#suite, random });
    this.#state = state;
    const output = outputs[0]!;
    if (output.type === "refused") return output.rejection;
    return bytesToHex(encodeFrame(this.#message(output)));
  }

  #message(output: ClientOutput): ClientMessage {
    if (output.type === "send") return output.message;
    if (output.type !== "mask") throw new Error(`expected a message, got ${output.type}`);
    const { binding, vector } = this.#start;
    const masked = Uint32Array.from(vector);
    applyMasks(masked, output.job, this.#suite);
    const { signature } = output;
    return {
      type: "masked-input",
      round: binding.round,
      vector: packBits(masked, binding.bits),
      signature,
    };
  }
}
