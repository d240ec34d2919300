import { expect, test } from "vitest";
import { show } from "#platform";
import { Secret } from "./secret.ts";

test("a secret shows itself neither in JSON, nor in inspect, nor as text", () => {
  const secret = new Secret(Uint8Array.of(201, 202, 203));
  for (const text of [JSON.stringify({ secret }), show({ secret }), `${secret}`]) {
    expect(text).toContain("[secret]");
    expect(text).not.toContain("202");
  }
});

test("wiping overwrites the bytes and makes the secret unreadable", () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const secret = new Secret(bytes);
  expect(secret.expose()).toBe(bytes);
  secret.wipe();
  secret.wipe();
  expect([...bytes]).toEqual([0, 0, 0]);
  expect(() => secret.expose()).toThrow("wiped");
});
