/** The coordinator's settings in environment variables; `docs/deployment.md` describes each. */
import { resolve } from "node:path";
import { KindredError } from "@kindred/protocol";
import type { AccountIssuer } from "./runtime/account-tokens.ts";
import { type OperatorIdentity, parseOperators } from "./runtime/operators.ts";
import type { StorageKeyOptions } from "./store/storage-key.ts";

/** Every variable that is read, with what holds when it is absent. */
export const ENVIRONMENT_VARIABLES = {
  DATABASE_URL: "an embedded database in the data folder",
  KINDRED_DATA: ".kindred/coordinator",
  KINDRED_COORDINATOR_KEY: "a key file in the data folder",
  KINDRED_STORAGE_KEY: "the key file",
  KINDRED_STORAGE_KEY_PREVIOUS: "none",
  KINDRED_STORAGE_KEY_FILE: "storage.key in the data folder",
  KINDRED_HOST: "127.0.0.1",
  KINDRED_PORT: "8080",
  KINDRED_CORS_ORIGINS: "none",
  KINDRED_LOG_LEVEL: "info",
  KINDRED_OPERATORS: "nobody",
  KINDRED_ACCOUNT_KEYS: "none",
  KINDRED_ACCOUNT_ISSUER: "none",
  KINDRED_ACCOUNT_AUDIENCE: "none",
} as const;

/** How the storage key is given, by variable. */
const STORAGE_KEY = {
  KINDRED_STORAGE_KEY: "storageKey",
  KINDRED_STORAGE_KEY_PREVIOUS: "previousStorageKey",
  KINDRED_STORAGE_KEY_FILE: "storageKeyFile",
} as const satisfies Partial<Record<keyof typeof ENVIRONMENT_VARIABLES, keyof StorageKeyOptions>>;

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

export interface CoordinatorEnvironment extends StorageKeyOptions {
  /** Absolute path of the data folder. */
  readonly directory: string;
  readonly databaseUrl?: string;
  /** Hexadecimal Ed25519 seed. */
  readonly keySeed?: string;
  readonly host: string;
  readonly port: number;
  readonly corsOrigins: readonly string[];
  /** Who may act on the coordinator. */
  readonly operators?: readonly OperatorIdentity[];
  /** Who vouches for people's accounts. */
  readonly accounts?: AccountIssuer;
  readonly logLevel: (typeof LOG_LEVELS)[number];
}

function mistake(
  field: keyof typeof ENVIRONMENT_VARIABLES,
  details: { rule: string; fix: string },
): KindredError {
  return new KindredError({ code: "option-invalid", field, ...details });
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw mistake("KINDRED_PORT", {
    rule: `must be a port from 0 to 65535, found "${text}"`,
    fix: "use a number such as 8080, or 0 for any free port",
  });
}

function parseOrigins(text: string): string[] {
  const origins = text
    .split(",")
    .map((origin) => origin.trim())
    .filter((origin) => origin !== "");
  for (const origin of origins)
    if (origin !== "*" && !(URL.canParse(origin) && new URL(origin).origin === origin))
      throw mistake("KINDRED_CORS_ORIGINS", {
        rule: `must hold origins separated by commas, found "${origin}"`,
        fix: "write scheme, host and port only, such as https://app.example, or * for any origin",
      });
  return origins;
}

function parseLogLevel(text: string): CoordinatorEnvironment["logLevel"] {
  const level = LOG_LEVELS.find((known) => known === text);
  if (level !== undefined) return level;
  throw mistake("KINDRED_LOG_LEVEL", {
    rule: `must be one of ${LOG_LEVELS.join(", ")}, found "${text}"`,
    fix: "use info",
  });
}

/** All three variables, or none of them. */
function readAccounts(
  read: (name: keyof typeof ENVIRONMENT_VARIABLES) => string | undefined,
): AccountIssuer | undefined {
  const names = ["KINDRED_ACCOUNT_KEYS", "KINDRED_ACCOUNT_ISSUER", "KINDRED_ACCOUNT_AUDIENCE"] as const;
  const [keys, issuer, audience] = names.map(read);
  if (keys !== undefined && issuer !== undefined && audience !== undefined) return { keys, issuer, audience };
  const given = names.find((name) => read(name) !== undefined);
  if (given === undefined) return undefined;
  throw mistake(names.find((name) => read(name) === undefined)!, {
    rule: `must be there beside ${given}`,
    fix: "give the backend's key set, the issuer and the audience of its tokens, or none of them",
  });
}

/**
 * Reads the settings. An empty variable counts as absent, as Compose passes one on that is not set.
 * @throws KindredError `option-invalid` naming the variable; secrets are never repeated
 */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): CoordinatorEnvironment {
  const read = (name: keyof typeof ENVIRONMENT_VARIABLES) => environment[name] || undefined;
  const databaseUrl = read("DATABASE_URL");
  const keySeed = read("KINDRED_COORDINATOR_KEY");
  const accounts = readAccounts(read);
  const operators = read("KINDRED_OPERATORS");
  return {
    directory: resolve(read("KINDRED_DATA") ?? ENVIRONMENT_VARIABLES.KINDRED_DATA),
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(keySeed === undefined ? {} : { keySeed }),
    ...(accounts === undefined ? {} : { accounts }),
    ...(operators === undefined ? {} : { operators: parseOperators(operators) }),
    ...Object.fromEntries(
      Object.entries(STORAGE_KEY).flatMap(([variable, option]) => {
        const value = read(variable as keyof typeof STORAGE_KEY);
        return value === undefined ? [] : [[option, value]];
      }),
    ),
    host: read("KINDRED_HOST") ?? ENVIRONMENT_VARIABLES.KINDRED_HOST,
    port: parsePort(read("KINDRED_PORT") ?? ENVIRONMENT_VARIABLES.KINDRED_PORT),
    corsOrigins: parseOrigins(read("KINDRED_CORS_ORIGINS") ?? ""),
    logLevel: parseLogLevel(read("KINDRED_LOG_LEVEL") ?? ENVIRONMENT_VARIABLES.KINDRED_LOG_LEVEL),
  };
}
