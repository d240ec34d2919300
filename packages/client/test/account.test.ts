/** A client whose app has accounts: the token that goes with each hello, and the reason when the account's device is one too many. */
import type { Rejection } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { createWorld } from "./world.ts";

describe("an app with accounts", () => {
  it("sends a fresh token with each hello, and none where the app gives none", async () => {
    const { coordinator, clock, add } = await createWorld({ people: 0 });
    let asked = 0;
    const { client } = await add({ account: async () => `token ${++asked}` });
    const plain = await add();
    for (const each of [client, plain.client]) {
      await each.consent.grant();
      await each.start();
    }
    await clock.settle();
    const hellos = coordinator.received.flatMap(({ message }) => (message.type === "hello" ? [message] : []));
    expect(hellos.map(({ account }) => account).sort()).toEqual(["token 1", undefined]);
    expect(hellos.filter((hello) => "account" in hello)).toHaveLength(1);
  });

  it("is told why its device is turned away", async () => {
    const { coordinator, clock, add } = await createWorld({ people: 0 });
    const rejection: Rejection = {
      code: "participation-cap",
      field: "hello.account",
      rule: "takes part with 1 device already, the plan allows 1",
      fix: "nothing to do",
    };
    coordinator.refuse = (message) => (message.type === "hello" ? rejection : undefined);
    const { client, events } = await add({ account: async () => "token" });
    await client.consent.grant();
    await client.start();
    await clock.settle();
    expect(client.status()).toMatchObject({ phase: "stopped", reason: rejection });
    expect(events).toContainEqual({ type: "stopped", rejection });
  });

  it.each([
    ["and is welcomed with it", 1, ["token 1", "token 2"], "waiting"],
    ["no more than once", 9, ["token 1", "token 2"], "stopped"],
  ])("asks for a fresh token where one expired on its way, %s", async (_, refusals, sent, phase) => {
    const { coordinator, clock, add } = await createWorld({ people: 0 });
    const rejection: Rejection = {
      code: "not-authenticated",
      field: "hello.account",
      rule: "must be a valid token of the app's backend (ERR_JWT_EXPIRED)",
      fix: "give the client an account() that asks the app's backend for a fresh token",
    };
    const tokens: unknown[] = [];
    coordinator.refuse = (message) => {
      if (message.type !== "hello") return undefined;
      tokens.push(message.account);
      return tokens.length <= refusals ? rejection : undefined;
    };
    let asked = 0;
    const { client } = await add({ account: async () => `token ${++asked}` });
    await client.consent.grant();
    await client.start();
    await clock.settle();
    expect(tokens).toEqual(sent);
    expect(client.status()).toMatchObject({ phase, ...(phase === "stopped" && { reason: rejection }) });
    expect(asked).toBe(2);
  });

  it("takes another refusal for final", async () => {
    const { coordinator, clock, add } = await createWorld({ people: 0 });
    const refused = { code: "not-authenticated", field: "hello", rule: "must be known", fix: "" } as const;
    coordinator.refuse = (message) => (message.type === "hello" ? refused : undefined);
    let asked = 0;
    const { client } = await add({ account: async () => `token ${++asked}` });
    await client.consent.grant();
    await client.start();
    await clock.settle();
    expect(client.status().phase).toBe("stopped");
    expect(asked).toBe(1);
  });

  it("asks again after a while when its backend does not answer", async () => {
    const { coordinator, clock, add } = await createWorld({ people: 0 });
    let asked = 0;
    const { client } = await add({
      account: async () => {
        if (++asked === 1) throw new Error("offline");
        return "token";
      },
    });
    await client.consent.grant();
    await client.start();
    await clock.until(() => coordinator.received.length > 0, "a hello");
    expect(coordinator.received[0]!.message).toMatchObject({ type: "hello", account: "token" });
  });
});
