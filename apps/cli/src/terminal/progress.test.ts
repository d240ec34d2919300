import { describe, expect, it } from "vitest";
import { sampleHeldOut } from "../report/sample-result.ts";
import { PHASES } from "../report/simulation-result.ts";
import { createProgress, type ProgressOptions } from "./progress.ts";
import { bar, liveLine, roundFraction } from "./progress-lines.ts";
import { displayWidth } from "./text.ts";

/** A display over a stream in memory and a clock that is set by hand. */
function setUp(options: Partial<ProgressOptions> = {}) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const stream = { write: (text: string) => written.push(text) };
  const progress = createProgress({
    stream,
    now: () => clock.ms,
    isTTY: true,
    columns: 80,
    env: {},
    ...options,
  });
  return { progress, clock, written, output: () => written.join("") };
}

/** Lines as a terminal shows them at the end: carriage returns overwrite, erase clears, colours are gone. */
function screen(output: string): string[] {
  return output.split("\n").map((line) => {
    const last = line.split("\r").at(-1) ?? "";
    return strip(last);
  });
}

function strip(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes are what is taken away
  return text.replace(/\u001B\[[\d;]*[A-Za-z]/g, "");
}

function percent(line: string): number {
  return Number(/(\d+) %/.exec(strip(line))?.[1]);
}

describe("liveLine", () => {
  const live = {
    round: 3,
    rounds: 5,
    phase: "masking" as const,
    clientsIn: 61,
    dropped: 3,
    elapsedMs: 7000,
    fraction: 0.71,
  };

  it("says round, phase, clients, time and how far", () => {
    expect(liveLine(live, { columns: 80, color: false })).toBe(
      "round 3/5  masking      in 61  dropped 3  00:07  ▕██████████████░░░░░░▏  71 %",
    );
  });

  it("fits every width and keeps the percentage on a narrow one", () => {
    for (let columns = 1; columns < 100; columns++)
      expect(displayWidth(liveLine(live, { columns, color: false }))).toBeLessThanOrEqual(columns);
    const narrow = liveLine(live, { columns: 60, color: false });
    expect(narrow).toContain("71 %");
    expect(narrow).not.toContain("█");
  });
});

describe("bar", () => {
  it("is as wide as asked and clamps", () => {
    for (const f of [-1, 0, 0.3, 1, 2, Number.NaN]) expect(displayWidth(bar(f, 12))).toBe(12);
    expect(bar(0.5, 12)).toBe("▕█████░░░░░▏");
    expect(bar(Number.NaN, 4)).toBe("▕░░▏");
  });
});

describe("roundFraction", () => {
  it("rises through the phases to 1", () => {
    const marks = PHASES.flatMap((p) => [roundFraction(p, 0), roundFraction(p, 1)]);
    expect(marks[0]).toBe(0);
    expect(marks.at(-1)).toBeCloseTo(1, 9);
    expect([...marks].sort((a, b) => a - b)).toEqual(marks);
  });
});

describe("createProgress on a terminal", () => {
  it("rewrites one line per round and leaves its outcome", () => {
    const { progress, clock, output } = setUp();
    progress.round({ round: 1, rounds: 2 });
    for (const phase of PHASES) {
      progress.phase({ round: 1, phase, clientsIn: 61, dropped: 3 });
      clock.ms += 1000;
      progress.tick();
    }
    progress.roundDone({
      round: 1,
      status: "published",
      cohort: 64,
      survivors: 61,
      dropped: 3,
      loss: 7.812,
      epsilon: 1.42,
    });
    progress.round({ round: 2, rounds: 2 });
    progress.roundDone({ round: 2, status: "failed", reason: "quorum\nlost" });
    progress.done();
    expect(screen(output())).toEqual([
      "round 1/2  published    61 of 64 survived  dropped 3  loss 7.812  ε 1.42  00:08",
      "round 2/2  failed       00:00  quorum lost",
      "",
    ]);
  });

  it("says below a round what it found and collected, on as many lines as the width asks for", () => {
    const { progress, output } = setUp();
    progress.round({ round: 1, rounds: 3 });
    const signal = { signal: "transitions", kept: 1204, entries: 90_000, deviation: 12.34 } as const;
    progress.roundDone({ round: 1, status: "published", signal, heldOut: null });
    progress.roundDone({ round: 2, status: "published", heldOut: sampleHeldOut });
    const { ratings: _, ...unrated } = sampleHeldOut;
    progress.roundDone({
      round: 3,
      status: "published",
      heldOut: { ...unrated, deviation: { hr10: 0, ndcg10: 0, loss: 0, clusterAccuracy: 0 } },
    });
    progress.done();
    expect(screen(output())).toEqual([
      "round 1/3  published    00:00",
      "           held out     lost in the noise",
      "           transitions  1,204 of 90,000 counts kept  noise on each ± 12.3",
      "round 2/3  published    00:00",
      "           held out  HR@10 0.120 ± 0.02  NDCG@10 0.061 ± 0.021",
      "                     loss 5.210 ± 0.11  next interest 0.310 ± 0.022",
      "                     RMSE 0.180 ± 0.012  MAE 0.140 ± 0.011",
      "round 3/3  published    00:00",
      "           held out  HR@10 0.120  NDCG@10 0.061  loss 5.210",
      "                     next interest 0.310",
      "",
    ]);
  });

  it("moves the bar with every tick and never back", () => {
    const { progress, clock, written } = setUp();
    progress.round({ round: 1, rounds: 1 });
    progress.phase({ round: 1, phase: "training", clientsIn: 64, dropped: 0 });
    const seen: number[] = [];
    for (let i = 0; i < 20; i++) {
      clock.ms += 500;
      progress.tick();
      seen.push(percent(written.at(-1) ?? ""));
    }
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
    expect(new Set(seen).size).toBeGreaterThan(10);
    progress.tick(0.99);
    const high = percent(written.at(-1) ?? "");
    progress.tick(0.1);
    expect(percent(written.at(-1) ?? "")).toBe(high);
    progress.phase({ round: 1, phase: "selecting", clientsIn: 64, dropped: 0 });
    expect(percent(written.at(-1) ?? "")).toBe(high);
  });

  it("paces the bar by what the phase took in the round before", () => {
    const { progress, clock, written } = setUp();
    const after = (ms: number) => {
      progress.phase({ round: 1, phase: "training", clientsIn: 1, dropped: 0 });
      clock.ms += ms;
      progress.tick();
      return percent(written.at(-1) ?? "");
    };
    progress.round({ round: 1, rounds: 2 });
    const first = after(1000);
    clock.ms += 59_000;
    progress.roundDone({ round: 1, status: "published" });
    progress.round({ round: 1, rounds: 2 });
    expect(after(1000)).toBeLessThan(first);
  });

  it("keeps notes above the line that moves", () => {
    const { progress, output } = setUp();
    progress.round({ round: 1, rounds: 1 });
    progress.note("two clients vanished");
    progress.done();
    const lines = screen(output());
    expect(lines[0]).toBe("two clients vanished");
    expect(lines[1]).toContain("round 1/1");
  });

  it("shows tasks, ends them once, and marks what was interrupted", () => {
    const { progress, clock, output, written } = setUp();
    progress.task("training centralised baseline", 0);
    clock.ms = 4000;
    progress.task("training centralised baseline", 0.4);
    expect(percent(written.at(-1) ?? "")).toBe(40);
    progress.task("training centralised baseline", 1);
    progress.task("training centralised baseline", 1);
    progress.task("evaluating", 0.5);
    progress.round({ round: 1, rounds: 1 });
    progress.roundDone({ round: 1, status: "cancelled" });
    progress.done();
    expect(screen(output()).map((line) => line.replace(/ {2,}/g, "  "))).toEqual([
      "training centralised baseline  00:04  done",
      "evaluating  00:00  stopped",
      "round 1/1  cancelled  00:00",
      "",
    ]);
  });

  it("never writes a line wider than the terminal", () => {
    for (const columns of [10, 24, 40, 60]) {
      const { progress, output } = setUp({ columns });
      progress.note("a long note about 映画 that goes on and on and on and on and on and on and on");
      progress.task("a task with a name that is much longer than its place on the screen", 0.3);
      progress.phase({ round: 1, phase: "aggregating", clientsIn: 12_345, dropped: 678 });
      progress.roundDone({
        round: 1,
        status: "failed",
        survivors: 3,
        cohort: 64,
        dropped: 61,
        reason: "x".repeat(99),
      });
      progress.roundDone({ round: 2, status: "published", heldOut: sampleHeldOut });
      for (const line of output().split(/[\r\n]/)) expect(displayWidth(strip(line))).toBeLessThan(columns);
    }
  });
});

describe("createProgress without a terminal", () => {
  it("says of a long task every minute how far it is", () => {
    const { progress, clock, output } = setUp({ isTTY: false });
    for (let second = 0; second <= 150; second += 10) {
      progress.task("training baseline", second / 200);
      clock.ms += 10_000;
    }
    progress.task("training baseline", 1);
    expect(output().trimEnd().split("\n")).toEqual([
      "training baseline …",
      "training baseline                 01:00  30 %",
      "training baseline                 02:00  60 %",
      "training baseline                 02:40  done",
    ]);
  });

  it.each([
    ["a pipe", { isTTY: false }],
    ["NO_COLOR", { env: { NO_COLOR: "1" } }],
    ["CI", { env: { CI: "1" } }],
  ])("writes a line per round and no escape codes: %s", (_, options) => {
    const { progress, clock, output } = setUp(options);
    progress.note("data: ml-latest-small");
    progress.task("training baseline", 0);
    progress.task("training baseline", 0.5);
    progress.task("training baseline", 1);
    for (const round of [1, 2, 3]) {
      progress.round({ round, rounds: 3 });
      for (const phase of PHASES) {
        progress.phase({ round, phase, clientsIn: 9, dropped: 1 });
        clock.ms += 100;
        progress.tick();
        progress.tick(0.5);
      }
      progress.roundDone({ round, status: "published", survivors: 9, cohort: 10, dropped: 1 });
    }
    progress.done();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is what is tested
    expect(output()).not.toMatch(/[\u001B\r]/);
    expect(output().trimEnd().split("\n")).toEqual([
      "data: ml-latest-small",
      "training baseline …",
      "training baseline                 00:00  done",
      "round 1/3  published    9 of 10 survived  dropped 1  00:00",
      "round 2/3  published    9 of 10 survived  dropped 1  00:00",
      "round 3/3  published    9 of 10 survived  dropped 1  00:00",
    ]);
  });
});
