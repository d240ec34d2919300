import { describe, expect, it } from "vitest";
import {
  ALLOWED_IMPORTS,
  declaredDependencies,
  fileCycles,
  fileLength,
  ISOMORPHIC,
  importDirection,
  mathRandom,
  neverLoads,
  platformUse,
} from "./rules.ts";
import { loadWorkspace, workspaceFrom } from "./workspace.ts";

describe("the workspace", () => {
  const workspace = loadWorkspace(new URL("../../", import.meta.url));

  it("was read", () => {
    const names = workspace.packages.map(({ manifest }) => manifest.name.replace("@kindred/", ""));
    expect(names).toEqual(expect.arrayContaining([...ISOMORPHIC, "encoder", "client", "coordinator"]));
    expect(names.filter((name) => !(name in ALLOWED_IMPORTS))).toEqual([]);
    for (const { folder, files } of workspace.packages)
      expect([folder, files.length > 0]).toEqual([folder, true]);
  });

  it("imports in one direction", () => {
    expect(importDirection(workspace)).toEqual([]);
  });

  it("keeps tensors out of the coordinator", () => {
    expect(neverLoads(workspace, "apps/coordinator", "@tensorflow/")).toEqual([]);
  });

  it("has no cycles between files", () => {
    expect(fileCycles(workspace)).toEqual([]);
  });

  it("keeps platforms out of isomorphic packages", () => {
    expect(platformUse(workspace)).toEqual([]);
  });

  it("uses Math.random nowhere", () => {
    expect(mathRandom(workspace)).toEqual([]);
  });

  it("declares exactly the dependencies that it imports", () => {
    expect(declaredDependencies(workspace)).toEqual([]);
  });

  it("has no file over 500 lines", () => {
    expect(fileLength(workspace)).toEqual([]);
  });
});

/** A workspace of two well-behaved packages, with some files added or replaced. */
function planted(changes: Record<string, string>) {
  const manifest = (name: string, rest: object) => JSON.stringify({ name: `@kindred/${name}`, ...rest });
  return workspaceFrom(
    new Map(
      Object.entries({
        "package.json": JSON.stringify({ name: "root", devDependencies: { vitest: "*" } }),
        "packages/protocol/package.json": manifest("protocol", {
          exports: { ".": "./src/index.ts" },
          dependencies: { zod: "*" },
        }),
        "packages/protocol/src/index.ts": 'export * from "./a.ts"; import { z } from "zod"; z;',
        "packages/protocol/src/a.ts": "export const a = 1;",
        "packages/protocol/src/a.test.ts": 'import { it } from "vitest"; import { a } from "./a.ts"; it(a);',
        "packages/engine/package.json": manifest("engine", {
          exports: { ".": "./src/index.ts" },
          dependencies: { "@kindred/protocol": "workspace:*" },
        }),
        "packages/engine/src/index.ts": 'import { a } from "@kindred/protocol"; export const b = a;',
        ...changes,
      }),
    ),
  );
}

const rules = { importDirection, fileCycles, platformUse, mathRandom, declaredDependencies, fileLength };

