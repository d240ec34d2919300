import type { Plan } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import type { Database } from "../store/database.ts";
import { AccountRegister } from "./account-register.ts";

/** Every device belongs to one account and the plan allows one device; nothing takes longer than a microtask. */
function soleAccount() {
  const devices = new Map<string, string>();
  const accounts = {
    accountOf: async (_task: string, device: string) => devices.get(device),
    devicesOf: async () => [...devices.keys()],
    add: async ({ device, account }: { device: string; account: string }) => {
      devices.set(device, account);
    },
    remove: async (_task: string, gone: readonly string[]) => {
      for (const device of gone) devices.delete(device);
    },
  };
  const connected = new Set<string>();
  const register = new AccountRegister({
    database: { tx: ((_name, work) => work({ accounts } as never)) satisfies Database["tx"] },
    tokens: { subjectOf: async () => ({ ok: true, value: "ada" }) },
    key: { sign: () => new Uint8Array(64) },
    clock: { now: () => 1 },
    isEngaged: (_task, device) => connected.has(device),
  });
  const plan = { task: "films", participation: { devices: 1 } } as Plan;
  const admit = (device: string) =>
    register.admit({ plan, device, token: "token" }, () => {
      connected.add(device);
      return "welcomed";
    });
  return { admit, connected, devices };
}

describe("devices of an account that come at once", () => {
  it("do not take the place of the one that was let in before", async () => {
    const { admit, connected, devices } = soleAccount();
    const answers = await Promise.all(["phone", "tablet", "laptop"].map(admit));
    const full = expect.objectContaining({ code: "participation-cap" });
    expect(answers).toEqual(["welcomed", full, full]);
    expect([...connected]).toEqual(["phone"]);
    expect([...devices.keys()]).toEqual(["phone"]);
  });

  it("find the place free again once it is gone", async () => {
    const { admit, connected } = soleAccount();
    await admit("phone");
    connected.clear();
    expect(await Promise.all([admit("tablet"), admit("phone")])).toEqual([
      "welcomed",
      expect.objectContaining({ code: "participation-cap" }),
    ]);
  });
});
