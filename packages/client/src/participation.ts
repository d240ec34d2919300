/** Takes part in the rounds of one task: drives the participant machine of @kindred/engine and carries out its outputs. */
import {
  isExhausted,
  type ParticipantEvent,
  type ParticipantOutput,
  type ParticipantState,
  startParticipant,
  stepParticipant,
} from "@kindred/engine";
import { bytesToHex, type ClientMessage, type Rejection, type ServerMessage } from "@kindred/protocol";
import type { ParticipationPhase } from "./activity.ts";
import { Backoff, within } from "./clock.ts";
import { type StepCryptography, withForesight } from "./native.ts";
import type { ParticipationOptions } from "./participation-ports.ts";
import { RoundContribution, reasonOf } from "./round-contribution.ts";
import { Session } from "./session.ts";

/** A device in a round that hears nothing for this long asks over HTTP whether the round still is. */
const QUIET_MS = 30_000;
/** A device that may not take part any more looks for new models this often. */
const CAPPED_POLL_MS = 300_000;
/** A last message gets this long before the connection closes. */
const FAREWELL_MS = 5_000;

export class Participation {
  readonly #options: ParticipationOptions;
  readonly #session: Session;
  readonly #contribution: RoundContribution;
  readonly #checkInBackoff: Backoff;
  #state: ParticipantState = startParticipant();
  #phase: ParticipationPhase = "connecting";
  #running = false;
  /** The newest tree head on its way to the store. */
  #remembering: Promise<void> = Promise.resolve();
  #cancelCheckIn: (() => void) | undefined;
  #cancelQuiet: () => void = () => undefined;
  #cancelPoll: () => void = () => undefined;
  readonly #sending = new Set<Promise<unknown>>();
  /** The steps on messages so far, where native cryptography makes them wait. */
  #received: Promise<void> = Promise.resolve();

