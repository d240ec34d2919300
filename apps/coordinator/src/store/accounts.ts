/** Which account each device of a task belongs to, where an app's backend vouches for accounts. */
import type { Prisma } from "../generated/prisma/client.ts";

export class AccountStore {
  readonly #db: Prisma.TransactionClient;

  constructor(transaction: Prisma.TransactionClient) {
    this.#db = transaction;
  }

  /** The account that a device came with first: a keyed digest, 64 hexadecimal digits. */
  async accountOf(task: string, device: string): Promise<string | undefined> {
    const row = await this.#db.accountDevice.findUnique({ where: { task_device: { task, device } } });
    return row?.account;
  }

  /** Devices of an account, those first that came first. */
  async devicesOf(task: string, account: string): Promise<string[]> {
    const rows = await this.#db.accountDevice.findMany({
      where: { task, account },
      orderBy: [{ firstSeen: "asc" }, { device: "asc" }],
      select: { device: true },
    });
    return rows.map(({ device }) => device);
  }

  /** @param entry.now milliseconds since the Unix epoch */
  async add(entry: { task: string; device: string; account: string; now: number }): Promise<void> {
    const { task, device, account, now } = entry;
    await this.#db.accountDevice.create({ data: { task, device, account, firstSeen: new Date(now) } });
  }

  async remove(task: string, devices: readonly string[]): Promise<void> {
    await this.#db.accountDevice.deleteMany({ where: { task, device: { in: [...devices] } } });
  }
}
