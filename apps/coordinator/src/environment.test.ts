import { resolve } from "node:path";
import { KindredError } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { ENVIRONMENT_VARIABLES, readEnvironment } from "./environment.ts";

describe("the environment", () => {
  it("has a default for everything, also when variables are empty", () => {
    const defaults = {
      directory: resolve(".kindred/coordinator"),
      host: "127.0.0.1",
      port: 8080,
      corsOrigins: [],
      logLevel: "info",
    };
    expect(readEnvironment({})).toEqual(defaults);
    const empty = Object.fromEntries(Object.keys(ENVIRONMENT_VARIABLES).map((name) => [name, ""]));
    expect(readEnvironment(empty)).toEqual(defaults);
  });

  it("reads every variable", () => {
    const values: Record<keyof typeof ENVIRONMENT_VARIABLES, string> = {
      DATABASE_URL: "postgresql://h/d",
      KINDRED_DATA: "/data",
      KINDRED_COORDINATOR_KEY: "00",
      KINDRED_STORAGE_KEY: "11",
      KINDRED_STORAGE_KEY_PREVIOUS: "22",
      KINDRED_STORAGE_KEY_FILE: "/keys/storage.key",
      KINDRED_HOST: "0.0.0.0",
      KINDRED_PORT: "0",
      KINDRED_CORS_ORIGINS: "https://app.example, http://localhost:3000,",
      KINDRED_LOG_LEVEL: "silent",
      KINDRED_OPERATORS: `ada:operator:${"a".repeat(64)},\n bob:viewer:${"b".repeat(64)}`,
      KINDRED_ACCOUNT_KEYS: "/keys/accounts.json",
      KINDRED_ACCOUNT_ISSUER: "https://app.example",
      KINDRED_ACCOUNT_AUDIENCE: "kindred",
    };
    expect(readEnvironment(values)).toEqual({
      directory: resolve("/data"),
      databaseUrl: "postgresql://h/d",
      keySeed: "00",
      storageKey: "11",
      previousStorageKey: "22",
      storageKeyFile: "/keys/storage.key",
      host: "0.0.0.0",
      port: 0,
      corsOrigins: ["https://app.example", "http://localhost:3000"],
      logLevel: "silent",
      operators: [
        { name: "ada", role: "operator", tokenHash: "a".repeat(64) },
        { name: "bob", role: "viewer", tokenHash: "b".repeat(64) },
      ],
      accounts: { keys: "/keys/accounts.json", issuer: "https://app.example", audience: "kindred" },
    });
    expect(readEnvironment({ KINDRED_CORS_ORIGINS: "*" }).corsOrigins).toEqual(["*"]);
  });

  it("names what is missing beside an issuer of accounts", () => {
    const only = {
      KINDRED_ACCOUNT_KEYS: "/keys/accounts.json",
      KINDRED_ACCOUNT_ISSUER: "https://app.example",
    };
    expect(() => readEnvironment(only)).toThrow(/KINDRED_ACCOUNT_AUDIENCE must be there/);
  });

  it.each([
    ["KINDRED_PORT", "65536"],
    ["KINDRED_PORT", "8080/tcp"],
    ["KINDRED_PORT", "-1"],
    ["KINDRED_CORS_ORIGINS", "app.example"],
    ["KINDRED_CORS_ORIGINS", "https://app.example/path"],
    ["KINDRED_CORS_ORIGINS", "https://a.example,https://b.example/"],
    ["KINDRED_OPERATORS", "ada"],
    ["KINDRED_OPERATORS", `ada:king:${"a".repeat(64)}`],
    ["KINDRED_OPERATORS", `a b:operator:${"a".repeat(64)}`],
    ["KINDRED_OPERATORS", `ada:operator:${"a".repeat(64)},ada:viewer:${"b".repeat(64)}`],
    ["KINDRED_OPERATORS", `ada:operator:${"a".repeat(64)},bob:viewer:${"a".repeat(64)}`],
    ["KINDRED_LOG_LEVEL", "loud"],
  ])("refuses %s=%s by name", (name, value) => {
    let error: unknown;
    try {
      readEnvironment({ [name]: value });
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(KindredError);
    expect((error as KindredError).rejection).toMatchObject({ code: "option-invalid", field: name });
  });
});
