import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { benchPrivacy } from "../src/privacy/bench-privacy.ts";

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

it("bench privacy prints what its JSON holds", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kindred-bench-privacy-"));
  try {
    const { stream, text } = sink();
    const json = join(folder, "privacy.json");
    const result = await benchPrivacy({ samples: "20000", json }, stream);
    expect(JSON.parse(await readFile(json, "utf8"))).toEqual(result);
    for (const { sigma, platform, javascript } of result.samplers) {
      expect(Math.min(platform, javascript)).toBeGreaterThan(0);
      expect(text()).toContain(`exact samples, sigma ${sigma} `);
    }
    for (const name of Object.keys(result.accountantMs)) expect(text()).toContain(name);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it.each(["0", "1.5", "many"])("bench privacy refuses --samples %s", async (samples) => {
  await expect(benchPrivacy({ samples }, sink().stream)).rejects.toMatchObject({
    rejection: { code: "option-invalid", field: "--samples" },
  });
});
