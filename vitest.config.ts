import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { findChromium } from "./apps/bench/src/chromium.ts";

/** Suites that run in a browser as they do in Node: of the isomorphic packages, but for what only Node has. */
const ISOMORPHIC = ["protocol", "secagg", "privacy", "clustering"].map(
  (name) => `packages/${name}/{src,test}/**/*.test.ts`,
);
const NODE_ONLY = "**/*.node.test.ts";

const chromium = findChromium();
if (chromium === undefined) {
  const missing =
    "Chromium is not installed: the suites of the isomorphic packages are not run in a browser.";
  if (process.env["CI"]) throw new Error(`${missing} CI may skip nothing; install chromium.`);
  process.stderr.write(`${missing} Install chromium, or name its executable in CHROMIUM.\n`);
}

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "node",
          include: [
            "packages/*/{src,test}/**/*.test.ts",
            "apps/*/{src,test}/**/*.test.ts",
            "test/**/*.test.ts",
          ],
          pool: "forks",
        },
      },
      ...(chromium === undefined
        ? []
        : [
            {
              extends: true as const,
              test: {
                name: "chromium",
                include: ISOMORPHIC,
                exclude: [NODE_ONLY],
                browser: {
                  enabled: true,
                  headless: true,
                  screenshotFailures: false,
                  provider: playwright({
                    // Containers run as root, where Chromium's sandbox does not start.
                    launchOptions: { executablePath: chromium, args: ["--no-sandbox"] },
                  }),
                  instances: [{ browser: "chromium" as const }],
                },
              },
            },
          ]),
    ],
  },
});
