/** `kindred rotate-key`: a new storage key for a coordinator that is stopped. */
import { resolve } from "node:path";
import { readEnvironment, rotateStorageKey } from "@kindred/coordinator";

export interface RotateKeyFlags {
  readonly directory?: string;
  readonly adoptUnsealed?: true;
}

interface Process {
  readonly stdout: { write(text: string): unknown };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/**
 * Seals everything that the coordinator stores under a new key. Settings come from the environment, as those of `up`.
 * @throws KindredError `option-invalid` if the data folder is in use, or a key is missing or wrong
 */
export async function rotateKey(flags: RotateKeyFlags, { stdout, env, now }: Process): Promise<void> {
  const settings = readEnvironment({
    ...env,
    ...(flags.directory === undefined ? {} : { KINDRED_DATA: resolve(flags.directory) }),
  });
  const { keyId, journalEntries, blobs } = await rotateStorageKey({
    ...settings,
    now: now(),
    ...(flags.adoptUnsealed === undefined ? {} : { adoptUnsealed: true }),
  });
  stdout.write(
    `Storage key   ${keyId} from now on\nSealed anew   ${journalEntries} journal entries, ${blobs} spooled blobs\n`,
  );
}
