import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findChromium } from "../src/chromium.ts";
import { benchPrivacy } from "../src/privacy/bench-privacy.ts";
import { measureOvershoot } from "../src/privacy/noise-overshoot.ts";

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

it("bench privacy prints what its JSON holds, for Node and where there is one for Chromium", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kindred-bench-privacy-"));
  try {
    const { stream, text } = sink();
    const json = join(folder, "privacy.json");
    const result = await benchPrivacy({ samples: "20000", json }, stream);
    expect(JSON.parse(await readFile(json, "utf8"))).toEqual(result);
    const { platform, javascript, chromium } = result;
    if (chromium) expect(chromium.processorShare).toBeGreaterThan(0);
    expect(chromium === null).toBe(findChromium() === undefined);
    for (const measured of [platform, javascript, ...(chromium ? [chromium.measured] : [])]) {
      const { samplers, keystream, encodeMs, decodeMs } = measured;
      expect(Math.min(...samplers.map(({ rate }) => rate), keystream, encodeMs, decodeMs)).toBeGreaterThan(0);
    }
    for (const { sigma } of platform.samplers) expect(text()).toContain(`exact samples, sigma ${sigma} `);
    for (const name of Object.keys(result.accountantMs)) expect(text()).toContain(name);
    for (const design of ["worst-case", "add-then-remove"]) expect(text()).toContain(`${design}, 100 `);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("bench privacy goes without a browser", async () => {
  const { stream, text } = sink();
  const { chromium } = await benchPrivacy({ samples: "1000" }, stream, null);
  expect(chromium).toBeNull();
  expect(text()).toContain("no Chromium found");
});

it.each(["worst-case", "add-then-remove"] as const)(
  "measures the overshoot that the formula gives, %s",
  (design) => {
    const found = measureOvershoot(design, 1024);
    for (const { measured, expected } of found)
      expect(Math.abs(measured / expected - 1)).toBeLessThan(4 / Math.sqrt(2 * 1024));
    const { expected } = found.at(-1)!;
    expect(expected).toBeCloseTo(design === "worst-case" ? Math.sqrt(100 / 67) : Math.sqrt(100 / 95), 2);
  },
);

it.each(["0", "1.5", "many"])("bench privacy refuses --samples %s", async (samples) => {
  await expect(benchPrivacy({ samples }, sink().stream, null)).rejects.toMatchObject({
    rejection: { code: "option-invalid", field: "--samples" },
  });
});
