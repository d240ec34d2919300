/** Devices of accounts that a partner's backend vouches for, against a real coordinator. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerMessage } from "@kindred/protocol";
import { type JWTPayload, SignJWT } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Coordinator } from "../src/coordinator.ts";
import { initialiseFolder } from "../src/store/test-databases.ts";
import { RawDevice } from "./raw-device.ts";
import { smallCatalogue, smallPlan } from "./small-task.ts";

const backend = generateKeyPairSync("ed25519");
const stranger = generateKeyPairSync("ed25519");
const issuer = "https://app.example";
const audience = "kindred";
let directory: string;
let coordinator: Coordinator;
const open: RawDevice[] = [];

const plan = (task: string, devices: number) => smallPlan(task, { participation: { devices } });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "kindred-accounts-"));
  await initialiseFolder(join(directory, "database"));
  const keys = join(directory, "accounts.json");
  await writeFile(
    keys,
    JSON.stringify({ keys: [{ ...backend.publicKey.export({ format: "jwk" }), alg: "EdDSA" }] }),
  );
  coordinator = await Coordinator.start({ directory, port: 0, accounts: { keys, issuer, audience } });
  await coordinator.createTask({ plan: plan("one", 1), catalogue: smallCatalogue });
  await coordinator.createTask({ plan: plan("two", 2), catalogue: smallCatalogue });
});
afterEach(() => {
  for (const device of open.splice(0)) device.close();
});
afterAll(async () => {
  await coordinator.close();
  await rm(directory, { recursive: true });
});

function token(
  claims: JWTPayload,
  { key = backend.privateKey, alg = "EdDSA" }: { key?: KeyObject; alg?: string } = {},
) {
  return new SignJWT({ iss: issuer, aud: audience, exp: Math.floor(Date.now() / 1000) + 600, ...claims })
    .setProtectedHeader({ alg })
    .sign(key);
}

/** Connects a device by its seed. @returns what the coordinator says to its hello, nothing for a welcome */
async function hello(task: string, seed: string, account?: string): Promise<ServerMessage | undefined> {
  const device = await RawDevice.connect(coordinator.url, seed);
  open.push(device);
  return device.send({ ...(await device.helloMessage(task)), ...(account === undefined ? {} : { account }) });
}

describe("an account", () => {
  it("takes part with as many devices as the plan allows, and no more", async () => {
    const ada = await token({ sub: "ada" });
    expect(await hello("one", "ada's phone", ada)).toBeUndefined();
    expect(await hello("one", "ada's tablet", ada)).toEqual({
      type: "rejection",
      code: "participation-cap",
      field: "hello.account",
      rule: "takes part with 1 device already, the plan allows 1",
      fix: expect.stringContaining("refresh() brings"),
    });
    expect(await hello("one", "ada's phone", ada)).toBeUndefined();
    expect(await hello("one", "bob's phone", await token({ sub: "bob" }))).toBeUndefined();
    const bob = await token({ sub: "bob" });
    const answers = await Promise.all(["a", "b", "c", "d"].map((seed) => hello("two", `bob's ${seed}`, bob)));
    expect(answers.filter((answer) => answer === undefined)).toHaveLength(2);
  });

  it("gives the place of a device that never took part to the next one", async () => {
    const cleo = await token({ sub: "cleo" });
    expect(await hello("one", "cleo's old phone", cleo)).toBeUndefined();
    const old = open.pop()!;
    old.close();
    await expect.poll(() => hello("one", "cleo's new phone", cleo)).toBeUndefined();
    expect(await hello("one", "cleo's old phone", cleo)).toMatchObject({ code: "participation-cap" });
  });

  it("is not changed by a device", async () => {
    expect(await hello("one", "shared", await token({ sub: "dora" }))).toBeUndefined();
    const other = await hello("one", "shared", await token({ sub: "emil" }));
    expect(other).toMatchObject({
      code: "not-authenticated",
      field: "hello.account",
      rule: expect.stringContaining("came with first"),
    });
  });
});

describe("a connection", () => {
  it("is one device's, also when two hellos come at once", async () => {
    const devices = await Promise.all(
      ["fay's", "gus's"].map((seed) => RawDevice.connect(coordinator.url, seed)),
    );
    open.push(...devices);
    const [fay, gus] = devices as [RawDevice, RawDevice];
    const { nonce } = await fay.hear("challenge");
    const greetings = [
      { ...(await fay.helloMessage("two")), account: await token({ sub: "fay" }) },
      { ...gus.helloTo({ task: "two", nonce }), account: await token({ sub: "gus" }) },
    ];
    const before = coordinator.connectedDevices("two");
    const answers = await Promise.all(greetings.map((greeting) => fay.send(greeting)));
    const refused = answers.filter((answer) => answer !== undefined);
    expect(refused).toEqual([expect.objectContaining({ code: "message-unexpected", field: "hello" })]);
    expect(coordinator.connectedDevices("two")).toBe(before + 1);
  });
});

describe("a token", () => {
  const past = Math.floor(Date.now() / 1000) - 600;
  it.each([
    ["missing", async () => undefined, /must be there/],
    ["of another key", () => token({ sub: "x" }, { key: stranger.privateKey }), /SIGNATURE_VERIFICATION/],
    ["expired", () => token({ sub: "x", exp: past }), /EXPIRED/],
    ["of another issuer", () => token({ sub: "x", iss: "https://evil.example" }), /CLAIM/],
    ["for another audience", () => token({ sub: "x", aud: "else" }), /CLAIM/],
    ["without a subject", () => token({}), /CLAIM/],
    ["whose subject is a number", () => token({ sub: 7 as unknown as string }), /must name an account/],
    ["with an empty subject", () => token({ sub: "" }), /must name an account/],
    ["that is none", async () => "nonsense", /ERR_JW/],
    ["without a signature", async () => `${btoa('{"alg":"none"}')}.${btoa('{"sub":"x"}')}.`, /ERR_J/],
  ])("%s is refused", async (_, make, rule) => {
    const answer = await hello("one", "nobody", await make());
    expect(answer).toMatchObject({ code: "not-authenticated", field: "hello.account" });
    expect((answer as { rule: string }).rule).toMatch(rule);
  });
});
