/** Devices that have proved their key, and the rounds they took part in. */
import type { Prisma } from "../generated/prisma/client.ts";

const ROWS_PER_INSERT = 1_000;

export class DeviceStore {
  readonly #db: Prisma.TransactionClient;

  constructor(transaction: Prisma.TransactionClient) {
    this.#db = transaction;
  }

  /** Notes that devices (Ed25519 keys, 64 hexadecimal digits) proved their keys at a task at time `now`. */
  async seen(publicKeys: readonly string[], { task, now }: { task: string; now: number }): Promise<void> {
    const time = new Date(now);
    for (let start = 0; start < publicKeys.length; start += ROWS_PER_INSERT) {
      const some = publicKeys.slice(start, start + ROWS_PER_INSERT);
      await this.#db.device.createMany({
        data: some.map((publicKey) => ({ publicKey, task, firstSeen: time, lastSeen: time })),
        skipDuplicates: true,
      });
      await this.#db.device.updateMany({
        where: { publicKey: { in: some } },
        data: { task, lastSeen: time },
      });
    }
  }

  /** Notes that these devices' inputs are part of a round. Safe to repeat; devices never seen are added. */
  async recordParticipations({
    task,
    round,
    devices,
    now,
  }: {
    task: string;
    round: number;
    devices: readonly string[];
    now: number;
  }): Promise<void> {
    const time = new Date(now);
    for (let start = 0; start < devices.length; start += ROWS_PER_INSERT) {
      const some = devices.slice(start, start + ROWS_PER_INSERT);
      await this.#db.device.createMany({
        data: some.map((publicKey) => ({ publicKey, task, firstSeen: time, lastSeen: time })),
        skipDuplicates: true,
      });
      await this.#db.participation.createMany({
        data: some.map((device) => ({ task, device, round })),
        skipDuplicates: true,
      });
    }
  }

  /** The rounds of a task in which each device took part, ascending, by public key. */
  async participations(task: string): Promise<Map<string, number[]>> {
    const rows = await this.#db.participation.findMany({
      where: { task },
      orderBy: [{ device: "asc" }, { round: "asc" }],
      select: { device: true, round: true },
    });
    const rounds = new Map<string, number[]>();
    for (const { device, round } of rows) {
      const known = rounds.get(device);
      if (known === undefined) rounds.set(device, [round]);
      else known.push(round);
    }
    return rounds;
  }
}
