/** The rules of DESIGN.md, "Shape", and STYLE.md, each as a function from a workspace to its violations. */
import { builtinModules } from "node:module";
import type { SourceFile } from "./source-file.ts";
import {
  isGenerated,
  isShipped,
  isTest,
  resolveImport,
  splitSpecifier,
  type Workspace,
} from "./workspace.ts";

/** One broken rule, readable by itself. */
export type Violation = string;

const SCOPE = "@kindred/";
const BUILTINS = new Set(builtinModules);

/** What each package may import, by the last part of its name; `encoder/layout` allows that entry only. */
export const ALLOWED_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  clustering: [],
  sealing: ["protocol"],
  privacy: ["protocol"],
  secagg: ["protocol", "privacy"],
  encoder: ["protocol", "clustering"],
  engine: ["protocol", "privacy", "clustering", "secagg"],
  client: ["protocol", "privacy", "clustering", "sealing", "secagg", "encoder", "engine"],
  audit: ["protocol", "privacy", "clustering", "secagg", "engine"],
  simulator: ["protocol", "privacy", "clustering", "secagg", "encoder", "engine", "client"],
  coordinator: [
    "protocol",
    "privacy",
    "clustering",
    "sealing",
    "secagg",
    "engine",
    "encoder/layout",
    "encoder/features",
  ],
  bench: ["protocol", "privacy", "clustering", "secagg", "encoder", "engine", "client", "simulator"],
  cli: [
    "protocol",
    "privacy",
    "clustering",
    "secagg",
    "encoder",
    "engine",
    "client",
    "simulator",
    "audit",
    "coordinator",
  ],
};

/** Packages that run in a browser, a server and the simulator alike. */
export const ISOMORPHIC: readonly string[] = [
  "protocol",
  "secagg",
  "privacy",
  "clustering",
  "engine",
  "audit",
];

const FORBIDDEN_GLOBALS: readonly string[] = [
  "Buffer",
  "process",
  "require",
  "__dirname",
  "__filename",
  "fetch",
  "console",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "performance",
  "crypto",
  "window",
  "document",
  "navigator",
  "localStorage",
  "indexedDB",
  "Worker",
  "WebSocket",
  "TextEncoder",
  "TextDecoder",
  "Date.now",
  "new Date()",
  "Math.random",
];

const MAX_LINES = 500;

function shortName(name: string): string {
  return name.startsWith(SCOPE) ? name.slice(SCOPE.length) : name;
}

const isBuiltin = (specifier: string): boolean =>
  specifier.startsWith("node:") || BUILTINS.has(splitSpecifier(specifier).name);

function shippedFiles(workspace: Workspace): SourceFile[] {
  return workspace.packages.flatMap(({ files }) => files.filter(isShipped));
}

/** Shipped files import packages in the design's direction only, through entries that exist. */
export function importDirection(workspace: Workspace): Violation[] {
  const violations: Violation[] = [];
  for (const { folder, manifest, files } of workspace.packages) {
    const allowed = ALLOWED_IMPORTS[shortName(manifest.name)];
    if (allowed === undefined) {
      violations.push(`${folder}: has no place in the import graph`);
      continue;
    }
    for (const file of files.filter(({ path }) => !isGenerated(path)))
      for (const { specifier } of file.imports) {
        if (specifier.startsWith(".")) {
          const target = resolveImport(workspace, file.path, specifier)!;
          if (!isTest(file.path) && !target.startsWith(`${folder}/`))
            violations.push(`${file.path}: leaves its package with "${specifier}"`);
          continue;
        }
        if (!specifier.startsWith(SCOPE)) continue;
        if (resolveImport(workspace, file.path, specifier) === undefined)
          violations.push(`${file.path}: imports "${specifier}", which no package exports`);
        const target = specifier.slice(SCOPE.length);
        const permitted = allowed.includes(target) || allowed.includes(target.split("/")[0]!);
        if (!isTest(file.path) && !permitted) violations.push(`${file.path}: must not import "${specifier}"`);
      }
  }
  return violations;
}

/** Nothing that `folder` loads, however indirectly, loads a package whose name starts with `prefix`. */
export function neverLoads(workspace: Workspace, folder: string, prefix: string): Violation[] {
  const files = new Map(
    workspace.packages.flatMap((each) => each.files.map((file) => [file.path, file] as const)),
  );
  const start = workspace.packages.find((each) => each.folder === folder)?.files.filter(isShipped) ?? [];
  const cameFrom = new Map<string, string>(start.map((file) => [file.path, ""]));
  const queue = [...cameFrom.keys()];
  const violations: Violation[] = [];
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    const file = files.get(path);
    // A literal that starts with the name is an import in disguise: `const name = "…"; await import(name)`.
    for (const loaded of [...(file?.literals ?? [])].filter((text) => text.startsWith(prefix))) {
      if (file!.imports.some(({ specifier, typeOnly }) => specifier === loaded && typeOnly)) continue;
      const chain = [loaded];
      for (let at = path; at !== ""; at = cameFrom.get(at)!) chain.unshift(at);
      violations.push(chain.join(" → "));
    }
    for (const { specifier, typeOnly } of file?.imports ?? []) {
      const target = typeOnly ? undefined : resolveImport(workspace, path, specifier);
      if (target === undefined || cameFrom.has(target)) continue;
      cameFrom.set(target, path);
      queue.push(target);
    }
  }
  return violations;
}

