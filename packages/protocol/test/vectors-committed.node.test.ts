import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { buildVectors } from "./make-vectors.ts";

const folder = new URL("./vectors/", import.meta.url);

describe("committed vectors", () => {
  const built = buildVectors();

  it("are exactly the files that the script makes", () => {
    expect(readdirSync(folder).sort()).toEqual(Object.keys(built).sort());
  });

  it.each(Object.keys(built))("%s has not changed", (name) => {
    expect(readFileSync(new URL(name, folder), "utf8") === built[name]).toBe(true);
  });
});
