import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "parse5";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { simulateLedger } from "../../../../packages/audit/test/simulated-ledger.ts";
import { type ReportFlags, reportCommand } from "./report.ts";

let folder = "";
const honest = simulateLedger();
const text = honest.entries.map((entry) => JSON.stringify(entry)).join("\n");
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-report-"));
  await writeFile(join(folder, "ledger.jsonl"), text);
  await writeFile(join(folder, "edited.jsonl"), text.replace('"survivors":5', '"survivors":3'));
  const silent = simulateLedger({ noise: false }).entries.map((entry) => JSON.stringify(entry));
  await writeFile(join(folder, "silent.jsonl"), silent.join("\n"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function report(
  name: string,
  changes: Partial<ReportFlags> = {},
): Promise<{ sound: boolean; html: string; said: string }> {
  const out = join(folder, "audit.html");
  let said = "";
  const stdout = {
    write: (part: string) => {
      said += part;
    },
  };
  const flags: ReportFlags = {
    out,
    attack: false,
    deviation: "1",
    runs: "8",
    canaries: "20",
    shadows: "0",
    seconds: "60",
    seed: "1",
    ...changes,
  };
  const sound = await reportCommand(join(folder, name), flags, { stdout, env: {} });
  return { sound, html: await readFile(out, "utf8"), said };
}

describe("kindred audit report", () => {
  it("puts promise, proof and attacks into one file without scripts and requests, and into JSON", async () => {
    const json = join(folder, "audit.json");
    const { sound, html, said } = await report("ledger.jsonl", {
      attack: true,
      shadows: "8",
      seconds: "600",
      json,
    });
    expect(sound).toBe(true);
    expect(said).toContain("The ledger holds, and attacks found nothing that contradicts it");
    const problems: string[] = [];
    parse(html, { onParseError: ({ code }) => problems.push(code) });
    expect(problems).toEqual([]);
    expect(html).not.toMatch(/<script|https?:\/\/|url\(/);
    for (const words of [
      "only the sum over at least 4 people",
      "to ε = 6.00 at δ = 1e-6",
      "it is 6.00 and 5.60, of 6.00 promised",
      "3 of 3 planned rounds were published",
      "the attack reads nothing",
      "Was this person in it?",
      "Who is in a released model?",
      "Shown by released models, and promised",
      "whose it is was not checked",
    ])
      expect(html).toContain(words);
    for (const { hash } of honest.models) expect(html).toContain(hash.slice(0, 10));
    expect(JSON.parse(await readFile(json, "utf8"))).toMatchObject({
      verdict: { violations: [], tasks: [{ task: "test" }] },
      attack: { contradicted: false },
    });
  });

  it("says first what is wrong, and lists it with its meaning", async () => {
    const { sound, html, said } = await report("edited.jsonl");
    expect(sound).toBe(false);
    expect(said).toContain("The ledger does not hold: 2 rules were broken");
    expect(html).toContain(
      "<strong>Entry 6, rule minimum-survivors.</strong> A result was published over fewer people",
    );
    expect(html).toContain("No attack was run, so this report rests on the proof alone.");
  });

  it("calls attacks that contradict the proof by their name", async () => {
    const { sound, html } = await report("ledger.jsonl", {
      attack: true,
      deviation: "0",
      runs: "60",
      canaries: "60",
    });
    expect(sound).toBe(false);
    expect(html).toContain("The attacks contradict what the ledger proves");
    expect(html).toContain("with the noise turned off");
  });

  it("warns where no noise was promised, and attacks nothing there", async () => {
    const { sound, html } = await report("silent.jsonl", { attack: true });
    expect(sound).toBe(true);
    expect(html).toContain("a task promised no noise");
    expect(html).toContain("No attack was run");
  });
});
