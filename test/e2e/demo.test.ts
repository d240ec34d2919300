/** The demo as its user starts it: one command, small numbers, and the files it leaves. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readModelFile, verifyLedger } from "../../packages/audit/src/verify/index.ts";
import type { LedgerEntry } from "../../packages/privacy/src/index.ts";
import {
  hexToBytes,
  parseSignedPlan,
  planSigningText,
  utf8ToBytes,
} from "../../packages/protocol/src/index.ts";
import { nodeSuite } from "../../packages/secagg/node/index.ts";

const root = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);
const suite = nodeSuite();

const simulate = (...flags: string[]) =>
  run(process.execPath, ["--import", "tsx", "apps/cli/src/main.ts", "simulate", ...flags], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1", DATABASE_URL: "" },
    timeout: 110_000,
  });

describe("kindred simulate", () => {
  let out: string;
  let stdout: string;
  beforeAll(async () => {
    out = await mkdtemp(join(tmpdir(), "kindred-demo-"));
    const flags = [
      "--clients",
      "14",
      "--cohort",
      "8",
      "--rounds",
      "2",
      "--dropout",
      "0.1",
      "--noise-cohort",
      "0",
    ];
    ({ stdout } = await simulate(...flags, "--out", out, "--json", join(out, "result.json")));
  }, 120_000);
  afterAll(() => rm(out, { recursive: true, force: true }));

  it("prints a line a round and the table", () => {
    expect(stdout).toMatch(/round 1\/2 {2}(published|failed)/);
    expect(stdout).toMatch(/round 2\/2 {2}(published|failed)/);
    for (const row of [
      "before",
      "after",
      "popularity",
      "centralised",
      "silhouette",
      "ARI",
      "ε against the coordinator",
    ])
      expect(stdout).toContain(row);
  });

  it("writes the documented JSON", async () => {
    const result = JSON.parse(await readFile(join(out, "result.json"), "utf8"));
    expect(result).toMatchObject({ data: "synthetic", clients: 14, backend: expect.any(String) });
    expect(result.rounds).toHaveLength(2);
    for (const round of result.rounds) {
      expect(Object.keys(round)).toEqual(
        expect.arrayContaining([
          "round",
          "status",
          "cohort",
          "survivors",
          "dropped",
          "epsilon",
          "loss",
          "ms",
          "bytesUpPerClient",
          "bytesDownPerClient",
        ]),
      );
      expect(round.survivors + round.dropped).toBe(round.cohort);
    }
    for (const name of ["before", "after", "popularity", "centralised"])
      expect(result.metrics[name]).toEqual({ hr10: expect.any(Number), ndcg10: expect.any(Number) });
    expect(result.epsilon.coordinator).toBeLessThanOrEqual(8);
    expect(result.epsilon.observer).toBeLessThanOrEqual(result.epsilon.coordinator);
    expect(result.epsilon.delta).toBe(1e-6);
  });

  it("leaves a ledger, a plan and models that verify without the coordinator", async () => {
    const signed = parseSignedPlan(parse(await readFile(join(out, "plan.yaml"), "utf8")));
    const publicKey = hexToBytes(signed.plan.resolved.coordinatorKey);
    expect(
      suite.verify(hexToBytes(signed.signature), utf8ToBytes(planSigningText(signed.plan)), publicKey),
    ).toBe(true);
    const lines = (await readFile(join(out, "ledger.jsonl"), "utf8")).trim().split("\n");
    const entries = lines.map((line) => JSON.parse(line) as LedgerEntry);
    const released = entries.flatMap(({ body }) => (body.kind === "round-released" ? [body.modelHash] : []));
    const files = await readdir(join(out, "models"));
    expect(files).toHaveLength(released.length + 1);
    const models = await Promise.all(
      files.map(async (name) => readModelFile(name, await readFile(join(out, "models", name)))),
    );
    const verdict = verifyLedger(entries, { verify: suite.verify, key: publicKey, models });
    expect(verdict.violations).toEqual([]);
    expect(verdict.tasks.map(({ rounds }) => rounds.length)).toEqual([signed.plan.rounds]);
  });

  it("writes a report that needs no network", async () => {
    const report = await readFile(join(out, "report.html"), "utf8");
    expect(report).toMatch(/^<!doctype html>/i);
    expect(report).not.toMatch(/(src|href)\s*=\s*["']?https?:/);
  });

  it("refuses a bad flag with the rule and the fix, and exit code 1", async () => {
    await expect(simulate("--dropout", "2")).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/option-invalid: --dropout must lie between 0 and 0.5, found "2"; /),
    });
  });
});
