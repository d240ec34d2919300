/** Rounds of clients whose cryptography answers later. */
import { applyMasks, type CryptoSuite } from "@kindred/secagg";
import { describe, expect, it } from "vitest";
import { createWorld, type World } from "../test/world.ts";
import type { NativeCryptography } from "./native.ts";

/** A platform that answers all that is foreseen and lets the suite do no curve operation of a round. */
function patientPlatform(world: World) {
  const { suite } = world.coordinator;
  const seen = { agree: 0, verify: 0, masks: 0, wiped: 0 };
  const native: NativeCryptography = {
    async foresee(base, operations) {
      const results = new Map<string, Uint8Array | boolean | undefined>();
      for (const operation of operations) {
        seen[operation.kind]++;
        if (operation.kind === "agree") {
          const { secretKey, publicKey } = operation;
          results.set(`agree ${secretKey} ${publicKey}`, suite.agree(secretKey, publicKey));
        } else {
          const { signature, message, publicKey } = operation;
          results.set(
            `verify ${signature} ${message} ${publicKey}`,
            suite.verify(signature, message, publicKey),
          );
        }
      }
      await Promise.resolve();
      const look = (name: string) => {
        if (!results.has(name)) throw new Error("a computation was not foreseen");
        return results.get(name);
      };
      const foreseen: CryptoSuite = {
        ...base,
        agree: (secretKey, publicKey) => look(`agree ${secretKey} ${publicKey}`) as Uint8Array | undefined,
        verify: (signature, message, publicKey) =>
          look(`verify ${signature} ${message} ${publicKey}`) as boolean,
      };
      return { suite: foreseen, wipe: () => void seen.wiped++ };
    },
    async applyMasks(vector, job) {
      seen.masks++;
      await Promise.resolve();
      applyMasks(vector, job, suite);
    },
  };
  return { native, seen };
}

describe("native cryptography", () => {
  it("takes part beside clients without, all curve operations foreseen", async () => {
    const world = await createWorld({ people: 4, plan: { rounds: 1 } });
    const { native, seen } = patientPlatform(world);
    const person = await world.add({ native });
    await world.begin();
    await world.reach("finished");
    expect(world.coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 5, dropped: 0 });
    expect(person.events.map(({ type }) => type)).not.toContain("refused");
    expect(person.events.map(({ type }) => type)).toContain("contributed");
    expect(seen).toMatchObject({ agree: 8, masks: 1 });
    expect(seen.verify).toBeGreaterThan(4);
    expect(seen.wiped).toBeGreaterThan(3);
  });

  it("falls back to the suite where the platform fails", async () => {
    const world = await createWorld({ people: 4, plan: { rounds: 1 } });
    const { native } = patientPlatform(world);
    await world.add({ native: { ...native, foresee: () => Promise.reject(new Error("no curve")) } });
    await world.begin();
    await world.reach("finished");
    expect(world.coordinator.records.at(-1)).toMatchObject({ status: "published", survivors: 5, dropped: 0 });
  });

  it("sends nothing of a round that was left while the platform computed", async () => {
    const world = await createWorld({ people: 4, plan: { rounds: 1 } });
    const { native } = patientPlatform(world);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const person = await world.add({
      native: {
        ...native,
        async applyMasks(vector, job) {
          await held;
          await native.applyMasks(vector, job);
        },
      },
    });
    await world.begin();
    await world.reach("masking");
    await person.client.consent.withdraw();
    release();
    await world.reach("finished");
    const device = await person.device();
    const sent = world.coordinator.received.filter((entry) => entry.device === device);
    expect(sent.map(({ message }) => message.type)).not.toContain("masked-input");
    expect(person.events.map(({ type }) => type)).not.toContain("contributed");
  });

  it("leaves a round whose step fails, and takes part in the next", async () => {
    const world = await createWorld({ people: 4, plan: { rounds: 2 } });
    const { native } = patientPlatform(world);
    let failures = 0;
    const person = await world.add({
      native: {
        ...native,
        async foresee(base, operations) {
          const foreseen = await native.foresee(base, operations);
          if (failures > 0 || operations.length === 0) return foreseen;
          const verify = (): boolean => {
            failures++;
            throw new Error("a broken platform");
          };
          return { ...foreseen, suite: { ...foreseen.suite, verify } };
        },
      },
    });
    await world.begin();
    await world.reach("finished", 2);
    expect(failures).toBe(1);
    const published = world.coordinator.records.filter(({ status }) => status === "published");
    expect(published.map(({ round, survivors }) => ({ round, survivors }))).toEqual([
      { round: 1, survivors: 4 },
      { round: 2, survivors: 5 },
    ]);
    expect(person.events.map(({ type }) => type)).toContain("contributed");
  });
});
