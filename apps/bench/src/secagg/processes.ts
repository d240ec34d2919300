/** The processes of a bench: each reports as it goes, and ends with its figures or a reason. */
import { type ChildProcess, fork } from "node:child_process";

/** What every process reports beside messages of its own. */
interface Ending<Figures> {
  readonly figures?: Figures;
  readonly reason?: string;
}

export interface BenchProcess<Figures, Order> {
  /** Rejects where the process fails, or ends before it has sent them. */
  readonly figures: Promise<Figures>;
  /** Without effect on a process that has ended. */
  readonly tell: (order: Order) => void;
}

export class Processes {
  readonly #children: ChildProcess[] = [];

  /**
   * Starts a process. It gets the input as JSON in its first argument, and sends `finished` with its figures or `failed` with a reason.
   * @param options.name for errors
   */
  start<Report extends { readonly type: string }, Figures, Order extends string = never>(
    entry: URL,
    {
      name,
      input,
      observe,
    }: { readonly name: string; readonly input: unknown; readonly observe: (message: Report) => void },
  ): BenchProcess<Figures, Order> {
    const child = fork(entry, [JSON.stringify(input)], { execArgv: [] });
    this.#children.push(child);
    const figures = new Promise<Figures>((resolve, reject) => {
      child.on("message", (message: Report & Ending<Figures>) => {
        observe(message);
        if (message.type === "finished") resolve(message.figures!);
        if (message.type === "failed") reject(new Error(`the ${name} failed: ${message.reason}`));
      });
      child.on("error", reject);
      child.on("exit", (code) => reject(new Error(`the process of the ${name} ended with code ${code}`)));
    });
    // Whoever is gone has been told about by its exit.
    return { figures, tell: (order) => void child.send(order, () => {}) };
  }

  /** Ends those that are still there. */
  end(): void {
    for (const child of this.#children) child.kill();
  }
}
