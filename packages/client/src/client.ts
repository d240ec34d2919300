/** The SDK's client: one person on one device, one task. */
import { hexToBytes, KindredError, type Rejection } from "@kindred/protocol";
import type { ParticipationActivity, ParticipationPhase } from "./activity.ts";
import type { ClientOptions } from "./client-options.ts";
import { type Clock, systemClock } from "./clock.ts";
import { computeContribution } from "./contribution.ts";
import { type EncoderFactory, onePerPlan } from "./encoder-factory.ts";
import type { EncoderRuntime } from "./encoder-runtime.ts";
import type { Evolution } from "./evolution.ts";
import type { ExplainOptions, Explanation } from "./explanation.ts";
import { type ExportedData, exportStore, type LedgerHeadDocument } from "./exported-data.ts";
import { Insights, type PersonalReport, type PredictedRating } from "./insights.ts";
import { checkInteraction, type InteractionInput, InteractionLog } from "./interactions.ts";
import { halfLifeOf, type Interests } from "./interests.ts";
import { LocalTask } from "./local-task.ts";
import { Participation } from "./participation.ts";
import { ParticipationRecord } from "./participation-record.ts";
import { describePortrait, type Portrait, type PortraitOptions } from "./portrait.ts";
import type { PrivacyAccount } from "./privacy-account.ts";
import type { Recommendation, RecommendOptions } from "./recommendations.ts";
import type { ClientStore, Consent } from "./store.ts";
import { httpTaskSource, type TaskSource } from "./task-source.ts";
import { socketIoTransport } from "./transport.ts";

/** `idle` before `start`; `consent-needed` until the person has granted it; then the participation's phase. */
export interface ClientStatus {
  readonly phase: "idle" | "loading" | "consent-needed" | ParticipationPhase;
  readonly consent: Consent;
  readonly round: number | undefined;
  /** Content hash of the model in use. */
  readonly modelHash: string | undefined;
  /** Why the client stopped by itself, until it is started again. */
  readonly reason: Rejection | undefined;
}

/** See {@link createClient}. */
export class KindredClient {
  readonly #options: ClientOptions;
  readonly #clock: Clock;
  readonly #source: TaskSource;
  readonly #log: InteractionLog;
  readonly #participationRecord: ParticipationRecord;
  #identity: Uint8Array | undefined;
  #consent: Consent;
  readonly #encoder: EncoderRuntime | EncoderFactory;
  #task: LocalTask;
  #insights: Insights;
  #starting: Promise<void> | undefined;
  #started = false;
  #participation: Participation | undefined;
  #reason: Rejection | undefined;
  #traffic = { sent: 0, received: 0 };

  /** The person's decision about taking part. Recording and recommending are local and need none. */
  readonly consent = {
    status: (): Consent => this.#consent,
    /** Takes part from now on, at once if the client is started. */
    grant: (): Promise<void> => this.#setConsent("granted"),
    /** Declines; a round under way is left as with `withdraw`. */
    deny: (): Promise<void> => this.#setConsent("denied"),
    /** Takes the consent back: the contribution under way is wiped before this returns, the coordinator is told. */
    withdraw: (): Promise<void> => this.#setConsent("denied"),
  };

  private constructor(options: ClientOptions, stored: Awaited<ReturnType<ClientStore["load"]>>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { url, task } = options;
    const download: typeof fetch = options.fetch ?? ((...request) => fetch(...request));
    this.#source = options.source ?? httpTaskSource({ url, task, clock: this.#clock, fetch: download });
    this.#identity = stored.identity;
    this.#consent = stored.consent;
    this.#log = new InteractionLog(stored.interactions);
    this.#participationRecord = new ParticipationRecord(options.store, stored);
    const { encoder } = options;
    this.#encoder = typeof encoder === "function" ? onePerPlan(encoder) : encoder;
    this.#task = this.#newTask();
    this.#insights = this.#newInsights();
  }

