/** Plays the rounds of a bench with a server and clients in processes of their own, and watches the measured one from outside. */
import type { ClientFigures, ClientInput, ClientOrder, ClientReport } from "./client-process.ts";
import { type HealthFigures, HealthProbe } from "./health.ts";
import type { SecaggOptions } from "./options.ts";
import type { BenchProcess, Processes } from "./processes.ts";
import type { ServerFigures, ServerReport } from "./server-process.ts";
import { processorTicks, stolenShare } from "./stolen-time.ts";
import { Volleys } from "./volleys.ts";

/** What the measured round took. */
export interface PlayedRound {
  readonly server: ServerFigures;
  /** By process of clients. */
  readonly hosts: readonly ClientFigures[];
  readonly health: HealthFigures;
  /** Share of the processors' time that the machine's host gave to others, 0 to 1. */
  readonly stolen: number | undefined;
}

/**
 * Plays the rounds that warm up, and the measured one.
 * @param stage.progress is told what the server does, a line at a time
 * @throws Error if a process fails
 */
export async function playRounds(
  options: SecaggOptions,
  { processes, progress }: { readonly processes: Processes; readonly progress: (line: string) => void },
): Promise<PlayedRound> {
  const hosts: BenchProcess<ClientFigures, ClientOrder>[] = [];
  const volleys = new Volleys(options.processes, (host) => hosts[host]!.tell("send"));
  const watch = new ServerWatch({ open: () => volleys.open(), progress });
  const server = processes.start<ServerReport, ServerFigures>(
    new URL("./server-process-entry.mjs", import.meta.url),
    { name: "server", input: options, observe: (message) => watch.observe(message) },
  );
  const port = await Promise.race([
    watch.port,
    server.figures.then(() => Promise.reject(new Error("the server did not listen"))),
  ]);
  for (let remainder = 0; remainder < options.processes; remainder++) {
    const input: ClientInput = { options, port, remainder };
    const observe = ({ type }: ClientReport): void => {
      if (type === "answered" || type === "waiting") volleys.arrive(remainder, type);
    };
    const entry = new URL("./client-process-entry.mjs", import.meta.url);
    hosts.push(processes.start(entry, { name: "clients", input, observe }));
  }
  const ended = Promise.all(hosts.map(({ figures }) => figures));
  const figures = await Promise.race([
    server.figures,
    ended.then(() => Promise.reject(new Error("the clients ended before the server"))),
  ]);
  for (const host of hosts) host.tell("stop");
  progress("checking the sum");
  const clients = await ended;
  progress("");
  return { server: figures, hosts: clients, ...(await watch.seen()) };
}

type Progress = Extract<ServerReport, { type: "progress" }>;

/** Follows the server's reports, and measures from outside while the measured round is played. */
class ServerWatch {
  /** Where the server speaks frames. */
  readonly port: Promise<number>;
  readonly #open: () => void;
  readonly #progress: (line: string) => void;
  #listening: (port: number) => void = () => {};
  #probe: HealthProbe | undefined;
  #health: Promise<HealthFigures> | undefined;
  #measured = false;
  #ticks = processorTicks();
  #stolen: number | undefined;

  /** @param told.open when a round is open to its clients */
  constructor({ open, progress }: { open: () => void; progress: (line: string) => void }) {
    this.#open = open;
    this.#progress = progress;
    this.port = new Promise((resolve) => {
      this.#listening = resolve;
    });
  }

  observe(message: ServerReport): void {
    switch (message.type) {
      case "listening":
        this.#probe = new HealthProbe(message.healthPort);
        this.#listening(message.port);
        return;
      case "open":
        this.#measured = message.measured;
        if (this.#measured) this.#probe?.rest();
        this.#ticks = processorTicks();
        this.#open();
        return;
      case "progress":
        if (this.#measured && message.stage === "recovery") this.#probe?.begin();
        this.#progress(this.#text(message));
        return;
      case "recovered":
        this.#health = this.#probe?.stop();
        this.#stolen = stolenShare(this.#ticks, processorTicks());
    }
  }

  /** What was measured of the round, once its sum has been recovered. */
  async seen(): Promise<Pick<PlayedRound, "health" | "stolen">> {
    if (this.#health === undefined) throw new Error("the server did not say that it has recovered the sum");
    return { health: await this.#health, stolen: this.#stolen };
  }

  #text({ stage, done, of }: Progress): string {
    const text = stage === "recovery" ? "recovering the sum" : `${stage}: ${done} of ${of}`;
    return this.#measured ? text : `warming up: ${text}`;
  }
}
