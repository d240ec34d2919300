/** The workspace as the rules see it: packages, their manifests and their source files. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { readSource, type SourceFile } from "./source-file.ts";

export interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export interface WorkspacePackage {
  /** Folder from the root, such as `packages/engine`. */
  readonly folder: string;
  readonly manifest: Manifest;
  readonly files: readonly SourceFile[];
}

export interface Workspace {
  /** Names that the root manifest provides to tests. */
  readonly rootDependencies: ReadonlySet<string>;
  readonly packages: readonly WorkspacePackage[];
}

/** Tests, their fixtures and scripts: everything that is never shipped. */
export function isTest(path: string): boolean {
  return (
    /\.test\.tsx?$/.test(path) || /^(packages|apps)\/[^/]+\/test\//.test(path) || path.startsWith("test/")
  );
}

/** Written by a tool; only what it imports counts. */
export function isGenerated(path: string): boolean {
  return path.includes("/generated/");
}

export function isShipped({ path }: SourceFile): boolean {
  return !isTest(path) && !isGenerated(path);
}

/** Builds a workspace from path → text: `package.json` files and sources. */
export function workspaceFrom(texts: ReadonlyMap<string, string>): Workspace {
  const manifestOf = (folder: string): Manifest =>
    JSON.parse(
      texts.get(folder === "" ? "package.json" : `${folder}/package.json`) ?? '{"name":""}',
    ) as Manifest;
  const root = manifestOf("");
  const folders = [...texts.keys()]
    .filter((path) => /^(packages|apps)\/[^/]+\/package\.json$/.test(path))
    .map((path) => posix.dirname(path));
  const packages = folders.map((folder) => ({
    folder,
    manifest: manifestOf(folder),
    files: [...texts]
      .filter(([path]) => path.startsWith(`${folder}/`) && /\.(tsx?|mjs)$/.test(path))
      .map(([path, text]) => readSource(path, text)),
  }));
  return {
    rootDependencies: new Set(Object.keys({ ...root.dependencies, ...root.devDependencies })),
    packages,
  };
}

const SKIPPED = new Set(["node_modules", "dist", "coverage", "vectors"]);

/** Reads every manifest and source file under `packages/` and `apps/`. */
export function loadWorkspace(root: URL): Workspace {
  const texts = new Map<string, string>();
  const read = (path: string): void => {
    texts.set(path, readFileSync(new URL(path, root), "utf8"));
  };
  const visit = (folder: string): void => {
    for (const entry of readdirSync(new URL(`${folder}/`, root), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!SKIPPED.has(entry.name) && !entry.name.startsWith(".")) visit(path);
      } else if (/\.(tsx?|mjs)$/.test(entry.name) || entry.name === "package.json") read(path);
    }
  };
  read("package.json");
  for (const folder of ["packages", "apps"]) if (existsSync(new URL(`${folder}/`, root))) visit(folder);
  return workspaceFrom(texts);
}

/** `@scope/name/sub/path` as its package and the key of its `exports`. */
export function splitSpecifier(specifier: string): { name: string; subpath: string } {
  const parts = specifier.split("/");
  const name = parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
  return { name, subpath: `.${specifier.slice(name.length)}` };
}

/** Path of the workspace file that an import loads, or `undefined` for a third party's. */
export function resolveImport(workspace: Workspace, from: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier);
  const { name, subpath } = splitSpecifier(specifier);
  const target = workspace.packages.find(({ manifest }) => manifest.name === name);
  const entry = target?.manifest.exports?.[subpath];
  return target === undefined || entry === undefined ? undefined : posix.join(target.folder, entry);
}
