/**
 * Holds the cap of devices per account (`participation.devices` of a plan), where accounts are known. ε covers so many
 * devices of one person, whoever lies; that no further one takes part is the coordinator's to see to.
 */
import { createHmac } from "node:crypto";
import { accountDevices } from "@kindred/engine";
import { type Plan, type Rejection, sha256Bytes, utf8ToBytes } from "@kindred/protocol";
import type { CoordinatorKey } from "../store/coordinator-key.ts";
import type { Database } from "../store/database.ts";
import type { AccountTokens } from "./account-tokens.ts";
import type { Clock } from "./clock.ts";

interface AccountRegisterOptions {
  readonly database: Pick<Database, "tx">;
  readonly tokens: Pick<AccountTokens, "subjectOf">;
  readonly key: Pick<CoordinatorKey, "sign">;
  readonly clock: Pick<Clock, "now">;
  /** Whether a device has taken part in the task, is in its round under way, or is connected. */
  readonly isEngaged: (task: string, device: string) => boolean;
}

export class AccountRegister {
  readonly #options: AccountRegisterOptions;
  readonly #pseudonymKey: Uint8Array;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: AccountRegisterOptions) {
    this.#options = options;
    // Ed25519 signatures are deterministic, so this is one secret more that needs no storage of its own.
    this.#pseudonymKey = sha256Bytes(options.key.sign(utf8ToBytes("kindred.account-pseudonym/1")));
  }

  /**
   * Lets a device come in, or says why not. A device that never took part and is gone gives its place to a newer one of its account, as
   * after the app was installed anew.
   * @param hello.token as the device gave it
   * @param enter from here on the device is engaged; called for one that may come in, before any other of its account is
   *   looked at, which could take its place otherwise
   * @returns what `enter` returns, or `participation-cap` for a device too many, `not-authenticated` for no valid token or another account than
   *   before, `internal` while the backend's keys cannot be had
   */
  async admit<Entered>(
    hello: { plan: Plan; device: string; token: string | undefined },
    enter: () => Entered,
  ): Promise<Entered | Rejection> {
    const { plan, device, token } = hello;
    const { clock, tokens } = this.#options;
    const subject = await tokens.subjectOf(token, clock.now());
    if (!subject.ok) return subject.rejection;
    const account = createHmac("sha256", this.#pseudonymKey).update(subject.value).digest("hex");
    // One after another: two devices of an account must not both find the last place free.
    const admission = this.#turn.then(
      async () => (await this.#register(plan, { device, account })) ?? enter(),
    );
    this.#turn = admission.catch(() => undefined);
    return admission;
  }

  #register(
    plan: Plan,
    { device, account }: { device: string; account: string },
  ): Promise<Rejection | undefined> {
    const { database, clock, isEngaged } = this.#options;
    const { task } = plan;
    const limit = accountDevices(plan);
    return database.tx("register account device", async ({ accounts }) => {
      const known = await accounts.accountOf(task, device);
      if (known === account) return undefined;
      if (known !== undefined) return ANOTHER_ACCOUNT;
      const others = await accounts.devicesOf(task, account);
      const idle = others.filter((other) => !isEngaged(task, other));
      if (others.length - idle.length >= limit) return tooMany(others.length - idle.length, limit);
      await accounts.remove(task, idle.slice(0, Math.max(0, others.length - limit + 1)));
      await accounts.add({ task, device, account, now: clock.now() });
      return undefined;
    });
  }
}

const ANOTHER_ACCOUNT: Rejection = {
  code: "not-authenticated",
  field: "hello.account",
  rule: "must be the account that this device came with first",
  fix: "call forget() when another person signs in: an identity belongs to one person",
};

function tooMany(found: number, limit: number): Rejection {
  const devices = (count: number) => (count === 1 ? "1 device" : `${count} devices`);
  return {
    code: "participation-cap",
    field: "hello.account",
    rule: `takes part with ${devices(found)} already, the plan allows ${limit}`,
    fix: "nothing to do: the account's other devices take part; refresh() brings this one newer models",
  };
}
