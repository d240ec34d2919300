/**
 * Tokens by which a partner's backend vouches for the accounts of its users: JWTs (RFC 7519) signed with a key of the
 * backend's JWK set, a file or an `https` address.
 */
import { readFile } from "node:fs/promises";
import { KindredError, type Rejection, type Result } from "@kindred/protocol";
import { createLocalJWKSet, createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from "jose";

/** Who vouches for accounts. */
export interface AccountIssuer {
  /** Path or `https` address of the backend's JWK set (RFC 7517). */
  readonly keys: string;
  /** `iss` of its tokens. */
  readonly issuer: string;
  /** `aud` of its tokens: this coordinator's name. */
  readonly audience: string;
}

/** Signatures that are accepted; all of them need a private key to make. */
const ALGORITHMS = ["EdDSA", "Ed25519", "ES256", "RS256"];

/** What is the token's own fault; all else is a set of keys that cannot be had at the moment. */
const FAULTS = [
  errors.JWTExpired,
  errors.JWTClaimValidationFailed,
  errors.JWTInvalid,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
];

export class AccountTokens {
  readonly #keys: JWTVerifyGetKey;
  readonly #issuer: AccountIssuer;

  private constructor(keys: JWTVerifyGetKey, issuer: AccountIssuer) {
    this.#keys = keys;
    this.#issuer = issuer;
  }

  /** @throws KindredError `option-invalid` for a file that is no JWK set, or an address without TLS */
  static async open(issuer: AccountIssuer): Promise<AccountTokens> {
    return new AccountTokens(await openKeys(issuer.keys), issuer);
  }

  /**
   * @param now milliseconds since the Unix epoch
   * @returns the subject, which names the account; or `not-authenticated`, or `internal` while the keys cannot be had
   */
  async subjectOf(token: string | undefined, now: number): Promise<Result<string>> {
    if (token === undefined)
      return refused("must be there: this coordinator takes part with known accounts only");
    const { issuer, audience } = this.#issuer;
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        algorithms: ALGORITHMS,
        requiredClaims: ["sub", "exp"],
        issuer,
        audience,
        currentDate: new Date(now),
      });
      // The library checks that there is one, not that it is text, as RFC 7519 has it.
      const sub: unknown = payload.sub;
      return typeof sub !== "string" || sub === ""
        ? refused("must name an account in sub")
        : { ok: true, value: sub };
    } catch (error) {
      const fault = FAULTS.find((kind) => error instanceof kind);
      // The code of the library says which check failed; the token itself is not repeated.
      if (fault !== undefined) return refused(`must be a valid token of the app's backend (${fault.code})`);
      return { ok: false, rejection: UNAVAILABLE };
    }
  }
}

const UNAVAILABLE: Rejection = {
  code: "internal",
  field: "hello.account",
  rule: "could not be checked: the keys of the app's backend cannot be had at the moment",
  fix: "try again in a moment",
};

function refused(rule: string): Result<string> {
  const fix = "give the client an account() that asks the app's backend for a fresh token";
  return { ok: false, rejection: { code: "not-authenticated", field: "hello.account", rule, fix } };
}

async function openKeys(keys: string): Promise<JWTVerifyGetKey> {
  const mistake = (rule: string, fix: string): never => {
    throw new KindredError({ code: "option-invalid", field: "KINDRED_ACCOUNT_KEYS", rule, fix });
  };
  if (/^http:/i.test(keys)) mistake("must be an https address or a file", "serve the key set with TLS");
  if (/^https:/i.test(keys)) return createRemoteJWKSet(new URL(keys));
  const text = await readFile(keys, "utf8").catch(() =>
    mistake(`must be a readable file, found "${keys}"`, "check the path"),
  );
  try {
    return createLocalJWKSet(JSON.parse(text) as Parameters<typeof createLocalJWKSet>[0]);
  } catch {
    return mistake("must hold a JWK set", 'write {"keys": [ … ]} with the backend\'s public keys');
  }
}
