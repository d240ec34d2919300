/** Holds PROTOCOL.md and the schemas to each other: what one describes the other has. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  CHUNK_BYTES,
  ERROR_TABLE,
  MAX_CHUNK_BYTES,
  MAX_VECTOR_BYTES,
  PROTOCOL_VERSION,
  planSections,
  resolvedPlanSchema,
} from "../src/index.ts";
import { clientFields, serverFields } from "./message-shapes.ts";

const text = readFileSync(new URL("../PROTOCOL.md", import.meta.url), "utf8");

/** Body of a section by the start of its heading, up to the next heading of the same or a higher level. */
function section(heading: string): string {
  const level = heading.indexOf(" ");
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith(heading));
  if (start < 0) throw new Error(`PROTOCOL.md has no section "${heading}"`);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => /^#+ /.test(line) && line.indexOf(" ") <= level);
  return rest.slice(0, end < 0 ? undefined : end).join("\n");
}

/** Cells of the tables' body rows. */
function rows(body: string): string[][] {
  return body
    .split("\n")
    .filter((line) => line.startsWith("|") && /[^\s|:-]/.test(line))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const unquoted = (cell: string) => cell.replaceAll("`", "");

describe.each([
  ["client", "## 4.", clientFields],
  ["coordinator", "## 5.", serverFields],
] as const)("messages from the %s", (_, heading, fieldsOf) => {
  const body = section(heading);
  const described = [...body.matchAll(/^### `([a-z-]+)`$/gm)].map((match) => match[1]!);

  it("are described, each once, and no other", () => {
    expect(described).toEqual([...fieldsOf.keys()]);
  });

  it.each([...fieldsOf])("%s has exactly the described fields", (type, expected) => {
    const message = section(`### \`${type}\``);
    const fields = rows(message)
      .filter(([first]) => first !== "field")
      .map(([field]) => unquoted(field!));
    expect(fields).toEqual(expected);
  });
});

describe("errors", () => {
  it("are the error table, row by row", () => {
    const described = rows(section("## 12.")).slice(1);
    expect(described).toEqual(
      Object.entries(ERROR_TABLE).map(([code, { status, retry, summary }]) => [
        `\`${code}\``,
        String(status),
        retry ? "yes" : "no",
        summary,
      ]),
    );
  });

  it("named anywhere in the text exist", () => {
    const prefixes =
      "plan|frame|message|model|vector|share|roster|round|task|signature|protocol|range|catalogue";
    const named = [...text.matchAll(new RegExp(`\`((?:${prefixes})-[a-z]+)\``, "g"))].map(
      (match) => match[1]!,
    );
    const types = [...clientFields.keys(), ...serverFields.keys()];
    expect(named.length).toBeGreaterThan(15);
    for (const name of named) expect([...Object.keys(ERROR_TABLE), ...types]).toContain(name);
  });
});

describe("constants", () => {
  const grouped = (value: number) => value.toLocaleString("en-US");

  it("have the values that the code uses", () => {
    expect(
      rows(section("## 1."))
        .slice(1)
        .map(([version]) => Number(version))
        .at(-1),
    ).toBe(PROTOCOL_VERSION);
    expect(section("## 3.")).toContain(`exactly ${grouped(CHUNK_BYTES)} bytes`);
    const limits = Object.fromEntries(rows(section("## 13.")));
    expect(limits["chunk"]).toBe(`${grouped(MAX_CHUNK_BYTES)} bytes`);
    expect(limits["packed vector"]).toBe(`${grouped(MAX_VECTOR_BYTES)} bytes`);
    expect(section("### `masked-input`")).toContain(`bytes(1…${MAX_VECTOR_BYTES})`);
  });
});

describe("documents", () => {
  const body = section("## 10.");

  it("list every field of the resolved section", () => {
    const described = rows(body)
      .slice(1)
      .map(([field]) => unquoted(field!));
    expect(described).toEqual(Object.keys(resolvedPlanSchema.shape));
    const mechanism = rows(body).find(([field]) => field === "`mechanism`")![1]!;
    expect(unquoted(mechanism).split(", ")).toEqual(Object.keys(resolvedPlanSchema.shape.mechanism.shape));
  });

  it("name every section of the plan", () => {
    const named = /with the sections ((?:`\w+`(?:, )?)+)/.exec(body)![1]!;
    const sections = Object.entries(planSections.parse({ task: "x" }))
      .filter(([, value]) => typeof value === "object")
      .map(([name]) => name);
    expect(unquoted(named).split(", ")).toEqual(sections);
  });
});

describe("signed bytes", () => {
  it("use the labels of the code, and every label is described", () => {
    const source = readFileSync(new URL("../src/signing.ts", import.meta.url), "utf8");
    const labels = [...source.matchAll(/"(kindred\.[a-z-]+\/\d)"/g)].map((match) => match[1]!);
    expect(new Set(labels).size).toBe(8);
    const table = section("## 7.");
    for (const label of labels) expect(table).toContain(`parts("${label}"`);
  });
});
