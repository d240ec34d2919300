import { describe, expect, it } from "vitest";
import * as format from "./format.ts";

const plain = (text: string) => text.replaceAll("\u00A0", " ");

describe("formats", () => {
  it("reads like a person would write it", () => {
    expect(format.formatScore(0.0541)).toBe("0.054");
    expect(format.formatScore(-0.0001)).toBe("0.000");
    expect([999, 1000, 1234567, -1234].map(format.formatCount)).toEqual([
      "999",
      "1,000",
      "1,234,567",
      "-1,234",
    ]);
    expect([0, 0.00041, 0.034, 1.37, 12.54, 1250, 2e12, 2.5e-7].map(format.formatNumber)).toEqual([
      "0",
      "0.00041",
      "0.034",
      "1.37",
      "12.5",
      "1,250",
      "2e12",
      "2.5e-7",
    ]);
    expect([0, 0.034, 3.179, 20, 2500].map(format.formatEpsilon)).toEqual([
      "0",
      "0.034",
      "3.18",
      "20.0",
      "2,500",
    ]);
    expect([1e-6, 2.5e-7, 0].map(format.formatDelta)).toEqual(["1e-6", "2.5e-7", "0"]);
    expect([0, 0.0234, 0.7051, 1].map(format.formatPercent).map(plain)).toEqual([
      "0 %",
      "2.3 %",
      "71 %",
      "100 %",
    ]);
    expect([0, 412, 999.6, 1234, 182_400, 999_600, 5e9].map(format.formatBytes).map(plain)).toEqual([
      "0 B",
      "412 B",
      "1.0 kB",
      "1.2 kB",
      "182 kB",
      "1.0 MB",
      "5.0 GB",
    ]);
    expect([0, 0.42, 412, 3210, 59_960, 98_400, 7_500_000].map(format.formatDuration).map(plain)).toEqual([
      "0 ms",
      "0.4 ms",
      "412 ms",
      "3.2 s",
      "1 min 0 s",
      "1 min 38 s",
      "2 h 5 min",
    ]);
    expect([0, 7_900, 3_723_000, -5].map(format.formatClock)).toEqual(["00:00", "00:07", "1:02:03", "00:00"]);
    expect([format.plural(1, "person", "people"), format.plural(1200, "round")]).toEqual([
      "1 person",
      "1,200 rounds",
    ]);
  });

  it("shows a dash for what is not there", () => {
    const { formatScore, formatCount, formatNumber, formatEpsilon, formatDelta } = format;
    const all = [formatScore, formatCount, formatNumber, formatEpsilon, formatDelta];
    for (const f of [...all, format.formatPercent, format.formatBytes, format.formatDuration])
      for (const x of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) expect(f(x)).toBe("–");
  });
});
