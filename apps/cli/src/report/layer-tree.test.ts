import { describe, expect, it } from "vitest";
import { layerTreeFile, layerTreeSvg, placeLayers } from "./layer-tree.ts";
import type { LayerNode } from "./simulation-result.ts";

const node = (id: number, name: string, size: number, parent: number | null = null): LayerNode => ({
  id,
  name,
  size,
  parent,
  outlier: id === 9,
});
const layers = [
  [node(0, "music", 10), node(1, "film & <art>", 30)],
  [node(4, "jazz", 4, 0), node(9, "noir", 12, 1), node(5, "opera", 6, 0), node(2, "musical", 18, 1)],
];
const text = { id: "layers", title: "Layers", desc: "Two." };

describe("the layer tree", () => {
  it("puts larger branches first, and a parent at the middle of its children", () => {
    const [basic, fine] = placeLayers(layers);
    const order = fine!.slice().sort((a, b) => a.y - b.y);
    expect(order.map(({ node: { name } }) => name)).toEqual(["musical", "noir", "opera", "jazz"]);
    expect(basic![1]!.y).toBe((fine![3]!.y + fine![1]!.y) / 2);
    expect(new Set(fine!.map(({ x }) => x)).size).toBe(1);
    expect(fine![0]!.x).toBeGreaterThan(basic![0]!.x);
  });

  it("draws every node with its name, escaped, its people, and what is a niche", () => {
    const svg = layerTreeSvg(text, layers);
    expect(svg.match(/<rect/g)).toHaveLength(6);
    expect(svg.match(/<path/g)).toHaveLength(4);
    expect(svg).toContain("film &amp; &lt;art&gt; 30");
    expect(svg).toContain("noir 12 · niche");
    expect(svg).not.toContain("jazz 4 · niche");
    expect(layerTreeFile(text, layers)).toContain("<style>");
  });

  it("is nothing where there is nothing to draw", () => {
    expect(layerTreeSvg(text, [])).toBe("");
    expect(layerTreeSvg(text, [[]])).toBe("");
  });
});
