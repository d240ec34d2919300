/** How vectors write byte strings down. */
import { bytesToHex } from "../src/index.ts";

/** Byte strings as `{ "hex": "…" }`, so that a message can stand in JSON. */
export function jsonForm(value: unknown): unknown {
  if (value instanceof Uint8Array) return { hex: bytesToHex(value) };
  if (Array.isArray(value)) return value.map(jsonForm);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, jsonForm(entry)]));
  return value;
}
