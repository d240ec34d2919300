/**
 * Operators: who may act on a coordinator, told apart by API tokens of which it knows only the hashes. Who holds which role
 * stands in the public ledger before anybody acts.
 */

import type { OperatorRole } from "@kindred/privacy";
import { canonicalJson, KindredError, sha256Hex } from "@kindred/protocol";
import type { CoordinatorKey } from "../store/coordinator-key.ts";
import type { Stores } from "../store/stores.ts";
import { appendToLedger } from "./commit.ts";

/** One operator, auditor or viewer. */
export interface OperatorIdentity {
  /** 1 to 64 letters, digits, dots, hyphens and underscores; public. */
  readonly name: string;
  readonly role: OperatorRole;
  /** Hexadecimal SHA-256 of the API token; public, so tokens have 256 random bits. */
  readonly tokenHash: string;
}

const ROLES: readonly OperatorRole[] = ["operator", "auditor", "viewer"];
const SETTING = "operators";

/** What a token of an operator looks like; anything else is never compared. */
const TOKEN = /^kop_[0-9a-f]{64}$/;

/** A token for `random`, 32 secret bytes. */
export function operatorToken(random: Uint8Array): string {
  return `kop_${Buffer.from(random).toString("hex")}`;
}

/** The digest that a coordinator knows a token by. */
export function tokenHash(token: string): string {
  return sha256Hex(token);
}

/**
 * Reads `name:role:hash` entries, separated by commas or line ends.
 * @throws KindredError `option-invalid` for a malformed entry, a name or a token that is there twice
 */
export function parseOperators(text: string): OperatorIdentity[] {
  const entries = text
    .split(/[,\n]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  const operators = entries.map((entry, i): OperatorIdentity => {
    const [name = "", role = "", hash = "", ...rest] = entry.split(":");
    const known = ROLES.find((each) => each === role);
    if (
      !/^[A-Za-z0-9._-]{1,64}$/.test(name) ||
      known === undefined ||
      !/^[0-9a-f]{64}$/.test(hash) ||
      rest.length > 0
    )
      throw mistake(
        `must hold name:role:hash entries with a role of ${ROLES.join(", ")}, but entry ${i + 1} is none`,
      );
    return { name, role: known, tokenHash: hash };
  });
  for (const field of ["name", "tokenHash"] as const)
    if (new Set(operators.map((operator) => operator[field])).size !== operators.length)
      throw mistake(`must name each ${field === "name" ? "operator" : "token"} once`);
  return operators;
}

function mistake(rule: string): KindredError {
  const fix = "take the line that `kindred operator token NAME --role ROLE` prints";
  return new KindredError({ code: "option-invalid", field: "KINDRED_OPERATORS", rule, fix });
}

/** Knows operators by their tokens. */
export class Operators {
  readonly #byHash: ReadonlyMap<string, OperatorIdentity>;

  constructor(operators: readonly OperatorIdentity[]) {
    this.#byHash = new Map(operators.map((operator) => [operator.tokenHash, operator]));
  }

  /**
   * Who sends an `Authorization` header. Tokens are looked up by their digest, so the time it takes tells nothing of them.
   * @throws KindredError `not-authenticated` for no token, or one that nobody holds
   */
  authenticate(header: string | undefined): OperatorIdentity {
    const token = /^Bearer (\S+)$/i.exec(header ?? "")?.[1];
    const known = token !== undefined && TOKEN.test(token) ? this.#byHash.get(tokenHash(token)) : undefined;
    if (known !== undefined) return known;
    throw new KindredError({
      code: "not-authenticated",
      field: "Authorization",
      rule:
        token === undefined
          ? "must be a bearer token"
          : "must be the token of an operator of this coordinator",
      fix: "put the operator's token into KINDRED_OPERATOR_TOKEN",
    });
  }
}

type Held = Readonly<Record<string, Omit<OperatorIdentity, "name">>>;

/**
 * Compares the operators with those of the last start, and appends an entry for each that is new, changed or gone.
 * @returns names of those that changed
 */
export async function recordOperators(
  stores: Stores,
  operators: readonly OperatorIdentity[],
  signing: { key: CoordinatorKey; now: number },
): Promise<string[]> {
  const last = JSON.parse((await stores.settings.get(SETTING)) ?? "{}") as Held;
  const present: Held = Object.fromEntries(operators.map(({ name, ...rest }) => [name, rest]));
  const changed = [...new Set([...Object.keys(last), ...Object.keys(present)])]
    .sort()
    .filter((name) => canonicalJson(last[name] ?? null) !== canonicalJson(present[name] ?? null));
  for (const operator of changed) {
    const now = present[operator];
    await appendToLedger(
      stores,
      { kind: "operator-changed", operator, role: now?.role ?? null, credentialHash: now?.tokenHash ?? null },
      signing,
    );
  }
  if (changed.length > 0) await stores.settings.set(SETTING, canonicalJson(present));
  return changed;
}
