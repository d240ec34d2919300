/** Clusters in a plane, with names where there is room. */

import { rangeOf } from "./axes.ts";
import type { ChartText } from "./charts.ts";
import { escapeHtml, finite, formatCount } from "./format.ts";

/** A cluster as it is drawn: its number in the list beside the map, and its circle in the map's own units. */
export interface PlacedCluster {
  number: number;
  name: string;
  size: number;
  cx: number;
  cy: number;
  r: number;
}

const WIDTH = 640;
const HEIGHT = 440;
const MARGIN = 46;
/** Clusters that may carry their name on the map; the list beside it names more. */
const NAMED = 18;

/**
 * Places clusters, the largest first. Both axes have the same scale, so that distances compare; area stands for
 * size. Clusters without a finite position are left out; a size that is not positive counts as 0.
 */
export function placeClusters(
  clusters: { name: string; size: number; x: number; y: number }[],
): PlacedCluster[] {
  const known = clusters
    .filter((c) => finite(c.x) !== null && finite(c.y) !== null)
    .map((c) => ({ ...c, size: Math.max(0, finite(c.size) ?? 0) }))
    .sort((a, b) => b.size - a.size);
  const xs = rangeOf(known.map((c) => c.x));
  const ys = rangeOf(known.map((c) => c.y));
  if (xs === null || ys === null) return [];
  const spread = { x: xs.max - xs.min, y: ys.max - ys.min };
  const room = { x: WIDTH - 2 * MARGIN, y: HEIGHT - 2 * MARGIN };
  const scale = Math.min(
    spread.x > 0 ? room.x / spread.x : Number.POSITIVE_INFINITY,
    spread.y > 0 ? room.y / spread.y : Number.POSITIVE_INFINITY,
  );
  const unit = Number.isFinite(scale) ? scale : 0;
  const middle = { x: xs.min + spread.x / 2, y: ys.min + spread.y / 2 };
  const largest = known[0]?.size || 1;
  const maxRadius = known.length > 24 ? 26 : 36;
  return known.map((c, i) => ({
    number: i + 1,
    name: c.name,
    size: c.size,
    cx: WIDTH / 2 + (finite((c.x - middle.x) * unit) ?? 0),
    cy: HEIGHT / 2 - (finite((c.y - middle.y) * unit) ?? 0),
    r: Math.max(11, Math.sqrt(c.size / largest) * maxRadius),
  }));
}

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

/** Names that fit below, above or beside their circle without touching another circle or name, largest first. */
function labels(placed: PlacedCluster[]): string[] {
  const taken: Box[] = placed.map((c) => ({
    left: c.cx - c.r,
    right: c.cx + c.r,
    top: c.cy - c.r,
    bottom: c.cy + c.r,
  }));
  return placed.slice(0, NAMED).flatMap((c) => {
    const characters = [...c.name];
    const name = characters.length > 26 ? `${characters.slice(0, 25).join("")}…` : c.name;
    const width = [...name].length * 6.8 + 4;
    const candidates = [
      { x: c.cx, y: c.cy + c.r + 14, anchor: "middle" },
      { x: c.cx, y: c.cy - c.r - 6, anchor: "middle" },
      { x: c.cx + c.r + 5, y: c.cy + 4, anchor: "start" },
      { x: c.cx - c.r - 5, y: c.cy + 4, anchor: "end" },
    ];
    for (const { x, y, anchor } of candidates) {
      const left = anchor === "middle" ? x - width / 2 : anchor === "start" ? x : x - width;
      const box = { left, right: left + width, top: y - 11, bottom: y + 4 };
      const inside = box.left >= 0 && box.right <= WIDTH && box.top >= 0 && box.bottom <= HEIGHT;
      if (!inside || taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      return [
        `<text class="name" x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escapeHtml(name)}</text>`,
      ];
    }
    return [];
  });
}

/** The map itself; empty string if there is nothing to place. */
export function clusterMap({ id, title, desc }: ChartText, placed: PlacedCluster[]): string {
  if (placed.length === 0) return "";
  const circles = placed.map(
    (c) =>
      `<g><circle cx="${c.cx.toFixed(1)}" cy="${c.cy.toFixed(1)}" r="${c.r.toFixed(1)}"/>` +
      `<text class="number" x="${c.cx.toFixed(1)}" y="${c.cy.toFixed(1)}" dy=".36em" text-anchor="middle">${c.number}</text>` +
      `<title>${escapeHtml(`${c.name}: ${formatCount(c.size)}`)}</title></g>`,
  );
  return (
    `<svg class="map" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="${id}-t ${id}-d">` +
    `<title id="${id}-t">${escapeHtml(title)}</title><desc id="${id}-d">${escapeHtml(desc)}</desc>` +
    `${circles.join("")}${labels(placed).join("")}</svg>`
  );
}
