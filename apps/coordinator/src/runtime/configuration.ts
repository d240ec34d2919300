/** Settings of a coordinator that concern those who rely on it; a change of one stands in the ledger before it holds. */
import { canonicalJson } from "@kindred/protocol";
import type { CoordinatorKey } from "../store/coordinator-key.ts";
import type { Stores } from "../store/stores.ts";
import { appendToLedger } from "./commit.ts";

/** By name; `null` = not set. Everything here becomes public. */
export type Configuration = Readonly<Record<string, string | null>>;

const SETTING = "configuration";

/**
 * Compares the configuration with that of the last start, and appends an entry for each setting that differs. The first
 * start has nothing to compare with; what follows from it is in the plans.
 * @returns names of the settings that changed
 */
export async function recordConfiguration(
  stores: Stores,
  configuration: Configuration,
  signing: { key: CoordinatorKey; now: number },
): Promise<string[]> {
  const stored = await stores.settings.get(SETTING);
  const changed: string[] = [];
  if (stored !== undefined) {
    const last = JSON.parse(stored) as Configuration;
    for (const setting of [...new Set([...Object.keys(last), ...Object.keys(configuration)])].sort()) {
      const [before, after] = [last[setting] ?? null, configuration[setting] ?? null];
      if (before === after) continue;
      changed.push(setting);
      const body = { kind: "configuration-changed", setting, before, after, operator: null } as const;
      await appendToLedger(stores, body, signing);
    }
  }
  await stores.settings.set(SETTING, canonicalJson(configuration));
  return changed;
}
