/** What one person of a simulation sees on their own device: the SDK with the last model, offline. */
import { createClient, createEncoderRuntime, memoryStore } from "@kindred/client";
import { nodeDefaults } from "@kindred/client/node";
import type { Backend } from "@kindred/encoder";
import {
  canonicalJson,
  encodeModel,
  type Model,
  modelHash,
  type SignedPlan,
  utf8ToBytes,
} from "@kindred/protocol";
import { itemIndex, ratingScale } from "@kindred/simulator";
import type { PersonResult } from "../report/simulation-result.ts";
import type { Scenario } from "./scenario.ts";

/** The person with the most interactions, so that there is something to see; the first of equals. */
export async function onePerson({
  scenario,
  signed,
  model,
  backend,
}: {
  readonly scenario: Scenario;
  readonly signed: SignedPlan;
  readonly model: Model;
  readonly backend: Backend;
}): Promise<PersonResult> {
  const { catalogue, split } = scenario;
  const { users } = split.train;
  const person = users.reduce((a, b) => (b.interactions.length > a.interactions.length ? b : a));
  const file = encodeModel(model);
  const hash = modelHash(file);
  const encoder = await createEncoderRuntime({ plan: signed.plan, catalogue, backend });
  try {
    const client = await createClient({
      ...nodeDefaults(),
      url: "https://simulation.invalid",
      task: signed.plan.task,
      store: memoryStore(),
      encoder,
      floors: { maximumEpsilon: Number.POSITIVE_INFINITY, minimumSurvivors: 2 },
      source: {
        material: async () => ({
          signed,
          catalogue,
          index: itemIndex(catalogue),
          files: {
            plan: utf8ToBytes(JSON.stringify(signed)),
            catalogue: utf8ToBytes(canonicalJson(catalogue)),
          },
          downloaded: 0,
        }),
        progress: async () => ({ status: "finished", modelHash: hash, round: model.round }),
        model: async () => ({ hash, model, file }),
      },
    });
    const scale = ratingScale(split.train);
    for (const { rating, ...interaction } of person.interactions)
      await client.record({ ...interaction, ...(rating === undefined ? {} : { rating: rating / scale }) });
    await client.start();
    const { layers, latent } = await client.interests();
    const { drift, changes, next } = await client.evolution();
    return {
      interactions: person.interactions.length,
      layers: layers.map((layer) =>
        layer.map(({ tags, membership, longTerm }) => ({ tags: [...tags], membership, longTerm })),
      ),
      latent: latent.map(({ tags, expected, usual }) => ({ tags: [...tags], expected, usual })),
      drift,
      changes: changes.map(({ interaction, shift }) => ({ interaction, shift })),
      next: next.map(({ tags, share }) => ({ tags: [...tags], share })),
      portrait: {
        en: (await client.portrait({ language: "en" })).text,
        zh: (await client.portrait({ language: "zh" })).text,
      },
    };
  } finally {
    await encoder.dispose();
  }
}