/** No file of a package reaches itself through imports; those of types alone are erased and do not count. */
export function fileCycles(workspace: Workspace): Violation[] {
  const violations: Violation[] = [];
  for (const { files } of workspace.packages) {
    const shipped = files.filter(isShipped);
    const edges = new Map(
      shipped.map((file) => [
        file.path,
        file.imports
          .filter(({ specifier, typeOnly }) => specifier.startsWith(".") && !typeOnly)
          .map(({ specifier }) => resolveImport(workspace, file.path, specifier)!),
      ]),
    );
    const done = new Set<string>();
    const visit = (path: string, trail: readonly string[]): void => {
      const start = trail.indexOf(path);
      if (start >= 0) violations.push([...trail.slice(start), path].join(" → "));
      if (start >= 0 || done.has(path)) return;
      for (const target of edges.get(path) ?? []) visit(target, [...trail, path]);
      done.add(path);
    };
    for (const { path } of shipped) visit(path, []);
  }
  return violations;
}

/** The isomorphic packages' sources use no platform: no built-in modules, no platform globals, no clock, no chance. */
export function platformUse(workspace: Workspace): Violation[] {
  const isomorphic = workspace.packages.filter(({ manifest }) =>
    ISOMORPHIC.includes(shortName(manifest.name)),
  );
  return isomorphic.flatMap(({ folder, files }) =>
    files
      .filter((file) => isShipped(file) && file.path.startsWith(`${folder}/src/`))
      .flatMap((file) => [
        ...file.imports
          .filter(({ specifier }) => isBuiltin(specifier))
          .map(({ specifier }) => `${file.path}: imports "${specifier}"`),
        ...FORBIDDEN_GLOBALS.filter((name) => file.globals.has(name)).map(
          (name) => `${file.path}: uses ${name}`,
        ),
      ]),
  );
}

/** `Math.random` is nowhere, tests included: it is neither secure nor repeatable. */
export function mathRandom(workspace: Workspace): Violation[] {
  return workspace.packages
    .flatMap(({ files }) =>
      files.filter(({ path, globals }) => !isGenerated(path) && globals.has("Math.random")),
    )
    .map(({ path }) => `${path}: uses Math.random`);
}

/** Third-party and workspace packages that a file names; `#x` is a subpath import of its own package. */
function packagesOf(file: SourceFile): { name: string; typeOnly: boolean }[] {
  return file.imports
    .filter(({ specifier }) => !/^[.#]/.test(specifier) && !isBuiltin(specifier))
    .map(({ specifier, typeOnly }) => ({ name: splitSpecifier(specifier).name, typeOnly }));
}

/** Name of the package whose types `@types/x` holds. */
function typedPackage(name: string): string | undefined {
  const typed = /^@types\/(.+)$/.exec(name)?.[1];
  return typed?.includes("__") ? `@${typed.replace("__", "/")}` : typed;
}

/** Declared dependencies equal imported ones, both ways; tests may also use devDependencies and the root's. */
export function declaredDependencies(workspace: Workspace): Violation[] {
  const violations = new Set<Violation>();
  for (const { folder, manifest, files } of workspace.packages) {
    const shipped = new Set(
      [manifest.dependencies, manifest.optionalDependencies, manifest.peerDependencies].flatMap((group) =>
        Object.keys(group ?? {}),
      ),
    );
    const development = new Set(Object.keys(manifest.devDependencies ?? {}));
    const used = { shipped: new Set<string>(), anywhere: new Set<string>() };
    const optional = Object.keys(manifest.optionalDependencies ?? {});
    for (const file of files) {
      // What may be missing is loaded by a computed name, so that no tool resolves it beforehand.
      for (const name of optional) if (!isTest(file.path) && file.literals.has(name)) used.shipped.add(name);
      for (const { name, typeOnly } of packagesOf(file)) {
        used.anywhere.add(name);
        if (!isTest(file.path)) used.shipped.add(name);
        const own = name === manifest.name;
        if (own || shipped.has(name)) continue;
        const declared = isTest(file.path)
          ? development.has(name) || workspace.rootDependencies.has(name)
          : typeOnly && (development.has(name) || development.has(`@types/${name}`));
        if (!declared)
          violations.add(`${file.path}: imports "${name}", which ${folder}/package.json does not declare`);
      }
    }
    for (const name of shipped)
      if (!used.shipped.has(name))
        violations.add(`${folder}/package.json: declares "${name}", which no source imports`);
    for (const name of development)
      if (!used.anywhere.has(typedPackage(name) ?? name))
        violations.add(`${folder}/package.json: declares "${name}" for development, which nothing imports`);
  }
  return [...violations];
}

/** No shipped file is longer than 500 lines. */
export function fileLength(workspace: Workspace): Violation[] {
  return shippedFiles(workspace)
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ path, lines }) => `${path}: has ${lines} lines, the most is ${MAX_LINES}`);
}
