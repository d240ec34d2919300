/** Runs the measured work in a headless Chromium. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright";
import type { Measured } from "./measured-work.ts";

export interface BrowserMeasured {
  /** The browser's version. */
  readonly version: string;
  /** With the AES in JavaScript: browsers have no synchronous one. */
  readonly measured: Measured;
  readonly accountantMs: Readonly<Record<string, number>>;
  /** Processor time of the page over the time that passed: below 1 other programs had their share of its core. */
  readonly processorShare: number;
}

/**
 * Bundles the work, opens an empty page and measures there.
 * @param executable Chromium's
 */
export async function measureInChromium(executable: string, samples: number): Promise<BrowserMeasured> {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL("./in-browser.ts", import.meta.url))],
    bundle: true,
    format: "iife",
    target: "es2022",
    write: false,
  });
  // Containers run as root, where Chromium's sandbox does not start.
  const browser = await chromium.launch({ executablePath: executable, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    await page.addScriptTag({ content: bundle.outputFiles[0]!.text });
    const system = await browser.newBrowserCDPSession();
    const processorSeconds = async (): Promise<number> => {
      const { processInfo } = await system.send("SystemInfo.getProcessInfo");
      return processInfo
        .filter(({ type }) => type === "renderer")
        .reduce((sum, { cpuTime }) => sum + cpuTime, 0);
    };
    const [processorBefore, before] = [await processorSeconds(), performance.now()];
    const result = await page.evaluate(`kindredBench(${samples})`);
    const elapsed = (performance.now() - before) / 1000;
    const processorShare = ((await processorSeconds()) - processorBefore) / elapsed;
    return {
      version: browser.version(),
      processorShare,
      ...(result as Pick<BrowserMeasured, "measured" | "accountantMs">),
    };
  } finally {
    await browser.close();
  }
}