  #newTask(): LocalTask {
    const { task, store, suite, floors = {}, random } = this.#options;
    const [clock, source, encoder] = [this.#clock, this.#source, this.#encoder];
    const received = (bytes: number): void => this.#count(0, bytes);
    return new LocalTask({ task, source, store, encoder, suite, floors, clock, random, received });
  }

  #newInsights(): Insights {
    return new Insights({ task: this.#task, log: this.#log, random: this.#options.random });
  }

  /** Opens the store; nothing is sent. */
  static async open(options: ClientOptions): Promise<KindredClient> {
    return new KindredClient(options, await options.store.load());
  }

  /**
   * Keeps an interaction, on this device only. A repeated one (same item, action and time) is kept once.
   * @throws KindredError `option-invalid` naming field, rule and fix
   */
  async record(interaction: InteractionInput): Promise<void> {
    const index = this.#task.ready?.index;
    const isKnown = index === undefined ? undefined : (item: string): boolean => index.has(item);
    const checked = checkInteraction(interaction, { now: this.#clock.now(), isKnown });
    if (!this.#log.add(checked)) return;
    try {
      await this.#options.store.appendInteraction(checked);
    } catch (error) {
      this.#log.remove(checked);
      throw error;
    }
  }

  /**
   * Loads and verifies plan, catalogue and model, and takes part in rounds until `stop`, as soon as and as long as
   * consent is granted. Without a connection it starts from what it kept, and connects when it can.
   * @throws KindredError `privacy-floor`, `signature-invalid`, `plan-invalid` … if the plan is not acceptable,
   * `internal` if the coordinator cannot be reached and nothing was kept
   */
  start(): Promise<void> {
    this.#started = true;
    // After a refusal the plan is loaded and verified anew.
    if (this.#reason !== undefined) this.#starting = undefined;
    this.#reason = undefined;
    this.#starting ??= this.#task.load().catch((error: unknown) => {
      this.#starting = undefined;
      this.#started = false;
      if (error instanceof KindredError) this.#reason = error.rejection;
      throw error;
    });
    return this.#starting.then(() => this.#takePart());
  }

  /** Leaves a round under way and disconnects. */
  async stop(): Promise<void> {
    this.#started = false;
    await this.#leave();
  }

  /** Looks for a newer model, without taking part. */
  async refresh(): Promise<void> {
    await this.#task.refresh();
  }

  /**
   * The person's interests as the present model sees them: present and lasting ones, in layers of public clusters, and
   * those they have not shown yet. Computed on this device; after one more interaction only the encoder's answer to it.
   * @param options.halfLife milliseconds after which an interaction counts half as much for the long term; 60 days
   * @throws KindredError `option-invalid` before `start`, or on a half-life that is not above 0
   */
  async interests(options: { readonly halfLife?: number } = {}): Promise<Interests> {
    return this.#insights.interests({ halfLife: halfLifeOf(options) });
  }

  /**
   * The rating that this person would give an item, by what everybody's ratings say of it and what their own say of their
   * taste; the latter is worked out on this device. Record ratings as shares of the best one, and read it so.
   * @throws KindredError `option-invalid` before `start`, on an item that the catalogue does not have, or where the plan
   *   has no rating head
   */
  rate(item: string): Promise<PredictedRating> {
    return this.#insights.rate(item);
  }

  /**
   * Fits the person's own parameters (an affine head, an adapter: what the plan names) to what is recorded, and keeps
   * them in the store if they do good. They change `interests`, `evolution` and `recommend` on this device and are no
   * part of what it contributes. Takes up to some seconds of computing, so call it at leisure; a client that takes part does
   * it by itself with every new model.
   * @throws KindredError `option-invalid` before `start`, or where the plan has no personal parameters
   */
  personalise(): Promise<PersonalReport> {
    return this.#insights.personalise();
  }

  /**
   * How the person's interests change: a timeline, how far the present is from the record, where it changed, and what
   * comes next. Computed on this device, from what is recorded with the present model; nothing of it is kept.
   * @throws KindredError `option-invalid` before `start`
   */
  evolution(): Promise<Evolution> {
    return this.#insights.evolution();
  }

  /**
   * The person's interests in words, for themselves: structured and as a few plain sentences, from public names only.
   * Computed on this device.
   * @throws KindredError `option-invalid` before `start`, or on a language that is not there
   */
  async portrait(options: PortraitOptions = {}): Promise<Portrait> {
    const [interests, evolution] = [await this.interests(), await this.evolution()];
    return describePortrait({ interests, evolution }, options);
  }

  /**
   * Items for this person, best first. Computed on this device.
   * @throws KindredError `option-invalid` before `start`, or on an option that is out of range or names what is not there
   */
  recommend(options: RecommendOptions): Promise<Recommendation[]> {
    return this.#insights.recommend(options);
  }

  /**
   * Why an item was recommended: the interactions and features that mattered, and without which it would not be in the
   * list, each checked by computing the list anew. Computed on this device.
   * @throws KindredError `option-invalid` before `start`, or on a language or an item that is not there
   */
  explain(recommendation: Recommendation, options: ExplainOptions = {}): Promise<Explanation> {
    return this.#insights.explain(recommendation, options);
  }

  /**
   * What was spent, for what, when, and what remains: every participation with its round, plan, model, outcome and ε
   * against coordinator and observers after it, and the sums by task. From this device's own records, which survive
   * restarts; nothing is asked of the coordinator, and nothing it says makes ε against it smaller.
   */
  privacy(): PrivacyAccount {
    return this.#participationRecord.account();
  }

  /**
   * The newest tree heads that this device has verified of its coordinators' ledgers, one for each coordinator's key.
   * Two devices of one coordinator, or a device and the public ledger, that hold heads of one size with different
   * roots have been shown two histories, and both signatures prove it. Written as JSON lines they are what
   * `kindred audit verify --head` takes. There is nothing personal in them but how far the ledger was when the device
   * was last selected.
   */
  ledgerHeads(): readonly LedgerHeadDocument[] {
    return this.#participationRecord.heads.map((head) => ({ schema: "kindred.ledger-head/1", ...head }));
  }

  /** Everything that is kept about the person, as one JSON document. The identity's secret half stays here. */
  exportData(): Promise<ExportedData> {
    const { store, suite, task } = this.#options;
    return exportStore(store, {
      task,
      exportedAt: this.#clock.now(),
      publicKeyOf: (seed) => suite.signingKeyPair(seed).publicKey,
      ledgerHeads: this.ledgerHeads(),
      model: this.#task.modelHash ?? null,
    });
  }

  /**
   * Replaces the key that the store is encrypted with, and encrypts everything anew.
   * @throws KindredError `option-invalid` where the app gave the key: open the store with the new one, and the old one
   * as the previous
   */
  rotateStoreKey(): Promise<void> {
    return this.#options.store.rotateKey();
  }

  /**
   * Stops, and removes everything local: interactions, consent, identity, ledger, cached files. What was summed into
   * released models cannot be taken out of them; that is what the noise is for. Afterwards the client is as new, with
   * another identity and an empty ledger.
   */
  async forget(): Promise<void> {
    await this.stop();
    this.#task.close();
    this.#task = this.#newTask();
    this.#insights = this.#newInsights();
    this.#starting = undefined;
    this.#reason = undefined;
    this.#identity?.fill(0);
    this.#identity = undefined;
    this.#consent = "pending";
    this.#log.clear();
    this.#participationRecord.clear();
    await this.#options.store.clear();
  }

  status(): ClientStatus {
    const own = this.#participation;
    const idle = !this.#started ? "idle" : this.#task.ready === undefined ? "loading" : "consent-needed";
    return {
      phase: own?.phase ?? (this.#reason === undefined ? idle : "stopped"),
      consent: this.#consent,
      round: own?.round,
      modelHash: this.#task.modelHash,
      reason: this.#reason,
    };
  }

  /** Bytes of frames and files so far. Files count in full, also where clients of one process share a source. */
  traffic(): { readonly sent: number; readonly received: number } {
    return { ...this.#traffic };
  }

  async #setConsent(consent: Consent): Promise<void> {
    this.#consent = consent;
    if (consent !== "granted") {
      await Promise.all([this.#leave(), this.#options.store.saveConsent(consent)]);
      return;
    }
    await this.#options.store.saveConsent(consent);
    await this.#takePart();
  }

  /** Ends the participation; a new one may begin while the old one still says goodbye. */
  async #leave(): Promise<void> {
    const own = this.#participation;
    this.#participation = undefined;
    await own?.stop();
  }

  async #takePart(): Promise<void> {
    const [task, insights] = [this.#task, this.#insights];
    const { ready } = task;
    const wanted = (): boolean =>
      this.#started && this.#consent === "granted" && this.#participation === undefined;
    if (ready === undefined || !wanted()) return;
    const identity = await this.#deviceIdentity();
    if (!wanted() || this.#task !== task) return;
    const { url, suite, random, keystream, native, account } = this.#options;
    this.#participation = new Participation({
      url,
      config: {
        plan: ready.plan,
        planDigest: hexToBytes(ready.digest),
        device: suite.signingKeyPair(identity),
        coordinatorKey: hexToBytes(ready.plan.resolved.coordinatorKey),
      },
      suite,
      random,
      keystream,
      native,
      account,
      clock: this.#clock,
      transport: this.#options.transport ?? socketIoTransport,
      ports: {
        ledger: {
          entries: () => this.#participationRecord.entries,
          append: (entry) => this.#participationRecord.append(entry, ready.plan),
        },
        outcome: (round, { released }) => {
          const time = this.#clock.now();
          this.#participationRecord.noteOutcome({ task: this.#options.task, round, time, released });
        },
        ledgerHead: {
          newest: () => this.#participationRecord.headOf(ready.plan.resolved.coordinatorKey),
          remember: (head) => this.#participationRecord.rememberHead(head),
        },
        contribute: async ({ round, modelHash }) => {
          const loaded = await task.adopt(modelHash);
          const { plan, index, encoder } = ready;
          const sequence = this.#log.sequence(index);
          return computeContribution({ plan, loaded, round, sequence, encoder, random });
        },
        progress: () => this.#source.progress(),
        modelAnnounced: (hash) => void insights.follow(hash).catch(() => undefined),
        event: (event) => this.#onEvent(event),
        traffic: ({ sent, received }) => this.#count(sent, received),
      },
    });
    this.#participation.start();
  }

  #onEvent(event: ParticipationActivity): void {
    if (event.type === "stopped") {
      this.#reason = event.rejection;
      this.#participation = undefined;
    }
    const { onEvent } = this.#options;
    // In a turn of its own: what the app does with it, or throws, must not come between the steps of a round.
    if (onEvent !== undefined) queueMicrotask(() => onEvent(event));
  }

  async #deviceIdentity(): Promise<Uint8Array> {
    if (this.#identity !== undefined) return this.#identity;
    const seed = this.#options.random(32);
    this.#identity = seed;
    await this.#options.store.saveIdentity(seed);
    return seed;
  }

  #count(sent: number, received: number): void {
    this.#traffic = { sent: this.#traffic.sent + sent, received: this.#traffic.received + received };
  }
}

/**
 * Opens the SDK for one person on one device.
 *
 * ```ts
 * const client = await createClient({ url, task, store, encoder, suite, random });
 * await client.record({ item: "film-12", action: "like" });
 * await client.start();
 * await client.consent.grant();
 * const suggestions = await client.recommend({ count: 10 });
 * ```
 */
export function createClient(options: ClientOptions): Promise<KindredClient> {
  return KindredClient.open(options);
}
