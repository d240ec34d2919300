/** The layers of interests as a tree: basic interests on the left, fine ones on the right. */

import type { ChartText } from "./charts.ts";
import { escapeHtml, finite, formatCount } from "./format.ts";
import type { LayerNode } from "./simulation-result.ts";

const WIDTH = 760;
const ROW = 26;
const MARGIN = 14;
const BAR = 10;
/** Between a bar, its label and a line. */
const GAP = 6;
/** Mean width of a character of 12 pixels. */
const CHARACTER = 6.8;
/** Characters of a name that are shown. */
const NAME = 34;

interface PlacedNode {
  readonly node: LayerNode;
  readonly x: number;
  readonly y: number;
}

/**
 * Places the nodes: leaves one below the other, children beside their parent, every parent at the middle of its
 * children; siblings by size, the largest first.
 */
export function placeLayers(layers: readonly (readonly LayerNode[])[]): PlacedNode[][] {
  const column = (WIDTH - 2 * MARGIN) / Math.max(1, layers.length);
  const placed: PlacedNode[][] = layers.map(() => []);
  let row = 0;
  const place = (depth: number, index: number): number => {
    const node = layers[depth]![index]!;
    const children = bySize(layers[depth + 1] ?? [], (child) => child.parent === index);
    const ys = children.map((child) => place(depth + 1, child));
    const y = ys.length > 0 ? (ys[0]! + ys.at(-1)!) / 2 : MARGIN + ROW * (row++ + 0.5);
    placed[depth]![index] = { node, x: MARGIN + depth * column, y };
    return y;
  };
  for (const index of bySize(layers[0] ?? [], () => true)) place(0, index);
  return placed;
}

function bySize(nodes: readonly LayerNode[], keep: (node: LayerNode) => boolean): number[] {
  return nodes
    .flatMap((node, index) => (keep(node) ? [{ node, index }] : []))
    .sort((a, b) => sizeOf(b.node.size) - sizeOf(a.node.size) || a.index - b.index)
    .map(({ index }) => index);
}

/** The tree as SVG; empty string if there is nothing to draw. A bar is as long as its share of the people. */
export function layerTreeSvg(
  { id, title, desc }: ChartText,
  layers: readonly (readonly LayerNode[])[],
): string {
  const placed = placeLayers(layers);
  const leaves = placed.at(-1)?.length ?? 0;
  if (leaves === 0) return "";
  const height = 2 * MARGIN + ROW * leaves;
  const people = Math.max(
    1,
    layers[0]!.reduce((sum, { size }) => sum + sizeOf(size), 0),
  );
  const longest = (WIDTH - 2 * MARGIN) / layers.length / 2;
  const barOf = (size: number): number => Math.max(3, Math.min(1, sizeOf(size) / people) * longest);
  const labelOf = ({ name, size, outlier }: LayerNode): string =>
    `${shortened(name)} ${formatCount(size)}${outlier ? " · niche" : ""}`;
  const labelEnd = ({ node, x }: PlacedNode): number =>
    x + barOf(node.size) + 2 * GAP + [...labelOf(node)].length * CHARACTER;
  const links = placed.flatMap((nodes, depth) =>
    nodes.flatMap(({ node, x, y }) => {
      const parent = node.parent === null ? undefined : placed[depth - 1]?.[node.parent];
      if (parent === undefined) return [];
      const middle = x - 40;
      return [
        `<path d="M${Math.min(middle, labelEnd(parent)).toFixed(1)} ${parent.y.toFixed(1)} H${middle.toFixed(1)} V${y.toFixed(1)} H${x.toFixed(1)}"/>`,
      ];
    }),
  );
  const nodes = placed.flat().map(({ node, x, y }) => {
    const width = barOf(node.size);
    const text = labelOf(node);
    return (
      `<g><rect x="${x.toFixed(1)}" y="${(y - BAR / 2).toFixed(1)}" width="${width.toFixed(1)}" height="${BAR}" rx="3"/>` +
      `<text x="${(x + width + GAP).toFixed(1)}" y="${(y + 4).toFixed(1)}">${escapeHtml(text)}</text></g>`
    );
  });
  return (
    `<svg class="tree" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}-t ${id}-d">` +
    `<title id="${id}-t">${escapeHtml(title)}</title><desc id="${id}-d">${escapeHtml(desc)}</desc>` +
    `${links.join("")}${nodes.join("")}</svg>`
  );
}

/** A size that is not positive counts as 0. */
function sizeOf(size: number): number {
  return Math.max(0, finite(size) ?? 0);
}

/** The tree as a file of its own, for light and dark pages. */
export function layerTreeFile(text: ChartText, layers: readonly (readonly LayerNode[])[]): string {
  const style =
    "<style>text{font:12px system-ui,sans-serif;fill:#17202c}rect{fill:#0f8580}path{fill:none;stroke:#aab4c2}" +
    "@media (prefers-color-scheme:dark){text{fill:#e8edf4}path{stroke:#5a6778}rect{fill:#35b5ac}}</style>";
  return layerTreeSvg(text, layers)
    .replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')
    .replace("<title", `${style}<title`);
}

function shortened(name: string): string {
  const characters = [...name];
  return characters.length > NAME ? `${characters.slice(0, NAME - 1).join("")}…` : name;
}
