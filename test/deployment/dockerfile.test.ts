import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readEnvironment } from "../../apps/coordinator/src/environment.ts";
import { exitCodeOfHealthCheck, withHealth } from "./health-server.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const dockerfile = await readFile(`${root}Dockerfile`, "utf8");
const ignored = (await readFile(`${root}.dockerignore`, "utf8"))
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

function parseDockerfile(text: string): Instruction[] {
  return text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const match = /^([A-Z]+)\s+(.*)$/.exec(line);
      if (match === null) throw new Error(`cannot read "${line}"`);
      return { name: match[1]!, rest: match[2]! };
    });
}

/** Sources that the build would not find, or that `.dockerignore` keeps from it, and stages that do not exist. */
function copyViolations(instructions: readonly Instruction[]): string[] {
  const stages = new Set<string>();
  const found: string[] = [];
  for (const { name, rest } of instructions) {
    const stage = /\bAS (\w+)$/.exec(rest)?.[1];
    if (name === "FROM" && stage !== undefined) stages.add(stage);
    if (name !== "COPY") continue;
    const from = /--from=(\S+)/.exec(rest)?.[1];
    if (from !== undefined) {
      if (!stages.has(from)) found.push(`no stage ${from}`);
      continue;
    }
    for (const source of rest.split(/\s+/).slice(0, -1)) {
      if (!existsSync(root + source)) found.push(`${source} does not exist`);
      if (ignored.some((pattern) => pattern === source || pattern === `**/${source}`))
        found.push(`${source} is ignored`);
    }
  }
  return found;
}

const instructions = parseDockerfile(dockerfile);
const lastStage = instructions.slice(instructions.map(({ name }) => name).lastIndexOf("FROM"));
const of = (name: string) => lastStage.find((instruction) => instruction.name === name)?.rest;

describe("Dockerfile", () => {
  it("copies only what exists", () => {
    expect(copyViolations(instructions)).toEqual([]);
    const copies = instructions.filter(({ name }) => name === "COPY");
    expect(copies.length).toBeGreaterThan(5);
    for (const bad of ["COPY nothing ./", "COPY docs docs", "COPY --from=nowhere /app ./"])
      expect(copyViolations(parseDockerfile(`${dockerfile}\n${bad}\n`))).toHaveLength(1);
  });

  it("uses the Node and pnpm of the workspace, pinned to a major version", async () => {
    const manifest = JSON.parse(await readFile(`${root}package.json`, "utf8")) as {
      packageManager: string;
      engines: { node: string };
    };
    const images = instructions.filter(({ name }) => name === "FROM").map(({ rest }) => rest.split(" ")[0]!);
    const external = images.filter((image) => !dockerfile.includes(` AS ${image}\n`));
    expect(external).toEqual(["node:20-slim"]);
    expect(/\d+/.exec(manifest.engines.node)?.[0]).toBe("20");
    const major = /^pnpm@(\d+)\./.exec(manifest.packageManager)?.[1];
    expect(dockerfile).toContain(`npm install --global pnpm@${major}\n`);
  });

  it("runs `kindred up` without privileges and without installing anything", () => {
    expect(of("USER")).toBe("node");
    const command = JSON.parse(of("CMD")!) as string[];
    expect(command).toEqual(["pnpm", "--config.verify-deps-before-run=false", "kindred", "up"]);
    const after = lastStage.slice(lastStage.findIndex(({ name }) => name === "USER"));
    expect(after.map(({ name }) => name)).not.toContain("RUN");
  });

  it("sets an environment that the coordinator understands", () => {
    const environment = Object.fromEntries(
      of("ENV")!
        .split(/\s+/)
        .map((pair) => pair.split("=")),
    );
    expect(readEnvironment(environment)).toMatchObject({
      directory: "/var/lib/kindred",
      host: "0.0.0.0",
      port: Number(of("EXPOSE")),
    });
    expect(of("VOLUME")).toBe(environment["KINDRED_DATA"]);
    expect(Object.keys(environment).filter((name) => /KEY|PASSWORD|SECRET|TOKEN/.test(name))).toEqual([]);
  });

  it("has a health check that tells a healthy coordinator from others", async () => {
    const command = JSON.parse(/CMD (\[.*\])$/.exec(of("HEALTHCHECK")!)![1]!) as string[];
    for (const [status, code] of [
      [200, 0],
      [503, 1],
    ] as const)
      await withHealth(status, async (port) => {
        expect(await exitCodeOfHealthCheck(command, { KINDRED_PORT: String(port) })).toBe(code);
      });
  });

  it("leaves secrets and local state out of the image", () => {
    for (const pattern of [".env", ".env.*", "**/*.key", ".kindred", ".git", "**/node_modules"])
      expect(ignored).toContain(pattern);
  });
});
