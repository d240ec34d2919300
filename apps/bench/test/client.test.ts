import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { benchClient } from "../src/client/bench-client.ts";

function sink() {
  let text = "";
  const stream = {
    write: (chunk: string) => {
      text += chunk;
      return true;
    },
  };
  return { stream: stream as unknown as NodeJS.WritableStream, text: () => text };
}

const flags = { items: "300", events: "12", repeats: "3", backend: "cpu" };

it("bench client prints what its JSON holds", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kindred-bench-client-"));
  try {
    const { stream, text } = sink();
    const json = join(folder, "client.json");
    const result = await benchClient({ ...flags, json }, stream);
    expect(JSON.parse(await readFile(json, "utf8"))).toEqual(result);
    expect(result).toMatchObject({ backend: "cpu", items: 300, events: 12, repeats: 3 });
    for (const { median, p95, processor } of [result.interests, result.recommend]) {
      expect(processor).toBeGreaterThan(0);
      expect(median).toBeGreaterThan(0);
      expect(p95).toBeGreaterThanOrEqual(median);
      expect(text()).toContain(median.toFixed(1));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

it.each([
  ["--items", { items: "99" }],
  ["--events", { events: "0" }],
  ["--repeats", { repeats: "many" }],
  ["--backend", { backend: "abacus" }],
])("bench client refuses a wrong %s", async (field, change) => {
  await expect(benchClient({ ...flags, ...change }, sink().stream)).rejects.toMatchObject({
    rejection: { code: "option-invalid", field },
  });
});
