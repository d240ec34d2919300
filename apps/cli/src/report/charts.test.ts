import { describe, expect, it } from "vitest";
import { niceAxis, wholeTicks } from "./axes.ts";
import { barChart, columnChart, lineChart, stackedChart } from "./charts.ts";
import { clusterMap, placeClusters } from "./cluster-map.ts";

const TEXT = { id: "t", title: "A title", desc: "A description" };

function all(svg: string, pattern: RegExp): string[] {
  return [...svg.matchAll(pattern)].map((m) => m[1] ?? "");
}

describe("niceAxis", () => {
  it("covers the range with round steps", () => {
    expect(niceAxis({ min: 0, max: 0.059 }).ticks).toEqual([0, 0.02, 0.04, 0.06]);
    expect(niceAxis({ min: 5.6, max: 7.3 })).toMatchObject({ min: 5.5, max: 7.5, decimals: 1 });
  });

  it("opens a flat range and stays at or above zero where the value is", () => {
    for (const value of [0, 3, 1e-9, 1e9]) {
      const axis = niceAxis({ min: value, max: value });
      expect(axis.max).toBeGreaterThan(axis.min);
      expect(axis.min).toBeGreaterThanOrEqual(0);
      expect(axis.min).toBeLessThanOrEqual(value);
      expect(axis.max).toBeGreaterThanOrEqual(value);
      expect(axis.ticks.length).toBeLessThan(12);
    }
  });
});

describe("wholeTicks", () => {
  it("labels few and many rounds", () => {
    expect(wholeTicks({ min: 1, max: 1 })).toEqual([1]);
    expect(wholeTicks({ min: 1, max: 5 })).toEqual([1, 2, 3, 4, 5]);
    expect(wholeTicks({ min: 1, max: 200 })).toEqual([1, 50, 100, 150, 200]);
    expect(wholeTicks({ min: 0, max: 12 })).toEqual([0, 5, 10]);
  });
});

