/** How long the server's HTTP answers take while it works. */
import { Agent, get } from "node:http";

/** Milliseconds between an answer and the next question. */
const PAUSE_MS = 20;
const WARM_UP_PAUSE_MS = 100;

export interface HealthFigures {
  readonly answers: number;
  /** Milliseconds from question to answer. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Asks `/healthz` again and again, at first without measuring: a path that is taken for the first time is slow. */
export class HealthProbe {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #latencies: number[] = [];
  readonly #port: number;
  #state: "warming" | "resting" | "measuring" | "ended" = "warming";
  #done: Promise<void>;

  /** Asks from now on until `rest`; measured is what comes between `begin` and `stop`. @param port of 127.0.0.1 */
  constructor(port: number) {
    this.#port = port;
    this.#done = this.#ask();
  }

  async #ask(): Promise<void> {
    let asked: { readonly at: number; readonly counts: boolean } | undefined;
    while (this.#state === "warming" || this.#state === "measuring") {
      // A question of the measurement counts also where its answer comes behind the end: it may be the slowest.
      asked ??= { at: performance.now(), counts: this.#state === "measuring" };
      // A busy server may close the connection; the question then counts from when it was asked first.
      if (await this.#isAnswered()) {
        if (asked.counts) this.#latencies.push(performance.now() - asked.at);
        asked = undefined;
      }
      const pause = this.#state === "measuring" ? PAUSE_MS : WARM_UP_PAUSE_MS;
      // A server that is gone fails the round: nothing waits for its answer.
      await new Promise((resolve) => setTimeout(resolve, pause).unref());
    }
  }

  #isAnswered(): Promise<boolean> {
    return new Promise((resolve) => {
      get({ host: "127.0.0.1", port: this.#port, path: "/healthz", agent: this.#agent }, (response) => {
        response
          .resume()
          .once("end", () => resolve(true))
          .once("error", () => resolve(false));
      }).once("error", () => resolve(false));
    });
  }

  /** No questions until `begin`: answering them takes the server's time. */
  rest(): void {
    this.#state = "resting";
  }

  /** From here on answers are measured. */
  begin(): void {
    if (this.#state === "measuring") return;
    const rested = this.#state === "resting";
    this.#state = "measuring";
    if (rested) this.#done = this.#done.then(() => this.#ask());
  }

  /** Ends after the question under way. */
  async stop(): Promise<HealthFigures> {
    this.#state = "ended";
    await this.#done;
    this.#agent.destroy();
    const sorted = this.#latencies.sort((a, b) => a - b);
    const quantile = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return { answers: sorted.length, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
  }
}
