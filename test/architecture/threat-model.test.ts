import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const ROOT = new URL("../../", import.meta.url);

interface Claim {
  /** Below `packages/`. */
  readonly file: string;
  /** Titles, or parts of titles, that the document quotes behind the file's name. */
  readonly titles: readonly string[];
}

/** The tests that the rows of the document's table of attacks name, in order. */
function claimsOf(document: string): Claim[] {
  const section = document.split("## Attacks considered")[1]?.split("\n## ")[0] ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| attack "))
    .flatMap((row) => {
      const [file, ...rest] = (row.split(" | ").at(-1) ?? "").split("`").slice(1);
      if (file === undefined) return [{ file: `a row without a test: ${row}`, titles: [] }];
      // Every second part is a file's name, what lies between are its titles.
      const parts = [file, ...rest];
      return parts.flatMap((name, i) =>
        i % 2 === 0
          ? [
              {
                file: name,
                titles: [...(parts[i + 1] ?? "").matchAll(/"([^"]+)"/g)].map(([, title]) =>
                  title!.replace(/ …$/, "").replaceAll("\\|", "|"),
                ),
              },
            ]
          : [],
      );
    });
}

/** What of the claims does not hold. @param read a file's text, `undefined` where there is none */
function unfounded(claims: readonly Claim[], read: (file: string) => string | undefined): string[] {
  return claims.flatMap(({ file, titles }) => {
    const text = read(file);
    if (text === undefined) return [file];
    const literals = [...text.matchAll(/"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g)].map(
      ([, plain, template]) => plain ?? template ?? "",
    );
    return titles
      .filter((title) => !literals.some((literal) => literal.includes(title)))
      .map((title) => `${file} "${title}"`);
  });
}

describe("the threat model's table of attacks", () => {
  const claims = claimsOf(readFileSync(new URL("docs/threat-model.md", ROOT), "utf8"));

  it("names only test files and titles that exist", () => {
    expect(claims.length).toBeGreaterThan(30);
    const read = (file: string) => {
      const url = new URL(`packages/${file}`, ROOT);
      return /\.test\.ts$/.test(file) && existsSync(url) ? readFileSync(url, "utf8") : undefined;
    };
    expect(unfounded(claims, read)).toEqual([]);
  });

  it("finds a file that is gone, a title that was changed, and a row without a test", () => {
    const document = [
      "## Attacks considered",
      "| attack | test |",
      "|---|---|",
      '| one | `a/x.test.ts` "first", "with more …"; `a/gone.test.ts` |',
      '| two | `a/x.test.ts` "renamed" |',
      "| three | none |",
      "## After",
      "| four | `a/other.test.ts` |",
    ].join("\n");
    const read = (file: string) =>
      file === "a/x.test.ts" ? 'test("the first", run); test("with more to it", run); // renamed' : undefined;
    expect(unfounded(claimsOf(document), read)).toEqual([
      "a/gone.test.ts",
      'a/x.test.ts "renamed"',
      "a row without a test: | three | none |",
    ]);
  });
});
