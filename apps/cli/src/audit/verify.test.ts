import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeModel, KindredError } from "@kindred/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  republished,
  type SignalLedger,
  simulateSignalLedger,
} from "../../../../packages/audit/test/signal-ledger.ts";
import { simulateLedger } from "../../../../packages/audit/test/simulated-ledger.ts";
import { type VerifyFlags, verifyCommand } from "./verify.ts";

const honest = simulateLedger();
let folder = "";
let server: Server;
let address = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-audit-"));
  const text = honest.entries.map((entry) => JSON.stringify(entry)).join("\n");
  await writeFile(join(folder, "ledger.jsonl"), text);
  await writeFile(join(folder, "cut.jsonl"), text.split("\n").slice(0, 5).join("\n"));
  await writeFile(join(folder, "broken.jsonl"), '{"index":0}\n{"index"');
  await writeFile(join(folder, "edited.jsonl"), text.replace('"survivors":5', '"survivors":3'));
  server = createServer((request, response) => {
    if (request.url === "/v1/ledger") response.end(text);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

async function run(source: string, flags: VerifyFlags = {}): Promise<{ sound: boolean; text: string }> {
  let text = "";
  const stdout = { columns: 100, write: (part: string) => (text += part) };
  const sound = await verifyCommand(source, flags, { stdout, env: {} });
  return { sound, text };
}

const ledger = () => join(folder, "ledger.jsonl");

describe("kindred audit verify", () => {
  it("says of a sound ledger what was promised, spent both ways, and by whom it was signed", async () => {
    const { sound, text } = await run(ledger());
    expect(sound).toBe(true);
    expect(text).toContain("The ledger holds");
    expect(text).toMatch(/signed by .*named by the ledger itself/);
    expect(text).toMatch(/promised to each person +ε at most 6\.00 at δ 1e-6, for at most 3 rounds/);
    expect(text).toMatch(
      /spent, recomputed +ε 6\.00 by Rényi divergence, 5\.60 by privacy loss distribution/,
    );
    expect(text).toMatch(/rounds +3 of 3 published/);
    expect(text).toMatch(/people in each result +5 to 6; at least 4 were promised/);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  it("reads a coordinator's address, with or without the path", async () => {
    for (const source of [address, `${address}/v1/ledger`]) expect((await run(source)).sound).toBe(true);
  });

  it("numbers what is wrong, with entry, rule, found, expected and what it means", async () => {
    const { sound, text } = await run(join(folder, "edited.jsonl"));
    expect(sound).toBe(false);
    expect(text).toContain("The ledger does not hold: 2 violations.");
    expect(text).toMatch(
      /1\. Entry 6, rule hash\n +The entry was changed after it was written\.\n +found +[0-9a-f]{64}/,
    );
    expect(text).toMatch(
      /2\. Entry 6, rule minimum-survivors\n.*\n +found +a release over 3 survivors\n +expected +at least 4/,
    );
  });

  it("remembers the head of a ledger that holds, and finds the cut by it", async () => {
    const head = join(folder, "head.json");
    expect((await run(join(folder, "edited.jsonl"), { saveHead: head })).sound).toBe(false);
    await expect(readFile(head)).rejects.toThrow();
    expect((await run(ledger(), { saveHead: head })).sound).toBe(true);
    expect((await run(ledger(), { head })).text).toMatch(/earlier tree heads +1 head compared/);
    expect((await run(join(folder, "cut.jsonl"))).sound).toBe(true);
    const { sound, text } = await run(join(folder, "cut.jsonl"), { head });
    expect(sound).toBe(false);
    expect(text).toMatch(/1\. Entry 5, rule truncated/);
  });

  it("compares model files by content", async () => {
    const models = await mkdtemp(join(folder, "models-"));
    for (const [name, bytes] of honest.files) await writeFile(join(models, name), bytes);
    expect(await run(ledger(), { models })).toMatchObject({
      sound: true,
      text: expect.stringContaining("4 files compared"),
    });
    const [name, bytes] = [...honest.files][2]!;
    const swapped = Uint8Array.from(bytes);
    swapped[swapped.length - 40]! ^= 1;
    await writeFile(join(models, name), swapped);
    const { text } = await run(ledger(), { models });
    expect(text).toMatch(/1\. Entry 4, rule model-swapped/);
  });

  it("holds what carried counts say of themselves to the survivors, and names what they would have to say", async () => {
    const task = simulateSignalLedger({
      rounds: 3,
      signals: { popularity: { rounds: [1, 2], carry: 1 } },
    });
    const verdictOn = async ({ entries, models }: SignalLedger) => {
      const left = await mkdtemp(join(folder, "signals-"));
      await writeFile(join(left, "ledger.jsonl"), entries.map((entry) => JSON.stringify(entry)).join("\n"));
      for (const [hash, model] of models) await writeFile(join(left, `${hash}.kindred`), encodeModel(model));
      return run(join(left, "ledger.jsonl"), { models: left });
    };
    expect(await verdictOn(task)).toMatchObject({ sound: true });
    const inflated = republished(task, (model) => {
      const popularity = model.signals?.popularity;
      if (popularity === undefined || model.round !== 2) return model;
      return { ...model, signals: { popularity: { ...popularity, people: 30 } } };
    });
    const { sound, text } = await verdictOn(inflated);
    expect(sound).toBe(false);
    expect(text).toMatch(/1\. Entry \d+, rule model-signal\n +Published counts claim to be of other people/);
    expect(text).toMatch(/found +popularity of 30 people [\s\S]*expected +12 people/);
  });

  it("writes JSON", async () => {
    const { text } = await run(join(folder, "edited.jsonl"), { json: true });
    expect(JSON.parse(text)).toMatchObject({
      sound: false,
      violations: [
        { entry: 6, rule: "hash" },
        { entry: 6, rule: "minimum-survivors" },
      ],
      tasks: [{ task: "test", promised: { epsilon: 6 } }],
    });
  });

  it.each<[string, () => Promise<unknown>, string, RegExp]>([
    ["a file that is not there", () => run(join(folder, "none")), "LEDGER", /ENOENT/],
    ["a line that is no JSON", () => run(join(folder, "broken.jsonl")), "ledger, line 2", /one JSON object/],
    ["an address without a ledger", () => run(`${address}/v2`), "LEDGER", /answers 404/],
    ["an address where nobody answers", () => run("http://127.0.0.1:1/"), "LEDGER", /does not \(/],
    ["an address that is none", () => run("http://["), "LEDGER", /a file or an address/],
    ["a key that is none", () => run(ledger(), { key: "abc" }), "--key", /64 hexadecimal digits/],
    ["a head that is none", () => run(ledger(), { head: ledger() }), "head, line 1", /schema/],
    [
      "a folder that is not there",
      () => run(ledger(), { models: join(folder, "none") }),
      "--models",
      /ENOENT/,
    ],
    [
      "a head that cannot be written",
      () => run(ledger(), { saveHead: join(folder, "no", "h") }),
      "--save-head",
      /ENOENT/,
    ],
  ])("refuses %s", async (_, attempt, field, rule) => {
    const error = await attempt().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(KindredError);
    const { rejection } = error as KindredError;
    expect(rejection.field).toBe(field);
    expect(rejection.rule).toMatch(rule);
    expect(rejection.fix).not.toBe("");
  });
});