  constructor(options: ParticipationOptions) {
    this.#options = options;
    const { url, config, suite, transport, account, clock, random, ports } = options;
    this.#checkInBackoff = new Backoff(random);
    this.#contribution = new RoundContribution(options, {
      step: (event) => this.#feed(event),
      abandon: (round, rejection) => this.#abandon(round, rejection),
    });
    this.#session = new Session({
      url,
      task: config.plan.task,
      device: config.device,
      suite,
      transport,
      account,
      clock,
      random,
      events: {
        welcome: (message) => this.#onWelcome(message),
        message: (message) => this.#receive(message),
        lost: () => {
          ports.event({ type: "disconnected" });
          this.#showPhase();
        },
        refused: (rejection) => this.#stopFor(rejection),
        traffic: ports.traffic,
      },
      ledgerSize: () => ports.ledgerHead.newest()?.size ?? 0,
    });
  }

  get phase(): ParticipationPhase {
    return this.#phase;
  }

  /** Round this device is in, if any. */
  get round(): number | undefined {
    return "round" in this.#state ? this.#state.round : undefined;
  }

  /** Connects and takes part until `stop`, the end of the task, or a refusal for good. Once in a life. */
  start(): void {
    if (this.#running || this.#state.name === "finished") return;
    this.#running = true;
    if (this.#capped()) this.#rest();
    else this.#session.start();
    this.#showPhase();
  }

  /** Leaves a round under way, wipes its contribution at once, says so to the coordinator, and disconnects. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    this.#feed({ type: "withdraw" });
    this.#contribution.wipe();
    this.#cancelTimers();
    this.#phase = "stopped";
    const farewell = Promise.allSettled([...this.#sending]);
    await within(farewell, { ms: FAREWELL_MS, clock: this.#options.clock, field: "leave" }).catch(
      () => undefined,
    );
    this.#session.stop();
  }

  #onWelcome({ planDigest, modelHash }: { planDigest: Uint8Array; modelHash: Uint8Array }): void {
    const { ports, config } = this.#options;
    ports.event({ type: "connected" });
    if (bytesToHex(planDigest) !== bytesToHex(config.planDigest)) {
      this.#stopFor({
        code: "plan-invalid",
        field: "welcome.planDigest",
        rule: "must be the digest of the plan this device verified",
        fix: "restart the client to verify the task's present plan",
      });
      return;
    }
    ports.modelAnnounced(bytesToHex(modelHash));
    // In a round, a check-in would be answered for the next one; the coordinator repeats what it waits for.
    if (this.round !== undefined) void this.#reconcile();
    else if (this.#cancelCheckIn === undefined) this.#checkIn();
    this.#showPhase();
  }

  #receive(message: ServerMessage): void {
    // Here and not from the machine's outputs: a round that this device left may have been published all the same.
    if (message.type === "released" || message.type === "round-failed") {
      const released = message.type === "released" ? bytesToHex(message.modelHash) : undefined;
      this.#options.ports.outcome(message.round, { released });
    }
    const { native, suite, random } = this.#options;
    const step = (cryptography: StepCryptography): void => {
      this.#feed({ type: "message", message }, cryptography);
      this.#watchQuiet();
    };
    if (native === undefined) {
      step({ suite, random });
      return;
    }
    // One after another: a message is answered before the next one is looked at.
    this.#received = this.#received.then(async () => {
      if (!this.#running) return;
      const state = this.#state;
      try {
        await withForesight(message, {
          state,
          native,
          suite,
          random,
          coordinatorKey: this.#options.config.coordinatorKey,
          step: (cryptography) => {
            if (this.#running) step(cryptography);
          },
        });
      } catch (error) {
        // The messages behind this one must still be looked at.
        if (this.#running && this.round !== undefined) this.#abandon(this.round, reasonOf(error, "step"));
      }
    });
  }

  #feed(event: ParticipantEvent, cryptography: StepCryptography = this.#options): void {
    const { config, ports } = this.#options;
    const { suite, random } = cryptography;
    const env = {
      suite,
      random,
      ledger: ports.ledger.entries(),
      ledgerHead: ports.ledgerHead.newest(),
    };
    const { state, outputs } = stepParticipant(this.#state, event, { config, env });
    this.#state = state;
    for (const output of outputs) this.#carryOut(output);
    this.#showPhase();
  }

  #carryOut(output: ParticipantOutput): void {
    const { ports } = this.#options;
    switch (output.type) {
      case "send":
        void this.#send(output.message);
        return;
      case "remember":
        this.#remembering = ports.ledgerHead.remember(output.head);
        // Reported by the training that waits for it.
        this.#remembering.catch(() => undefined);
        return;
      case "train":
        void this.#contribution.train(output, this.#remembering);
        return;
      case "mask":
        void this.#contribution.mask(output);
        return;
      case "forget":
        this.#contribution.forget(output.round);
        return;
      case "check-in":
        if (this.#running) this.#checkInAfter(output.afterMs);
        return;
      case "released":
        ports.event({ type: "released", round: output.round, modelHash: output.modelHash });
        ports.modelAnnounced(output.modelHash);
        return;
      case "refused":
      case "round-failed":
        ports.event(output);
        return;
      case "finished":
        this.#finish(output.modelHash);
        return;
    }
  }

  #finish(modelHash: string): void {
    this.#contribution.wipe();
    this.#cancelTimers();
    this.#running = false;
    this.#session.stop();
    this.#options.ports.modelAnnounced(modelHash);
    this.#options.ports.event({ type: "finished", modelHash });
  }

  #stopFor(rejection: Rejection): void {
    this.#running = false;
    this.#contribution.wipe();
    this.#state = startParticipant();
    this.#cancelTimers();
    this.#session.stop();
    this.#options.ports.event({ type: "stopped", rejection });
    this.#showPhase();
  }

  #send(message: ClientMessage): Promise<void> {
    const sending = this.#session.send(message).then((answer) => {
      if (answer.type === "rejected") this.#onRejected(message, answer.rejection);
      else if (answer.type === "accepted" && message.type === "check-in") this.#checkInBackoff.reset();
    });
    this.#sending.add(sending);
    return sending.finally(() => this.#sending.delete(sending));
  }

  #onRejected(message: ClientMessage, rejection: Rejection): void {
    if (!this.#running || message.type === "leave" || message.type === "hello") return;
    const transient = rejection.code === "rate-limited" || rejection.code === "internal";
    if (message.type === "check-in") {
      if (transient) this.#checkInAfter(this.#checkInBackoff.next());
      else this.#stopFor(rejection);
    } else if (transient) {
      // After the next hello the coordinator asks again, and the machine repeats its stored answer.
      this.#session.reconnect();
    } else if (rejection.code === "message-unexpected" && message.type !== "ready") {
      // Perhaps a repeated answer that came too late, and the round goes on with the first one.
      void this.#reconcile();
    } else this.#abandon(message.round, rejection);
  }

  /** The round is over for this device; it wipes what it holds and checks in for the next. */
  #roundOver(round: number, { code, rule }: Pick<Rejection, "code" | "rule">): void {
    this.#feed({ type: "message", message: { type: "round-failed", round, code, rule } });
  }

  /** Asks whether the round under way still is: its end may have been told while this device was away. */
  async #reconcile(): Promise<void> {
    const { round } = this;
    if (round === undefined) return;
    try {
      const progress = await this.#options.ports.progress();
      if (progress.modelHash !== null) this.#options.ports.modelAnnounced(progress.modelHash);
      if (!this.#running || this.round !== round) return;
      if (progress.round !== round || progress.status !== "running") {
        this.#roundOver(round, {
          code: "deadline-passed",
          rule: "the round ended while this device was away",
        });
        return;
      }
    } catch {
      // Not reachable just now: asked again after the next quiet spell.
    }
    this.#watchQuiet();
  }

  #watchQuiet(): void {
    this.#cancelQuiet();
    this.#cancelQuiet = () => undefined;
    if (this.#running && this.round !== undefined)
      this.#cancelQuiet = this.#options.clock.setTimer(QUIET_MS, () => void this.#reconcile());
  }

  #checkInAfter(delay: number): void {
    this.#cancelCheckIn?.();
    this.#cancelCheckIn = undefined;
    if (delay <= 0) {
      this.#checkIn();
      return;
    }
    this.#cancelCheckIn = this.#options.clock.setTimer(delay, () => {
      this.#cancelCheckIn = undefined;
      this.#checkIn();
    });
  }

  #checkIn(): void {
    if (!this.#running || this.round !== undefined) return;
    if (this.#capped()) this.#rest();
    // Without a connection nothing is lost: the next welcome leads here again.
    else if (this.#session.ready) {
      const ledgerSize = this.#options.ports.ledgerHead.newest()?.size ?? 0;
      void this.#send({ type: "check-in", ledgerSize });
    }
  }

  /** Whether this device's own ledger keeps it out of all rounds to come. */
  #capped(): boolean {
    const { config, ports } = this.#options;
    const { plan } = config;
    return isExhausted(ports.ledger.entries(), { plan, planDigest: bytesToHex(config.planDigest) });
  }

  /** A device that may not take part must not be selected: it disconnects and only looks for new models. */
  #rest(): void {
    this.#session.stop();
    const poll = async (): Promise<void> => {
      try {
        const { status, modelHash } = await this.#options.ports.progress();
        if (!this.#running) return;
        if (modelHash !== null) this.#options.ports.modelAnnounced(modelHash);
        if (status !== "running" && modelHash !== null) {
          this.#state = { name: "finished" };
          this.#finish(modelHash);
          this.#showPhase();
          return;
        }
      } catch {
        // Looked for again at the next poll.
      }
      if (this.#running) this.#cancelPoll = this.#options.clock.setTimer(CAPPED_POLL_MS, () => void poll());
    };
    void poll();
    this.#showPhase();
  }

  /** Leaves a round that this device cannot go on with. */
  #abandon(round: number, rejection: Rejection): void {
    void this.#send({ type: "leave", round, code: rejection.code });
    this.#roundOver(round, rejection);
  }

  #cancelTimers(): void {
    this.#cancelCheckIn?.();
    this.#cancelCheckIn = undefined;
    this.#cancelQuiet();
    this.#cancelPoll();
  }

  #presentPhase(): ParticipationPhase {
    const { name } = this.#state;
    if (name === "finished") return "finished";
    if (!this.#running) return "stopped";
    if (name !== "waiting") return name === "secure" ? "securing" : name;
    if (this.#capped()) return "capped";
    return this.#session.ready ? "waiting" : "connecting";
  }

  #showPhase(): void {
    const phase = this.#presentPhase();
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#options.ports.event({ type: "phase", phase, round: this.round });
  }
}
