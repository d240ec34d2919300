/** What an app gives the client of one person. */
import type { PrivacyFloors } from "@kindred/engine";
import type { KeystreamFactory } from "@kindred/privacy";
import type { CryptoSuite } from "@kindred/secagg";
import type { ParticipationActivity } from "./activity.ts";
import type { Clock } from "./clock.ts";
import type { EncoderFactory } from "./encoder-factory.ts";
import type { EncoderRuntime } from "./encoder-runtime.ts";
import type { NativeCryptography } from "./native.ts";
import type { ClientStore } from "./store.ts";
import type { TaskSource } from "./task-source.ts";
import type { TransportFactory } from "./transport.ts";

export interface ClientOptions {
  /** Address of the coordinator, such as `https://kindred.example`. */
  readonly url: string;
  /** Id of the task. */
  readonly task: string;
  /** Storage of this person on this device; one client uses it at a time. */
  readonly store: ClientStore;
  /** The encoder, or what makes it for a plan and catalogue. Clients of one process may share one. */
  readonly encoder: EncoderRuntime | EncoderFactory;
  readonly suite: CryptoSuite;
  /** Cryptographically secure random bytes. */
  readonly random: (length: number) => Uint8Array;
  /** The platform's AES-256-CTR for the privacy noise, where it is faster than pure JavaScript. */
  readonly keystream?: KeystreamFactory;
  /** The platform's asynchronous cryptography, such as WebCrypto, where it is faster than the suite. */
  readonly native?: NativeCryptography | undefined;
  readonly clock?: Clock;
  /** What this device accepts at the most; `DEFAULT_PRIVACY_FLOORS` where not given. */
  readonly floors?: Partial<PrivacyFloors>;
  readonly transport?: TransportFactory;
  /**
   * Asks the app's backend for a JWT whose `sub` is the person's account, for a coordinator that asks for one; called at each
   * connection, and once more where the token is refused as expired. It has to answer with a fresh token. More devices of an account than the plan allows are turned away: `status().reason` is then
   * `participation-cap` of `hello.account`.
   */
  readonly account?: () => Promise<string>;
  readonly fetch?: typeof fetch;
  /** Where plan, catalogue and models come from; HTTP from `url` by default. */
  readonly source?: TaskSource;
  /** Told of everything that happens; never of anything personal. */
  readonly onEvent?: (event: ParticipationActivity) => void;
}
