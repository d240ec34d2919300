/** How long the server's HTTP answers take while it works. */
import { Agent, get } from "node:http";

/** Milliseconds between an answer and the next question, while it counts and before: asking costs the server as well. */
const PAUSE_MS = 10;
const WARM_UP_PAUSE_MS = 100;

export interface HealthFigures {
  readonly answers: number;
  /** Milliseconds from question to answer. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Asks `/healthz` again and again until told to stop. */
export class HealthProbe {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #latencies: number[] = [];
  #running = true;
  #measuring = false;
  readonly #done: Promise<void>;

  /** Asks from now on; measured is what comes between `begin` and `stop`. @param port of 127.0.0.1 */
  constructor(port: number) {
    this.#done = this.#ask(port);
  }

  async #ask(port: number): Promise<void> {
    let asked: number | undefined;
    while (this.#running) {
      asked ??= performance.now();
      // A busy server may close the connection; the question then counts from when it was asked first.
      if (await this.#isAnswered(port)) {
        if (this.#measuring) this.#latencies.push(performance.now() - asked);
        asked = undefined;
      }
      const pause = this.#measuring ? PAUSE_MS : WARM_UP_PAUSE_MS;
      // A server that is gone fails the round: nothing waits for its answer.
      await new Promise((resolve) => setTimeout(resolve, pause).unref());
    }
    this.#agent.destroy();
  }

  #isAnswered(port: number): Promise<boolean> {
    return new Promise((resolve) => {
      get({ host: "127.0.0.1", port, path: "/healthz", agent: this.#agent }, (response) => {
        response
          .resume()
          .once("end", () => resolve(true))
          .once("error", () => resolve(false));
      }).once("error", () => resolve(false));
    });
  }

  /** From here on answers are measured. */
  begin(): void {
    this.#measuring = true;
  }

  /** Ends after the question under way. */
  async stop(): Promise<HealthFigures> {
    this.#running = false;
    await this.#done;
    const sorted = this.#latencies.sort((a, b) => a - b);
    const quantile = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return { answers: sorted.length, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
  }
}
