import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildVectors } from "./make-vectors.ts";

const built = buildVectors();

test.each(Object.keys(built))("%s is exactly what the script makes", (name) => {
  expect(readFileSync(new URL(`./vectors/${name}`, import.meta.url), "utf8") === built[name]).toBe(true);
});
