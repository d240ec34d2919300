/** What happened, in order, and a way to wait for what has not happened yet. */

interface Waiter<T> {
  readonly wanted: (entry: T) => boolean;
  readonly resolve: (entry: T) => void;
}

export class Timeline<T> {
  readonly entries: T[] = [];
  readonly #waiters = new Set<Waiter<T>>();

  readonly push = (entry: T): void => {
    this.entries.push(entry);
    for (const waiter of [...this.#waiters]) {
      if (!waiter.wanted(entry)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(entry);
    }
  };

  /** The first entry that fits, also one of the past. */
  until(wanted: (entry: T) => boolean): Promise<T> {
    const past = this.entries.find(wanted);
    if (past !== undefined) return Promise.resolve(past);
    return new Promise((resolve) => this.#waiters.add({ wanted, resolve }));
  }
}