describe("barChart", () => {
  it("makes lengths proportional to values", () => {
    const svg = barChart(TEXT, [
      { label: "a", value: 0.02, text: "0.02", tone: "teal" },
      { label: "b", value: 0.08, text: "0.08", tone: "amber" },
      { label: "c", value: null, text: "–", tone: "slate" },
    ]);
    expect(all(svg, /tone-\w+" x="0" y="\d+" width="([\d.]+)%"/g)).toEqual(["25", "100", "0"]);
  });
});

describe("lineChart", () => {
  it("breaks the line where a value is missing", () => {
    const series = {
      name: "s",
      tone: "teal" as const,
      points: [1, 2, null, 4, 5].map((y, i) => ({ x: i, y })),
    };
    expect(all(lineChart(TEXT, { series: [series] }), /<polyline points="([^"]+)"/g)).toHaveLength(2);
  });

  it("shades a deviation to either side of the line, and makes room for it", () => {
    const points = [0.2, 0.3, null, 0.25].map((y, x) => ({ x, y, deviation: 0.1 }));
    const svg = lineChart(TEXT, { series: [{ name: "s", tone: "teal", points }] });
    const [band, ...none] = all(svg, /<polygon class="band" points="([^"]+)"/g);
    expect(none).toEqual([]);
    const corners = band!.split(" ").map((corner) => corner.split(",").map(Number));
    const heights = corners.map(([, y]) => y!);
    // Two points above, the same two below, backwards; as much above the line as below it.
    expect(corners.map(([x]) => Math.round(x!))).toEqual([0, 333, 333, 0]);
    expect(heights[3]! - heights[0]!).toBeCloseTo(heights[2]! - heights[1]!, 6);
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(0);
    // A point by itself has a bar.
    expect(all(svg, /<line class="band" x1="([\d.]+)%"/g)).toEqual(["100"]);
    const plain = points.map(({ x, y }) => ({ x, y }));
    expect(lineChart(TEXT, { series: [{ name: "s", tone: "teal", points: plain }] })).not.toContain("band");
  });

  it("draws steps that hold the earlier value", () => {
    const points = [
      { x: 0, y: 0 },
      { x: 1, y: 10 },
    ];
    const svg = lineChart(TEXT, { series: [{ name: "s", tone: "teal", points }], step: true });
    const corners = (all(svg, /<polyline points="([^"]+)"/g)[0] ?? "").split(" ");
    expect(corners).toEqual(["0,180", "1000,180", "1000,0"]);
  });

  it("gives nothing for no values", () => {
    expect(lineChart(TEXT, { series: [{ name: "s", tone: "teal", points: [{ x: 1, y: null }] }] })).toBe("");
  });
});

describe("columnChart", () => {
  it("stacks parts to the height of the sum", () => {
    const svg = columnChart(TEXT, {
      parts: [
        { name: "in", tone: "teal" },
        { name: "out", tone: "rose" },
      ],
      columns: [{ round: 1, values: [60, 20] }],
      format: String,
    });
    const rects = [
      ...svg.matchAll(/<rect class="tone-\w+" x="[^"]+" y="([\d.]+)" width="[^"]+" height="([\d.]+)"/g),
    ];
    expect(rects.map((m) => [Number(m[1]), Number(m[2])])).toEqual([
      [45, 135],
      [0, 45],
    ]);
    expect(columnChart(TEXT, { parts: [], columns: [], format: String })).toBe("");
  });
});

describe("stackedChart", () => {
  it("shares one scale between rows", () => {
    const svg = stackedChart(TEXT, {
      rows: [
        {
          label: "a",
          parts: [
            { name: "p", tone: "teal", value: 30 },
            { name: "q", tone: "sky", value: 10 },
          ],
        },
        { label: "b", parts: [{ name: "p", tone: "teal", value: 10 }] },
      ],
      format: String,
    });
    expect(all(svg, /width="([\d.]+)%" height="26"/g)).toEqual(["75", "25", "25"]);
    expect(stackedChart(TEXT, { rows: [], format: String })).toBe("");
  });
});

describe("placeClusters", () => {
  it("keeps distances in proportion, areas by size, the largest first", () => {
    const placed = placeClusters([
      { name: "small", size: 25, x: 0, y: 0 },
      { name: "large", size: 100, x: 3, y: 4 },
      { name: "middle", size: 50, x: 6, y: 0 },
    ]);
    expect(placed.map((c) => c.name)).toEqual(["large", "middle", "small"]);
    const [large, middle, small] = placed as [(typeof placed)[0], (typeof placed)[0], (typeof placed)[0]];
    const apart = (a: typeof large, b: typeof large) => Math.hypot(a.cx - b.cx, a.cy - b.cy);
    expect(apart(large, small) / apart(middle, small)).toBeCloseTo(5 / 6, 6);
    expect(large.r / small.r).toBeCloseTo(2, 6);
    expect(large.cy).toBeLessThan(small.cy);
  });

  it("puts one cluster, or several at one place, in the middle, and leaves out those without a place", () => {
    const one = placeClusters([
      { name: "a", size: 0, x: 7, y: 7 },
      { name: "b", size: 0, x: 7, y: 7 },
      { name: "c", size: 9, x: Number.NaN, y: 7 },
    ]);
    expect(one.map((c) => [c.name, c.cx, c.cy])).toEqual([
      ["a", 320, 220],
      ["b", 320, 220],
    ]);
    expect(clusterMap(TEXT, [])).toBe("");
  });

  it("never lets two names overlap", () => {
    const placed = placeClusters(
      Array.from({ length: 40 }, (_, i) => ({
        name: `topic ${i}`,
        size: 40 - i,
        x: i % 7,
        y: Math.floor(i / 7),
      })),
    );
    const names = [
      ...clusterMap(TEXT, placed).matchAll(
        /class="name" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">([^<]+)</g,
      ),
    ].map(([, x, y, anchor, name]) => {
      const width = (name ?? "").length * 6.8;
      const left = Number(x) - (anchor === "middle" ? width / 2 : anchor === "end" ? width : 0);
      return { left, right: left + width, bottom: Number(y) };
    });
    expect(names.length).toBeGreaterThan(0);
    for (const [i, a] of names.entries())
      for (const b of names.slice(i + 1))
        expect(a.right <= b.left || b.right <= a.left || Math.abs(a.bottom - b.bottom) >= 12).toBe(true);
  });
});
