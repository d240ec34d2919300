import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KindredError } from "@kindred/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { simulateLedger } from "../../../../packages/audit/test/simulated-ledger.ts";
import { type AttackFlags, attackCommand, parseAttackFlags } from "./attack.ts";

const FLAGS: AttackFlags = {
  deviation: "1",
  runs: "4",
  canaries: "20",
  shadows: "0",
  seconds: "60",
  seed: "1",
};
let folder = "";
const write = (name: string, noise: boolean) =>
  writeFile(
    join(folder, name),
    simulateLedger({ noise })
      .entries.map((entry) => JSON.stringify(entry))
      .join("\n"),
  );
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-attack-"));
  await write("ledger.jsonl", true);
  await write("silent.jsonl", false);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(
  name: string,
  flags: Partial<AttackFlags> = {},
): Promise<{ stands: boolean; text: string }> {
  let text = "";
  const stdout = {
    columns: 100,
    write: (part: string) => {
      text += part;
    },
  };
  const stands = await attackCommand(join(folder, name), { ...FLAGS, ...flags }, { stdout, env: {} });
  return { stands, text };
}

async function refusal(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof KindredError ? `${error.rejection.field} ${error.rejection.rule}` : String(error);
}

describe("kindred audit attack", () => {
  it("shows how far it is, and puts what was found beside what is proven", async () => {
    const json = join(folder, "attack.json");
    const { stands, text } = await run("ledger.jsonl", { json });
    expect(stands).toBe(true);
    expect(text).toMatch(/Two worlds +\d\d:\d\d +done/);
    expect(text).toContain("found nothing that contradicts the proof");
    expect(text).toMatch(/proven for each person +ε at most 5\.60 at δ 1e-6, over 3 rounds/);
    expect(text).toMatch(/masked, as it is sent +nothing/);
    expect(JSON.parse(await readFile(json, "utf8"))).toMatchObject({
      contradicted: false,
      twoWorlds: { runs: 2 },
      seed: "1",
    });
  });

  it("finds that noise is off", async () => {
    const { stands, text } = await run("ledger.jsonl", { deviation: "0", canaries: "60", runs: "60" });
    expect(stands).toBe(false);
    expect(text).toContain("The attacks contradict the proof");
    expect(text).toMatch(/attacked with +the noise turned off/);
  });

  it("attacks released models: members are found with the noise off, and the outcome is in the text", async () => {
    const { stands, text } = await run("ledger.jsonl", { deviation: "0", shadows: "10", seconds: "600" });
    expect(text).toMatch(/Released models +\d\d:\d\d +done/);
    expect(text).toContain("Who is in a released model?");
    const area = Number(/LiRA on updates +area ([\d.]+)/.exec(text)?.[1]);
    expect(area).toBeGreaterThan(0.8);
    expect(stands).toBeTypeOf("boolean");
    const left = await run("ledger.jsonl", { seconds: "1", shadows: "10000" });
    expect(left.text).toMatch(/not attacked|time was up/);
  });

  it("refuses a plan without noise, a ledger without a plan, and what cannot be written", async () => {
    expect(await refusal(run("silent.jsonl"))).toMatch(/^LEDGER must promise an ε/);
    await writeFile(join(folder, "empty.jsonl"), "{}");
    expect(await refusal(run("empty.jsonl"))).toMatch(/^LEDGER must hold an accepted plan/);
    expect(await refusal(run("ledger.jsonl", { json: join(folder, "no", "x") }))).toMatch(
      /^--json must be a file/,
    );
  });

  it.each<[keyof AttackFlags, string, string]>([
    ["deviation", "-1", "--deviation"],
    ["runs", "1.5", "--runs"],
    ["canaries", "961", "--canaries"],
    ["shadows", "-8", "--shadows"],
    ["seconds", "", "--seconds"],
  ])("refuses %s %j", (flag, value, field) => {
    expect(() => parseAttackFlags({ ...FLAGS, [flag]: value })).toThrow(field);
  });
});
