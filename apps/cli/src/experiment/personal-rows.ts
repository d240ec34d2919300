/** The federated row with what each person's device fits for itself and never sends. */
import { seededRandom } from "@kindred/encoder";
import { type PersonalOptions, parsePlanInput } from "@kindred/protocol";
import { newEncoder, rankByEncoder } from "./encoder-scorer.ts";
import { type ExperimentData, measured, NOTHING_MORE } from "./experiment-data.ts";
import { federatedPlan, federatedSettings } from "./federated-rows.ts";
import type { ExperimentOptions } from "./options.ts";
import type { ExperimentRow } from "./rows.ts";

/** The rows, in the order of the table. */
export function personalRows(options: ExperimentOptions): ExperimentRow[] {
  const personal = parsePlanInput({ task: "experiment", personal: {} }).personal!;
  const settings = federatedSettings(options);
  return [
    {
      id: "federated-personal",
      name: "federated + personal parameters",
      seeded: true,
      settings: { ...settings, personal },
      needs: "federated",
      against: "federated",
      run: async ({ data, seed, progress, trained }) => {
        const encoder = newEncoder(federatedPlan({ ...settings, seed }), data);
        try {
          encoder.setWeights(trained!);
          const { people, helped } = await fitEverybody(encoder, { data, seed, personal, progress });
          return {
            ...measured(rankByEncoder(encoder, { split: data.split, tested: people }), data),
            ...NOTHING_MORE,
            settings: `the weights of the row without noise; ${helped} of ${people.length} people have parameters of their own`,
          };
        } finally {
          encoder.dispose();
        }
      },
    },
  ];
}

/** The tested people with parameters that were fitted to what they did before the tested interaction. */
async function fitEverybody(
  encoder: ReturnType<typeof newEncoder>,
  {
    data,
    seed,
    personal: options,
    progress,
  }: {
    readonly data: ExperimentData;
    readonly seed: number;
    readonly personal: PersonalOptions;
    readonly progress: (share: number) => Promise<void>;
  },
) {
  const people = [];
  let helped = 0;
  for (const [done, user] of data.tested.entries()) {
    const { sequence } = user;
    const random = seededRandom(seed);
    const personal =
      sequence.items.length >= 2 ? encoder.fitPersonal({ sequence, options, random }).parameters : undefined;
    if (personal !== undefined) helped++;
    people.push({ ...user, personal });
    if (done % 20 === 0) await progress(done / (data.tested.length + 1));
  }
  return { people, helped };
}
