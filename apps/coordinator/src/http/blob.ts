/** Sends one content-addressed blob: strong ETag, conditional requests, byte ranges (RFC 9110, sections 13 and 14). */
import { pipeline } from "node:stream/promises";
import type { Request, Response } from "express";
import type { ByteRange } from "../store/blobs.ts";
import type { PublicBlob } from "./ports.ts";
import { isClosedByPeer, refuse } from "./refusal.ts";

/**
 * The one range to send, or undefined for the whole blob. Several ranges, other units and malformed headers are
 * answered with the whole, as RFC 9110 section 14.2 allows; so is a range under an `If-Range` that no longer holds.
 */
function requestedRange(
  request: Request<{ hash: string }>,
  { size, etag }: { size: number; etag: string },
): ByteRange | "unsatisfiable" | undefined {
  // HEAD has no ranges (section 14.2: "Range" is defined for GET only).
  if (request.method !== "GET") return undefined;
  const ifRange = request.get("If-Range");
  if (ifRange !== undefined && ifRange !== etag) return undefined;
  const ranges = request.range(size, { combine: true });
  if (ranges === -1) return "unsatisfiable";
  if (ranges === undefined || ranges === -2 || ranges.type !== "bytes" || ranges.length !== 1)
    return undefined;
  return ranges[0];
}

/**
 * Whether `If-None-Match` names the present representation (RFC 9110, section 13.1.2), so that 304 is the answer.
 * Not Express's `request.fresh`: that gives up on `Cache-Control: no-cache`, which `fetch` adds by itself to every
 * request that carries `If-None-Match`.
 */
export function isHeldByPeer(request: Pick<Request, "get">, etag: string): boolean {
  const held = request.get("If-None-Match")?.split(",") ?? [];
  return held.some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}

/** @throws KindredError `range-invalid` with `Content-Range` naming the size */
export async function sendBlob(
  request: Request<{ hash: string }>,
  response: Response,
  { hash, blob }: { hash: string; blob: PublicBlob },
): Promise<void> {
  const { size } = blob;
  const etag = `"${hash}"`;
  response.set({
    ETag: etag,
    "Cache-Control": "public, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
  });
  if (isHeldByPeer(request, etag)) {
    response.status(304).end();
    return;
  }
  const range = requestedRange(request, { size, etag });
  if (range === "unsatisfiable") {
    response.removeHeader("ETag");
    response.set({ "Content-Range": `bytes */${size}`, "Cache-Control": "no-store" });
    refuse("range-invalid", {
      field: "Range",
      rule: `must lie within the blob's ${size} bytes`,
      fix: "ask for a range that starts before the end, or for the whole blob",
    });
  }
  response.set("Content-Type", "application/octet-stream");
  if (range !== undefined)
    response.status(206).set("Content-Range", `bytes ${range.start}-${range.end}/${size}`);
  response.set("Content-Length", String(range === undefined ? size : range.end - range.start + 1));
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  await pipeline(await blob.stream(range), response).catch((error: unknown) => {
    if (!isClosedByPeer(error)) throw error;
  });
}
