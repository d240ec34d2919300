/** Values that do not print. */

/** A byte string that does not print: it redacts itself in JSON and in Node's `inspect`, and can be wiped. */
export class Secret {
  #bytes: Uint8Array | undefined;

  /** Takes `bytes` over: the caller must not keep another reference, or wiping would be in vain. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * The bytes themselves, not a copy.
   * @throws Error once the secret has been wiped; a machine that reads a wiped secret has a bug
   */
  expose(): Uint8Array {
    if (this.#bytes === undefined) throw new Error("the secret has been wiped");
    return this.#bytes;
  }

  /** Overwrites the bytes with zeros and forgets them. Wiping twice is harmless. */
  wipe(): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  toJSON(): string {
    return REDACTED;
  }

  toString(): string {
    return REDACTED;
  }

  /** What Node's `util.inspect` (and therefore `console.log`) prints. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return REDACTED;
  }
}

const REDACTED = "[secret]";

/**
 * Makes an object show `shown` in JSON and in Node's `inspect` in place of what it holds. Its fields stay plain data: the
 * hooks are not enumerable, so a structured clone and an encoder leave them out.
 * @returns the object itself
 */
export function redacted<T extends object>(value: T, shown: unknown): T {
  const hook = { value: () => shown };
  return Object.defineProperties(value, {
    toJSON: hook,
    [Symbol.for("nodejs.util.inspect.custom")]: hook,
  });
}
