import { describe, expect, it } from "vitest";
import { sampleHeldOut, sampleResult, sampleRound } from "../report/sample-result.ts";
import { renderSummary } from "./table.ts";
import { displayWidth } from "./text.ts";

/** The rest of the line that begins with `label`. */
function after(summary: string, label: string): string {
  const line = summary.split("\n").find((l) => l.trimStart().startsWith(label));
  expect(line, label).toBeDefined();
  return (line ?? "").trimStart().slice(label.length).trim();
}

const NO_NOISE = { epsilon: { coordinator: null, observer: null, delta: 1e-6, promised: null }, noise: null };

describe("renderSummary", () => {
  it("shows every figure of the summary", () => {
    const summary = renderSummary(sampleResult(), { columns: 100 });
    expect(after(summary, "before")).toBe("0.011     0.005");
    expect(after(summary, "after ")).toBe("0.097     0.054   92 % of centralised");
    expect(after(summary, "after, noise of 10,000")).toContain("ε 3.18");
    expect(after(summary, "popularity")).toBe("0.044     0.021");
    expect(after(summary, "centralised")).toContain("0.108     0.059");
    expect(after(summary, "silhouette")).toBe("0.021     0.087     0.087");
    expect(after(summary, "from people's sums")).toBe("no       yes       yes");
    expect(after(summary, "AMI")).toContain("0.701");
    expect(after(summary, "action")).toContain("crime and thrillers (46); romantic comedy (22)");
    expect(after(summary, "ARI")).toContain("0.612");
    expect(after(summary, "action   ")).toContain("crime");
    expect(after(summary, "on record")).toBe("57 interactions");
    expect(after(summary, "not shown yet")).toBe("musicals (12 % expected)");
    expect(after(summary, "drift")).toBe("0.310; 1 change point");
    expect(after(summary, "portrait")).toBe("Most of what you like is action and feelings.");
    expect(summary).toContain("你主要喜欢action和feelings。");
    expect(after(summary, "ε against the coordinator")).toBe("3.18 at δ 1e-6; 4.00 promised");
    expect(after(summary, "ε against model observers")).toBe("1.36");
    expect(after(summary, "outcome")).toBe("4 published, 1 failed");
    expect(after(summary, "in each published sum")).toBe("61 to 63 people");
    expect(after(summary, "up, per client and round")).toBe("183 kB");
    expect(after(summary, "down, per client and round")).toBe("330 kB");
    expect(after(summary, "masking")).toContain("1.3 s");
    expect(after(summary, "cryptography")).toContain("310 ms");
    expect(summary).toContain("• Federation reached 92 % of centralised training");
    expect(summary.endsWith("\n")).toBe(true);
  });

  it("shows what rounds collected, and the last held-out figures", () => {
    const signal = { signal: "popularity", kept: 412, entries: 3600, deviation: 2.34 } as const;
    const heldOut = { ...sampleHeldOut, hr10: 0.2 };
    const rounds = [
      sampleRound(1, { signal, heldOut: null }),
      sampleRound(2, { heldOut: sampleHeldOut }),
      sampleRound(3, { heldOut }),
      sampleRound(4, { heldOut: null }),
    ];
    const summary = renderSummary(sampleResult({ rounds }), { columns: 150 });
    expect(after(summary, "popularity, round 1")).toBe("412 of 3,600 counts kept, noise on each ± 2.34");
    expect(after(summary, "held out, round 3")).toContain("HR@10 0.200 ± 0.02, NDCG@10 0.061 ± 0.021, loss");
    expect(summary).not.toContain("held out, round 2");
  });

  it("aligns the columns of numbers", () => {
    const lines = renderSummary(sampleResult(), { columns: 100 }).split("\n");
    const ends = ["  before", "  after ", "  popularity", "  centralised"].map((label) => {
      const line = lines.find((l) => l.startsWith(label)) ?? "";
      return [...line.matchAll(/\d\.\d{3}/g)].map((m) => (m.index ?? 0) + m[0].length);
    });
    expect(new Set(ends.map(String)).size).toBe(1);
    const head = lines.find((l) => l.startsWith("Recommendations")) ?? "";
    expect([head.indexOf("HR@10") + 5, head.length]).toEqual(ends[0]);
  });

  it("keeps within every width and loses no word of the verdict or of the privacy lines", () => {
    for (let columns = 48; columns <= 120; columns += 3) {
      const summary = renderSummary(sampleResult(NO_NOISE), { columns });
      for (const line of summary.split("\n")) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
      const words = summary.replace(/\s+/g, " ");
      expect(words).toContain("noise was off, no guarantee");
      expect(words).toContain("The round that lost its quorum failed cleanly and the next one started.");
    }
    for (const line of renderSummary(sampleResult(), { columns: 20 }).split("\n"))
      expect(displayWidth(line)).toBeLessThanOrEqual(20);
  });

  it("colours only on request, and colour changes nothing else", () => {
    const plain = renderSummary(sampleResult());
    const colored = renderSummary(sampleResult(), { color: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes are what is tested
    const codes = /\u001B\[\d+m/g;
    expect(plain).not.toMatch(codes);
    expect(colored).toMatch(codes);
    const bare = colored.replace(codes, "").split("\n");
    expect(bare.map((l) => l.trimEnd())).toEqual(plain.split("\n"));
  });

  it("never shows one ε alone and says when noise was off or the promise exceeded", () => {
    const off = renderSummary(sampleResult(NO_NOISE), { columns: 100 });
    expect(after(off, "ε against the coordinator")).toBe("none: noise was off, no guarantee");
    expect(after(off, "ε against model observers")).toBe("none: noise was off, no guarantee");
    const over = sampleResult({ epsilon: { coordinator: 5, observer: 1, delta: 1e-6, promised: 4 } });
    expect(after(renderSummary(over), "ε against the coordinator")).toContain("EXCEEDED");
  });

  it("stays readable for no round, failed rounds and odd numbers", () => {
    const bad = Number.NaN;
    const results = [
      sampleResult({ rounds: [] }),
      sampleResult({ rounds: [sampleRound(1, { status: "failed", survivors: 0, loss: null, reason: "x" })] }),
      sampleResult({
        durationMs: bad,
        rounds: [sampleRound(1, { survivors: bad, clientMs: { train: bad, encode: Infinity, crypto: -1 } })],
        metrics: { ...sampleResult().metrics, after: { hr10: bad, ndcg10: Infinity }, ari: bad },
        epsilon: { coordinator: Infinity, observer: bad, delta: bad, promised: bad },
        noise: { multiplier: bad, perCoordinate: bad, signalToNoise: Infinity },
      }),
    ];
    for (const result of results)
      expect(renderSummary(result)).not.toMatch(/NaN|undefined|Infinity|null|\[object/);
  });

  it("lets no text of the result command the terminal", () => {
    const evil = "\u001B[2Jwiped\r\nagain";
    const summary = renderSummary(sampleResult({ data: evil, backend: evil, verdict: [evil] }));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is what is tested
    expect(summary).not.toMatch(/[\u001B\r]/);
  });
});
