/**
 * Builds the vectors beside this file. Written once with `npx tsx packages/protocol/test/make-vectors.ts`; a
 * test holds the code to them byte for byte. They change only together with PROTOCOL_VERSION or a schema's version.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { documentVectors, olderPlanVectors } from "./document-vectors.ts";
import { chunkVectors, frameVectors } from "./frame-vectors.ts";
import { merkleVectors } from "./merkle-vectors.ts";
import { packingVectors, signingVectors } from "./signing-vectors.ts";

/** File name → content of every vector file. */
export function buildVectors(): Readonly<Record<string, string>> {
  const files = {
    "chunks.json": chunkVectors(),
    "documents.json": documentVectors(),
    "frames.json": frameVectors(),
    "merkle.json": merkleVectors(),
    "older-plans.json": olderPlanVectors(),
    "packing.json": packingVectors(),
    "signing.json": signingVectors(),
  };
  return Object.fromEntries(
    Object.entries(files).map(([name, content]) => [name, `${JSON.stringify(content, null, 2)}\n`]),
  );
}

const folder = fileURLToPath(new URL("./vectors", import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(buildVectors())) writeFileSync(join(folder, name), content);
}