describe("the rules", () => {
  it.each(Object.entries(rules))("%s accepts a well-behaved workspace", (_, rule) => {
    expect(rule(planted({}))).toEqual([]);
  });

  const engine = (text: string) => ({ "packages/engine/src/x.ts": text });
  const ENGINE = "packages/engine/src/x.ts";

  it.each<[string, keyof typeof rules, Record<string, string>, string]>([
    [
      "an import against the direction",
      "importDirection",
      { "packages/protocol/src/x.ts": 'import type { b } from "@kindred/engine";' },
      'packages/protocol/src/x.ts: must not import "@kindred/engine"',
    ],
    [
      "a re-export against it",
      "importDirection",
      engine('export * from "@kindred/encoder";'),
      `${ENGINE}: must not import "@kindred/encoder"`,
    ],
    [
      "a dynamic import against it",
      "importDirection",
      engine('await import("@kindred/client");'),
      `${ENGINE}: must not import "@kindred/client"`,
    ],
    [
      "a type import against it",
      "importDirection",
      engine('type T = import("@kindred/cli").T;'),
      `${ENGINE}: must not import "@kindred/cli"`,
    ],
    [
      "an entry that is not exported",
      "importDirection",
      engine('import "@kindred/protocol/src/a.ts";'),
      `${ENGINE}: imports "@kindred/protocol/src/a.ts", which no package exports`,
    ],
    [
      "a relative import of another package",
      "importDirection",
      engine('import "../../protocol/src/a.ts";'),
      `${ENGINE}: leaves its package with "../../protocol/src/a.ts"`,
    ],
    [
      "a package without a place",
      "importDirection",
      { "packages/helpers/package.json": '{"name":"@kindred/helpers"}' },
      "packages/helpers: has no place in the import graph",
    ],
    [
      "the encoder's main entry in the coordinator",
      "importDirection",
      {
        "packages/encoder/package.json":
          '{"name":"@kindred/encoder","exports":{".":"./i.ts","./layout":"./l.ts"}}',
        "apps/coordinator/package.json": '{"name":"@kindred/coordinator"}',
        "apps/coordinator/src/x.ts": 'import "@kindred/encoder/layout"; import "@kindred/encoder";',
      },
      'apps/coordinator/src/x.ts: must not import "@kindred/encoder"',
    ],
    [
      "a cycle of two files",
      "fileCycles",
      {
        "packages/protocol/src/a.ts": 'import "./b.ts";',
        "packages/protocol/src/b.ts": 'import { type A } from "./a.ts";',
      },
      "packages/protocol/src/a.ts → packages/protocol/src/b.ts → packages/protocol/src/a.ts",
    ],
    ["a file that imports itself", "fileCycles", engine('import "./x.ts";'), `${ENGINE} → ${ENGINE}`],
    [
      "a built-in module",
      "platformUse",
      engine('import { readFileSync } from "node:fs";'),
      `${ENGINE}: imports "node:fs"`,
    ],
    [
      "a built-in module without scheme",
      "platformUse",
      engine('import "fs/promises";'),
      `${ENGINE}: imports "fs/promises"`,
    ],
    ["Buffer", "platformUse", engine("Buffer.from([1]);"), `${ENGINE}: uses Buffer`],
    [
      "Buffer, declared",
      "platformUse",
      engine("declare const Buffer: any; Buffer.from([1]);"),
      `${ENGINE}: uses Buffer`,
    ],
    ["process", "platformUse", engine("export const e = typeof process;"), `${ENGINE}: uses process`],
    ["fetch", "platformUse", engine('export const f = () => fetch("x");'), `${ENGINE}: uses fetch`],
    ["globalThis.fetch", "platformUse", engine('globalThis.fetch("x");'), `${ENGINE}: uses fetch`],
    ["setTimeout", "platformUse", engine("setTimeout(() => {}, 1);"), `${ENGINE}: uses setTimeout`],
    ["performance", "platformUse", engine("performance.now();"), `${ENGINE}: uses performance`],
    ["the clock", "platformUse", engine("export const t = Date.now();"), `${ENGINE}: uses Date.now`],
    [
      "the clock, destructured",
      "platformUse",
      engine("const { now } = Date; now();"),
      `${ENGINE}: uses Date.now`,
    ],
    [
      "the clock, constructed",
      "platformUse",
      engine("export const t = new Date();"),
      `${ENGINE}: uses new Date()`,
    ],
    ["chance", "platformUse", engine("Math.random();"), `${ENGINE}: uses Math.random`],
    ["Math.random", "mathRandom", engine('export const r = Math["random"];'), `${ENGINE}: uses Math.random`],
    [
      "Math.random in a test",
      "mathRandom",
      { "packages/engine/src/x.test.ts": "const { random } = Math; random();" },
      "packages/engine/src/x.test.ts: uses Math.random",
    ],
    [
      "an undeclared dependency",
      "declaredDependencies",
      engine('import "zod";'),
      `${ENGINE}: imports "zod", which packages/engine/package.json does not declare`,
    ],
    [
      "an undeclared workspace package in a test",
      "declaredDependencies",
      { "packages/protocol/src/x.test.ts": 'import "@kindred/engine";' },
      'packages/protocol/src/x.test.ts: imports "@kindred/engine", which packages/protocol/package.json does not declare',
    ],
    [
      "a test's tool in shipped code",
      "declaredDependencies",
      engine('import "vitest";'),
      `${ENGINE}: imports "vitest", which packages/engine/package.json does not declare`,
    ],
    [
      "a dependency that only a test uses",
      "declaredDependencies",
      {
        "packages/protocol/src/index.ts": 'export * from "./a.ts";',
        "packages/protocol/src/a.test.ts": 'import "zod";',
      },
      'packages/protocol/package.json: declares "zod", which no source imports',
    ],
    [
      "a development dependency that nothing uses",
      "declaredDependencies",
      {
        "packages/engine/package.json": JSON.stringify({
          name: "@kindred/engine",
          dependencies: { "@kindred/protocol": "*" },
          devDependencies: { tweetnacl: "*" },
        }),
      },
      'packages/engine/package.json: declares "tweetnacl" for development, which nothing imports',
    ],
    ["a long file", "fileLength", engine("//\n".repeat(501)), `${ENGINE}: has 501 lines, the most is 500`],
  ])("find %s", (_, rule, changes, violation) => {
    expect(rules[rule](planted(changes))).toContain(violation);
  });

  it.each<[string, keyof typeof rules, Record<string, string>]>([
    ["names of properties", "platformUse", engine("export const o = { process: 1, fetch() {} }; o.fetch();")],
    ["own variables", "platformUse", engine("export const f = ({ fetch }: { fetch: number }) => fetch;")],
    ["dates that are given", "platformUse", engine("export const d = (t: number) => new Date(t);")],
    [
      "tests on a platform",
      "platformUse",
      { "packages/engine/src/x.test.ts": 'import "node:fs"; Buffer.from([]);' },
    ],
    ["entry points for a platform", "platformUse", { "packages/engine/node/x.ts": 'import "node:fs";' }],
    [
      "strings and comments",
      "platformUse",
      engine('export const s = "Buffer"; // Math.random, import "node:fs"'),
    ],
    [
      "types back and forth",
      "fileCycles",
      {
        "packages/protocol/src/a.ts": 'import "./b.ts";',
        "packages/protocol/src/b.ts": 'import type { A } from "./a.ts";',
      },
    ],
    [
      "optional dependencies under a computed name",
      "declaredDependencies",
      {
        ...engine('const name: string = "left-pad"; await import(name);'),
        "packages/engine/package.json": JSON.stringify({
          name: "@kindred/engine",
          dependencies: { "@kindred/protocol": "*" },
          optionalDependencies: { "left-pad": "*" },
        }),
      },
    ],
    ["generated code", "fileLength", { "packages/engine/src/generated/x.ts": "//\n".repeat(900) }],
    [
      "types for development",
      "declaredDependencies",
      {
        ...engine('import type { Express } from "express";'),
        "packages/engine/package.json": JSON.stringify({
          name: "@kindred/engine",
          dependencies: { "@kindred/protocol": "*" },
          devDependencies: { "@types/express": "*" },
        }),
      },
    ],
  ])("allow %s", (_, rule, changes) => {
    expect(rules[rule](planted(changes))).toEqual([]);
  });

  const coordinator = (layout: string) => ({
    "packages/encoder/package.json": JSON.stringify({
      name: "@kindred/encoder",
      exports: { ".": "./src/index.ts", "./layout": "./src/layout.ts" },
    }),
    "packages/encoder/src/layout.ts": layout,
    "packages/encoder/src/model.ts": 'import "@tensorflow/tfjs-core";',
    "apps/coordinator/package.json": '{"name":"@kindred/coordinator"}',
    "apps/coordinator/src/index.ts": 'import "@kindred/encoder/layout";',
  });

  it("find a tensor library behind any number of imports, and name the way to it", () => {
    const found = neverLoads(
      planted(coordinator('import { x } from "./model.ts"; x;')),
      "apps/coordinator",
      "@tensorflow/",
    );
    expect(found).toEqual([
      "apps/coordinator/src/index.ts → packages/encoder/src/layout.ts → packages/encoder/src/model.ts → @tensorflow/tfjs-core",
    ]);
  });

  it("find one behind an import that names only types but is not erased", () => {
    const found = neverLoads(
      planted(coordinator('import { type X } from "./model.ts";')),
      "apps/coordinator",
      "@tensorflow/",
    );
    expect(found.length).toBe(1);
  });

  it("find one that is loaded by a computed name", () => {
    const text = 'const name: string = "@tensorflow/tfjs-node"; await import(name);';
    const found = neverLoads(planted(coordinator(text)), "apps/coordinator", "@tensorflow/");
    expect(found).toEqual([
      "apps/coordinator/src/index.ts → packages/encoder/src/layout.ts → @tensorflow/tfjs-node",
    ]);
  });

  it("allow types of it, which are erased", () => {
    const found = neverLoads(
      planted(coordinator('import type { X } from "./model.ts";')),
      "apps/coordinator",
      "@tensorflow/",
    );
    expect(found).toEqual([]);
  });
});
