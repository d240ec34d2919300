import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Coordinator } from "@kindred/coordinator";
import { expect, it } from "vitest";
import { initialiseFolder } from "../../coordinator/src/store/test-databases.ts";
import { rotateKey } from "./rotate-key.ts";

it("kindred rotate-key: the coordinator is the same afterwards, and says what was done", async () => {
  const directory = await mkdtemp(join(tmpdir(), "kindred-rotate-"));
  try {
    await initialiseFolder(join(directory, "database"));
    const before = await Coordinator.start({ directory, port: 0 });
    const { publicKey } = before;
    let text = "";
    const terminal = { stdout: { write: (part: string) => (text += part) }, env: {}, now: () => 0 };
    await expect(rotateKey({ directory }, terminal)).rejects.toThrow(/must not be in use/);
    await before.close();
    await rotateKey({ directory }, terminal);
    expect(text).toMatch(/^Storage key +[0-9a-f]{16} from now on\nSealed anew +0 journal entries, 0 spooled/);
    const after = await Coordinator.start({ directory, port: 0 });
    expect(after.publicKey).toBe(publicKey);
    await after.close();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
