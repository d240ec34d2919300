import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseSecaggOptions, type SecaggFlags } from "../src/secagg/options.ts";

const folder = mkdtempSync(join(tmpdir(), "kindred-bench-"));
afterAll(() => rmSync(folder, { recursive: true }));

function bench(...flags: string[]) {
  const main = new URL("../src/main.ts", import.meta.url).pathname;
  const once = ["--warm-ups", "1", ...flags];
  return spawnSync(process.execPath, ["--import", "tsx", main, "secagg", ...once], { encoding: "utf8" });
}

describe("bench secagg", () => {
  test.each([
    ["regular", "20", 0.3],
    ["complete", "16", 0.1],
  ])("a small cohort, %s graph, %s bits: exact, and the JSON has its shape", (graph, bits, dropout) => {
    const json = join(folder, `${graph}.json`);
    const shape = ["--clients", "60", "--length", "500", "--graph", graph, "--bits", bits];
    const run = bench(...shape, "--dropout", `${dropout}`, "--workers", "2", "--json", json);
    expect(run.stderr).toBe("");
    expect(run.status).toBe(0);
    expect(run.stdout).toContain("sum             exact");
    const stages = ["enrolling", "sharing", "masking", "consistency", "unmasking"];
    const timed = (names: string[]) =>
      Object.fromEntries([...names, "total"].map((name) => [name, expect.any(Number)]));
    const result = JSON.parse(readFileSync(json, "utf8"));
    expect(result).toMatchObject({
      clients: 60,
      length: 500,
      dropout,
      graph,
      k: expect.any(Number),
      t: expect.any(Number),
      clientMs: timed(stages),
      serverMs: timed([...stages, "recovery"]),
      health: { answers: expect.any(Number), p50Ms: expect.any(Number), p99Ms: expect.any(Number) },
      exact: true,
    });
    for (const figure of ["bytesUp", "bytesDown", "expansion", "peakRssMb", "freshRssMb", "floorRatio"])
      expect(result[figure]).toBeGreaterThan(0);
    expect(result.peakRssMb).toBeGreaterThan(result.idleRssMb);
    expect(result.idleRssMb).toBeGreaterThan(result.freshRssMb);
    expect(result.masks).toBeGreaterThan(60);
  });

  test("with surplus noise the sum is still exact: all of it is removed", () => {
    const json = join(folder, "surplus.json");
    const shape = ["--clients", "30", "--length", "300", "--graph", "complete", "--surplus", "3"];
    const run = bench(...shape, "--workers", "2", "--json", json);
    expect(run.stdout).toContain("sum             exact");
    const { exact, bytesUp } = JSON.parse(readFileSync(json, "utf8"));
    expect(exact).toBe(true);
    // Three shares more for each of 29 neighbours, and a revealed one for each of 27 survivors.
    expect(bytesUp).toBeGreaterThan(29 * (2 + 3) * 36);
  });

  test("says what is wrong with a flag, and exits with 1", () => {
    const run = bench("--dropout", "1.5");
    expect(run.status).toBe(1);
    expect(run.stderr).toContain("--dropout must be a share from 0 to 0.4");
  });
});

test.each<[string, Partial<SecaggFlags>]>([
  ["--clients", { clients: "9" }],
  ["--length", { length: "none" }],
  ["--dropout", { dropout: "" }],
  ["--graph", { graph: "star" }],
  ["--bits", { bits: "33" }],
  ["--surplus", { surplus: "17" }],
  ["--workers", { workers: "0" }],
  ["--processes", { processes: "1.5" }],
  ["--warm-ups", { warmUps: "101" }],
  ["--seed", { seed: "-1" }],
])("%s is checked", (field, change) => {
  const flags: SecaggFlags = {
    ...{
      clients: "100",
      length: "10",
      dropout: "0",
      graph: "regular",
      bits: "20",
      surplus: "0",
      processes: "2",
      warmUps: "4",
      seed: "1",
    },
    ...change,
  };
  expect(() => parseSecaggOptions(flags)).toThrow(
    expect.objectContaining({ rejection: expect.objectContaining({ code: "option-invalid", field }) }),
  );
});
