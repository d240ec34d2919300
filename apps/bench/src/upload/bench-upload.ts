/** `pnpm bench upload`: the masked vector that a member sends in a round, by plan. Nothing is timed. */
import { writeFile } from "node:fs/promises";
import { encoderLayout, trainableLayout } from "@kindred/encoder/layout";
import { planMechanism, resolvePlan } from "@kindred/engine";
import { modulusCost } from "@kindred/privacy";
import { KindredError, packedLength, parsePlanInput } from "@kindred/protocol";

/** What commander hands over. */
export interface UploadFlags {
  readonly items: string;
  readonly json?: string;
}

/** One plan's vector. */
export interface Upload {
  readonly plan: string;
  /** Trainable weights. */
  readonly weights: number;
  /** Entries of the masked vector. */
  readonly entries: number;
  readonly bits: number;
  /** Bytes up, per member and round, without keys, shares and signatures. */
  readonly bytes: number;
  /** Share by which rounding makes the noise larger; without noise that of one entry (`modulusCost`). */
  readonly rounding: number;
}

/** Most bytes up in a round: of the encoder's, and of one that is about clusters. */
export const UPLOAD_TARGETS = { encoder: 120_000, clusters: 34_000 };

const LARGE_COHORT = { minimum: 800, target: 1000, maximum: 1200, minSurvivors: 700 };

/** What each plan says besides its defaults. */
const PLANS: Readonly<Record<string, object>> = {
  "default encoder": {},
  "one layer": { encoder: { layers: 1 } },
  "one layer, cohort to 1,200": { encoder: { layers: 1 }, cohort: LARGE_COHORT },
  GRU: { encoder: { architecture: "gru" } },
  "GRU, one layer": { encoder: { architecture: "gru", layers: 1 } },
  adapters: { training: { trainable: "adapters" } },
  "adapters, cohort to 1,200": { training: { trainable: "adapters" }, cohort: LARGE_COHORT },
  "adapters, no item delta": { training: { trainable: "adapters" }, encoder: { itemDeltaRank: 0 } },
  head: { training: { trainable: "head" } },
  "head, 256 clusters": { training: { trainable: "head" }, clustering: { clusters: 256 } },
  "default, cohort to 1,200": { cohort: LARGE_COHORT },
  "default, without noise": { privacy: { mechanism: "none" } },
  "default, 20 bits": { privacy: { modulusBits: 20 } },
};

const UNRESOLVED = "0".repeat(64);

/** Resolves each plan for a catalogue of so many items. */
function measureUploads(itemCount: number): Upload[] {
  return Object.entries(PLANS).map(([plan, changes]) => {
    const input = parsePlanInput({ task: "upload", ...changes });
    const layout = encoderLayout(input.encoder, itemCount, input.training);
    const weights = trainableLayout(layout, input.training).length;
    const context = { coordinatorKey: UNRESOLVED, catalogueHash: UNRESOLVED, itemCount };
    const { resolved, cohort } = resolvePlan(input, { ...context, modelLength: weights });
    const { paddedLength: entries, modulusBits: bits } = resolved.mechanism;
    const { rounding } = modulusCost(planMechanism(resolved.mechanism), cohort.maximum);
    return { plan, weights, entries, bits, bytes: packedLength(entries, bits), rounding };
  });
}

/**
 * Measures and prints.
 * @throws KindredError `option-invalid` for a number of items out of range
 */
export async function benchUpload(flags: UploadFlags, out: NodeJS.WritableStream): Promise<Upload[]> {
  const items = Number(flags.items);
  if (!(Number.isInteger(items) && items >= 256 && items <= 1_000_000))
    throw new KindredError({
      code: "option-invalid",
      field: "--items",
      rule: `must be a whole number from 256 to 1000000, found "${flags.items}"`,
      fix: "pass --items 2414",
    });
  const uploads = measureUploads(items);
  const line = (name: string, cells: readonly string[]) =>
    `${name.padEnd(28)}${cells.map((cell) => cell.padStart(10)).join("")}\n`;
  out.write(`masked vector of a member in a round, ${items} items\n\n`);
  out.write(line("plan", ["weights", "entries", "bits", "kB up", "rounding"]));
  for (const { plan, weights, entries, bits, bytes, rounding } of uploads)
    out.write(
      line(plan, [
        `${weights}`,
        `${entries}`,
        `${bits}`,
        (bytes / 1000).toFixed(1),
        `${(100 * rounding).toFixed(2)} %`,
      ]),
    );
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(uploads, null, 2)}\n`);
  return uploads;
}
