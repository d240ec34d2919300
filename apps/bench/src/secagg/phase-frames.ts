/** The frames that a phase brings the clients of one process. */

/** A frame, and the client that gets it or has made it. */
export interface Addressed {
  readonly client: number;
  readonly frame: Uint8Array;
}

/** What a process of clients does with the frames of a phase. */
export interface PhaseReader {
  /** Clients that get a frame in the phase that begins; asked before any of its frames is read. */
  readonly expected: () => number;
  readonly read: (frame: Addressed) => void;
}

/** Holds the frames of a phase back until all are there; where they would take too much memory, they are read in parts. */
export class PhaseFrames {
  readonly #reader: PhaseReader;
  readonly #maxBytes: number;
  #waiting: Addressed[] = [];
  #waitingBytes = 0;
  /** Frames of the phase that are still to come, once it has begun. */
  #missing = 0;

  /** @param maxBytes of frames that wait, from which on they are read before all are there */
  constructor(reader: PhaseReader, maxBytes: number) {
    this.#reader = reader;
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes a frame in.
   * @returns whether it was the last of its phase; all have been read then
   */
  receive(addressed: Addressed): boolean {
    // Reading makes clients leave: who they are at the beginning decides how many frames there will be.
    if (this.#missing === 0) this.#missing = this.#reader.expected();
    this.#missing--;
    this.#waiting.push(addressed);
    this.#waitingBytes += addressed.frame.length;
    const complete = this.#missing === 0;
    if (complete || this.#waitingBytes >= this.#maxBytes) this.#readWaiting();
    return complete;
  }

  #readWaiting(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const addressed of batch) this.#reader.read(addressed);
  }
}
