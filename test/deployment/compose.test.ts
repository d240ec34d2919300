import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ENVIRONMENT_VARIABLES, readEnvironment } from "../../apps/coordinator/src/environment.ts";
import { type Compose, composeViolations, interpolate } from "./compose-rules.ts";
import { exitCodeOfHealthCheck, withHealth } from "./health-server.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const text = await readFile(`${root}docker-compose.yml`, "utf8");
const compose = parse(text) as Compose;
const docs = await readFile(`${root}docs/deployment.md`, "utf8");
const SECRETS = { POSTGRES_PASSWORD: "p4ss", REDIS_PASSWORD: "w0rd" };

/** The document with the value at a path replaced, or removed if `value` is undefined. */
function changed(path: string, value: unknown): unknown {
  const copy = structuredClone(compose) as unknown as Record<string, unknown>;
  const keys = path.split(".");
  const last = keys.pop()!;
  let parent = copy;
  for (const key of keys) parent = parent[key] as Record<string, unknown>;
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return copy;
}

describe("docker-compose.yml", () => {
  it("keeps the rules", () => {
    expect(composeViolations(compose)).toEqual([]);
    expect(Object.keys(compose.services)).toEqual(["coordinator", "postgres", "redis"]);
    expect(compose.services["postgres"]!.image).toBe("postgres:17");
    expect(compose.services["redis"]!.image).toBe("redis:7");
  });

  it.each<[string, string, unknown]>([
    ["a service without health check", "services.redis.healthcheck", undefined],
    ["a health check that is no command", "services.redis.healthcheck.test", ["redis-cli", "ping"]],
    ["an image without version", "services.redis.image", "redis"],
    ["an image pinned to latest", "services.redis.image", "redis:latest"],
    ["a misspelt key", "services.redis.enviroment", {}],
    ["a literal password", "services.postgres.environment.POSTGRES_PASSWORD", "kindred"],
    [
      "a default password",
      "services.postgres.environment.POSTGRES_PASSWORD",
      `$\{POSTGRES_PASSWORD:-kindred}`,
    ],
    [
      "a password in a URL",
      "services.coordinator.environment.DATABASE_URL",
      "postgresql://kindred:kindred@postgres/x",
    ],
    ["a password in a command", "services.redis.command", ["redis-server", "--requirepass secret"]],
    [
      "a dependency that does not exist",
      "services.redis.depends_on",
      { mysql: { condition: "service_healthy" } },
    ],
    ["a volume that is not declared", "volumes.redis", undefined],
    ["a service that may gain privileges", "services.redis.security_opt", []],
  ])("would not pass with %s", (_what, path, value) => {
    expect(composeViolations(changed(path, value))).not.toEqual([]);
  });

  it.each(["POSTGRES_PASSWORD", "REDIS_PASSWORD"])("does not start without %s", (name) => {
    expect(() => interpolate(text, { ...SECRETS, [name]: "" })).toThrow(new RegExp(`^${name}: set ${name}`));
    expect(() => interpolate(text, SECRETS)).not.toThrow();
  });

  it("gives the coordinator an environment that it understands and the docs explain", () => {
    const { environment = {} } = (parse(interpolate(text, SECRETS)) as Compose).services["coordinator"]!;
    for (const name of Object.keys(environment)) expect(Object.keys(ENVIRONMENT_VARIABLES)).toContain(name);
    expect(readEnvironment(environment)).toMatchObject({
      databaseUrl: "postgresql://kindred:p4ss@postgres:5432/kindred",
      corsOrigins: [],
      logLevel: "info",
    });
    const outside = new Set([...text.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name!));
    for (const name of [...outside, ...Object.keys(ENVIRONMENT_VARIABLES)])
      expect(docs).toContain(`\`${name}\``);
    const explained = new Set(
      [...docs.matchAll(/`((?:KINDRED|POSTGRES|REDIS)_[A-Z_]+)`/g)].map(([, name]) => name!),
    );
    for (const name of explained) expect([...outside, ...Object.keys(ENVIRONMENT_VARIABLES)]).toContain(name);
  });

  it("asks the coordinator for its health", async () => {
    const { test } = compose.services["coordinator"]!.healthcheck;
    expect(compose.services["coordinator"]!.ports![0]).toMatch(/:8080$/);
    for (const [status, code] of [
      [200, 0],
      [503, 1],
    ] as const)
      await withHealth(status, async (port) => {
        const command = test.slice(1).map((word) => word.replace(":8080/", `:${port}/`));
        expect(await exitCodeOfHealthCheck(command, {})).toBe(code);
      });
  });
});
