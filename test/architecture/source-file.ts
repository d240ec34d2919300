/** What the architecture rules need to know of one source file, read from its syntax tree. */
import { parseAst } from "vitest/node";

/** One place where a module names another. */
export interface ModuleImport {
  readonly specifier: string;
  /** `import type` and `export type` are erased; everything else loads the module, `import { type T }` included. */
  readonly typeOnly: boolean;
}

export interface SourceFile {
  /** Path from the workspace's root, with forward slashes. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly ModuleImport[];
  /** Free identifiers, and members of global objects as `Math.random`, `Date.now`, `globalThis.fetch`. */
  readonly globals: ReadonlySet<string>;
  /** Text literals: a module may also be loaded by a name that is computed from one. */
  readonly literals: ReadonlySet<string>;
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";

/** Child nodes, with the name of the field they stand in. */
function* children(node: Node): Generator<[string, Node]> {
  for (const [field, value] of Object.entries(node))
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield [field, child];
}

/** A node and all below it, without the subtrees that `skip` names. */
function* walk(node: Node, skip: (node: Node) => boolean = () => false): Generator<Node> {
  if (skip(node)) return;
  yield node;
  for (const [, child] of children(node)) yield* walk(child, skip);
}

function literal(node: unknown): string | undefined {
  return isNode(node) && node.type === "Literal" && typeof node["value"] === "string"
    ? node["value"]
    : undefined;
}

/** Name of an identifier, of a dotted member expression, or of its static computed form `a["b"]`. */
function dottedName(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "Identifier") return node["name"] as string;
  if (node.type === "MetaProperty") return "import.meta";
  if (node.type !== "MemberExpression") return undefined;
  const object = dottedName(node["object"]);
  const property = node["computed"] ? literal(node["property"]) : dottedName(node["property"]);
  return object === undefined || property === undefined ? undefined : `${object}.${property}`;
}

const RESOLVERS = new Set(["require", "require.resolve", "import.meta.resolve"]);

/** The module that a node names, if it names one. */
function importOf(node: Node): ModuleImport | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration": {
      const specifier = literal(node["source"]);
      const kind = node["importKind"] ?? node["exportKind"];
      return specifier === undefined ? undefined : { specifier, typeOnly: kind === "type" };
    }
    case "ImportExpression":
    case "TSImportType": {
      const specifier = literal(node["source"]);
      return specifier === undefined ? undefined : { specifier, typeOnly: node.type === "TSImportType" };
    }
    case "CallExpression": {
      const specifier = literal((node["arguments"] as unknown[])[0]);
      return specifier !== undefined && RESOLVERS.has(dottedName(node["callee"]) ?? "")
        ? { specifier, typeOnly: false }
        : undefined;
    }
    case "NewExpression": {
      // new URL("./worker.ts", import.meta.url): how workers are named
      const [first, base] = node["arguments"] as unknown[];
      const specifier = literal(first);
      return dottedName(node["callee"]) === "URL" &&
        specifier?.startsWith(".") &&
        /\.(tsx?|mjs)$/.test(specifier) &&
        dottedName(base) === "import.meta.url"
        ? { specifier, typeOnly: false }
        : undefined;
    }
    default:
      return undefined;
  }
}

/** Fields in which an identifier is a name of its own and refers to nothing outside. */
function isOwnName(parent: Node, field: string): boolean {
  if (field === "property" || field === "key") return parent["computed"] !== true;
  if (field === "imported" || field === "exported" || field === "label" || field === "qualifier") return true;
  return (
    parent.type === "TSEnumMember" || parent.type === "MetaProperty" || parent.type === "TSNamedTupleMember"
  );
}

const BINDINGS: Readonly<Record<string, readonly string[]>> = {
  VariableDeclarator: ["id"],
  FunctionDeclaration: ["id", "params"],
  FunctionExpression: ["id", "params"],
  ArrowFunctionExpression: ["params"],
  TSEmptyBodyFunctionExpression: ["params"],
  TSFunctionType: ["params"],
  TSMethodSignature: ["params"],
  ClassDeclaration: ["id"],
  CatchClause: ["param"],
  ImportSpecifier: ["local"],
  ImportDefaultSpecifier: ["local"],
  ImportNamespaceSpecifier: ["local"],
  TSTypeAliasDeclaration: ["id"],
  TSInterfaceDeclaration: ["id"],
  TSEnumDeclaration: ["id"],
};

/** Names that a binding pattern introduces. */
function* boundNames(pattern: Node): Generator<string> {
  switch (pattern.type) {
    case "Identifier":
      yield pattern["name"] as string;
      return;
    case "AssignmentPattern":
      yield* boundNames(pattern["left"] as Node);
      return;
    case "RestElement":
      yield* boundNames(pattern["argument"] as Node);
      return;
    case "TSParameterProperty":
      yield* boundNames(pattern["parameter"] as Node);
      return;
    case "Property":
      yield* boundNames(pattern["value"] as Node);
      return;
    case "ObjectPattern":
    case "ArrayPattern":
      for (const [field, child] of children(pattern))
        if (field === "properties" || field === "elements") yield* boundNames(child);
  }
}

function declaredNames(program: Node): Set<string> {
  const names = new Set<string>();
  // `declare const Buffer` states that a global exists; it declares nothing of the file's own.
  for (const node of walk(program, (each) => each["declare"] === true)) {
    for (const field of BINDINGS[node.type] ?? [])
      for (const pattern of [node[field]].flat())
        if (isNode(pattern)) for (const name of boundNames(pattern)) names.add(name);
  }
  return names;
}

/** `const { random } = Math` and its like. */
function* destructuredMembers(node: Node): Generator<string> {
  const source = dottedName(node["init"]);
  const pattern = node["id"];
  if (node.type !== "VariableDeclarator" || source === undefined || !isNode(pattern)) return;
  if (pattern.type !== "ObjectPattern") return;
  for (const [field, property] of children(pattern)) {
    const key = field === "properties" ? dottedName(property["key"]) : undefined;
    if (key !== undefined) yield `${source}.${key}`;
  }
}

/**
 * Free identifiers and members of them. Without scopes: a name that the file itself declares anywhere counts as
 * the file's own throughout.
 */
function globalNames(program: Node): Set<string> {
  const declared = declaredNames(program);
  const found = new Set<string>();
  const add = (name: string): void => {
    const plain = name.replace(/^(globalThis|self|window)\./, "");
    if (plain !== name || !declared.has(name.split(".")[0]!)) found.add(plain);
  };
  const visit = (node: Node): void => {
    const name = dottedName(node);
    if (name !== undefined && node.type === "MemberExpression") add(name);
    for (const member of destructuredMembers(node)) add(member);
    if (node.type === "NewExpression" && (node["arguments"] as unknown[]).length === 0) {
      const constructed = dottedName(node["callee"]);
      if (constructed !== undefined) add(`new ${constructed}()`);
    }
    for (const [field, child] of children(node)) {
      if (child.type === "Identifier") {
        if (!isOwnName(node, field)) add(child["name"] as string);
      }
      visit(child);
    }
  };
  visit(program);
  return found;
}

/** Reads one file. @throws SyntaxError of the parser when it is not TypeScript */
export function readSource(path: string, text: string): SourceFile {
  const program = parseAst(text, { lang: path.endsWith("x") ? "tsx" : "ts" }, path) as unknown as Node;
  const nodes = [...walk(program)];
  return {
    path,
    lines: text.trimEnd().split("\n").length,
    imports: nodes.flatMap((node) => importOf(node) ?? []),
    globals: globalNames(program),
    literals: new Set(nodes.flatMap((node) => literal(node) ?? [])),
  };
}
