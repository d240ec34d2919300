/** Which browser the suites and the benchmarks of the isomorphic packages run in. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** @returns the executable that CHROMIUM names, or the first of Debian's and others' names on the PATH */
export function findChromium(): string | undefined {
  const named = process.env["CHROMIUM"];
  if (named) return named;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const names = ["chromium", "chromium-browser", "google-chrome"];
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
