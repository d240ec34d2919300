/** Keeps the processes of clients in step: nobody sends while another computes. */

/** `busy`: computing or waiting for frames; `answered`: answers to a phase wait to be sent; `waiting`: for the next round to open. */
export type HostState = "busy" | "answered" | "waiting";

export class Volleys {
  readonly #states: HostState[];
  readonly #send: (host: number) => void;
  #open = false;

  /** @param send tells a process to send what it has */
  constructor(hosts: number, send: (host: number) => void) {
    this.#states = Array.from({ length: hosts }, () => "busy");
    this.#send = send;
  }

  /** The server takes the first messages of the next round. */
  open(): void {
    this.#open = true;
    this.#release();
  }

  /** A process has done what it can. */
  arrive(host: number, state: Exclude<HostState, "busy">): void {
    this.#states[host] = state;
    this.#release();
  }

  #release(): void {
    if (this.#states.includes("busy")) return;
    const begins = !this.#states.includes("answered");
    if (begins && !this.#open) return;
    if (begins) this.#open = false;
    const due = begins ? "waiting" : "answered";
    for (const [host, state] of this.#states.entries()) {
      if (state !== due) continue;
      this.#states[host] = "busy";
      this.#send(host);
    }
  }
}
