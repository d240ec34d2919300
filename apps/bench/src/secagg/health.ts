/** How long the server's HTTP answers take while it works. */
import { Agent, get } from "node:http";

/** Milliseconds between an answer and the next question. */
const PAUSE_MS = 2;

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
  readonly #done: Promise<void>;

  /** Asks from now on; measured is what comes between `begin` and `stop`. @param port of 127.0.0.1 */
  constructor(port: number) {
    this.#done = this.#ask(port);
  }

  async #ask(port: number): Promise<void> {
    while (this.#running) {
      const asked = performance.now();
      await new Promise<void>((resolve, reject) => {
        get({ host: "127.0.0.1", port, path: "/healthz", agent: this.#agent }, (response) => {
          response.resume().once("end", resolve);
        }).once("error", reject);
      });
      this.#latencies.push(performance.now() - asked);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    this.#agent.destroy();
  }

  /** What has been measured so far does not count. */
  begin(): void {
    this.#latencies.length = 0;
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
