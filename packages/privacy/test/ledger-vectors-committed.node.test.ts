import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { buildLedgerVectors } from "./make-ledger-vectors.ts";

it("the committed vectors of the ledger are those that the script makes", () => {
  const file = new URL("./vectors/ledger-evidence.json", import.meta.url);
  expect(readFileSync(file, "utf8") === buildLedgerVectors()).toBe(true);
});
