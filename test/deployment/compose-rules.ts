/** The part of the Compose file format that Kindred uses, as a JSON schema, and the rules it sets itself on top. */
import { Ajv2020 } from "ajv/dist/2020.js";

/** `test` of a health check: a command with arguments, or one shell line. */
interface HealthCheck {
  readonly test: readonly [string, ...string[]];
}

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { condition: string }>>;
  readonly healthcheck: HealthCheck;
  readonly security_opt: readonly string[];
}

export interface Compose {
  readonly name: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}

const strings = { type: "array", items: { type: "string", minLength: 1 }, minItems: 1 };
const duration = { type: "string", pattern: "^[1-9][0-9]*(ms|s|m|h)$" };
const named = (values: object) => ({
  type: "object",
  propertyNames: { pattern: "^[a-z][a-z0-9_-]*$" },
  additionalProperties: values,
  minProperties: 1,
});

const service = {
  type: "object",
  required: ["image", "healthcheck", "restart", "security_opt"],
  additionalProperties: false,
  properties: {
    image: { type: "string", pattern: "^[a-z0-9./-]+:[0-9]+([.-][a-z0-9.-]+)?$" },
    build: { type: "string", minLength: 1 },
    command: strings,
    init: { type: "boolean" },
    restart: { enum: ["unless-stopped", "always", "on-failure"] },
    environment: {
      type: "object",
      propertyNames: { pattern: "^[A-Z][A-Z0-9_]*$" },
      additionalProperties: { type: "string" },
    },
    ports: strings,
    volumes: strings,
    depends_on: named({
      type: "object",
      required: ["condition"],
      additionalProperties: false,
      properties: { condition: { enum: ["service_started", "service_healthy"] } },
    }),
    healthcheck: {
      type: "object",
      required: ["test", "interval", "timeout", "retries", "start_period"],
      additionalProperties: false,
      properties: {
        test: {
          type: "array",
          minItems: 2,
          items: { type: "string", minLength: 1 },
          prefixItems: [{ enum: ["CMD", "CMD-SHELL"] }],
        },
        interval: duration,
        timeout: duration,
        start_period: duration,
        retries: { type: "integer", minimum: 1 },
      },
    },
    read_only: { type: "boolean" },
    tmpfs: strings,
    cap_drop: strings,
    security_opt: { type: "array", minItems: 1, contains: { const: "no-new-privileges:true" } },
    stop_grace_period: duration,
  },
};

const validate = new Ajv2020({ allErrors: true, strictTypes: false, strictTuples: false }).compile<Compose>({
  type: "object",
  required: ["name", "services", "volumes"],
  additionalProperties: false,
  properties: { name: { type: "string" }, services: named(service), volumes: named({ type: "null" }) },
});

const REQUIRED = /^\$\{[A-Z_]+:\?[^}]+\}$/;
const OPTIONAL_EMPTY = /^\$\{[A-Z_]+:-\}$/;

/** Secrets in the file itself: values of secret variables, and passwords in URLs and commands. */
function literalSecrets(name: string, { environment = {}, command = [], healthcheck }: Service): string[] {
  const found: string[] = [];
  for (const [variable, value] of Object.entries(environment)) {
    const secret = /PASSWORD|SECRET|TOKEN|KEY/.test(variable);
    if (secret && !REQUIRED.test(value) && !OPTIONAL_EMPTY.test(value))
      found.push(`services.${name}.environment.${variable} must come from outside`);
    const password = /:\/\/[^:@/]*:(.*)@/.exec(value)?.[1];
    if (password !== undefined && !REQUIRED.test(password))
      found.push(`services.${name}.environment.${variable} must not hold a password`);
  }
  for (const text of [...command, ...healthcheck.test])
    if (/(requirepass|password|PGPASSWORD=|REDISCLI_AUTH=)[ =]*"?(?!["$= ])\w/i.test(text))
      found.push(`services.${name} must not name a password in a command`);
  return found;
}

/** Everything that is wrong with a Compose document; empty if nothing is. */
export function composeViolations(document: unknown): string[] {
  if (!validate(document))
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  const found: string[] = [];
  for (const [name, definition] of Object.entries(document.services)) {
    found.push(...literalSecrets(name, definition));
    for (const other of Object.keys(definition.depends_on ?? {}))
      if (!(other in document.services)) found.push(`services.${name}.depends_on.${other} does not exist`);
    for (const volume of definition.volumes ?? []) {
      const source = volume.split(":")[0]!;
      if (!(source in document.volumes)) found.push(`services.${name}.volumes.${source} is not declared`);
    }
  }
  return found;
}

/** Replaces `${NAME}`, `${NAME:-default}` and `${NAME:?message}` in a text as Compose does; `$$` is a dollar sign. */
export function interpolate(text: string, environment: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$\$|\$\{([A-Z_]+)(?::([-?])([^}]*))?\}/g,
    (match, name: string, kind?: string, rest?: string) => {
      if (match === "$$") return "$";
      const value = environment[name] ?? "";
      if (value !== "" || kind === undefined) return value;
      if (kind === "?") throw new Error(`${name}: ${rest}`);
      return rest ?? "";
    },
  );
}
