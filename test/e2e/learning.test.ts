import { afterEach, expect, it } from "vitest";
import { createEncoderRuntime, type TensorEncoderRuntime } from "../../packages/client/src/index.ts";
import { syntheticPopulation } from "../../packages/simulator/src/index.ts";
import { cleanUp, onCleanUp, openDevice, planDocument, startWorld } from "./harness.ts";

afterEach(cleanUp);

it("trains the real encoder on devices: the loss falls from round to round, and what is recommended changes", async () => {
  const people = 8;
  const rounds = 4;
  const population = syntheticPopulation({ users: people, items: 48, groups: 2, seed: 5, eventsPerUser: 16 });
  const world = await startWorld();
  await world.coordinator.createTask({
    plan: planDocument({
      rounds,
      encoder: {
        layers: 1,
        dimension: 8,
        heads: 2,
        feedForward: 16,
        sequenceLength: 12,
        itemDeltaRank: 4,
        dropout: 0,
        textBuckets: 256,
      },
      training: { learningRate: 0.3, epochs: 1, maxSteps: 1 },
      server: { optimiser: "fedadam", learningRate: 0.03, shrinkage: "none" },
      privacy: { blocks: { model: { clip: 10 } } },
      cohort: { minimum: people, target: people, maximum: people, minSurvivors: people - 2 },
      clustering: { clusters: 2 },
      // A machine with other things to do trains slowly; nobody waits for these unless a device is gone.
      deadlines: {
        selecting: 120_000,
        training: 120_000,
        enrolling: 60_000,
        sharing: 60_000,
        masking: 60_000,
      },
    }),
    catalogue: {
      schema: "kindred.catalogue/1",
      items: population.items.map(({ id, title, tags }) => ({ id, title, tags: [...tags] })),
    },
  });
  let runtime: Promise<TensorEncoderRuntime> | undefined;
  onCleanUp(async () => (await runtime)?.dispose());
  const devices = await Promise.all(
    population.users.map(async ({ interactions }, i) => {
      const device = await openDevice(i, {
        url: world.url,
        interactions: interactions.map(({ rating: _, ...interaction }) => interaction),
        encoder: (task) => {
          runtime ??= createEncoderRuntime(task);
          return runtime;
        },
      });
      world.devices.push(device);
      return device;
    }),
  );
  const [first] = devices;
  await Promise.all(devices.map(({ client }) => client.start()));
  const before = await first!.client.recommend({ count: 5 });
  await world.finished();
  const losses: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const record = await world.round(round);
    expect(record).toMatchObject({ status: "published", survivors: people });
    losses.push(record.loss!);
  }
  // A guess without knowledge costs ln 48 nats.
  expect(losses[0]).toBeLessThan(1.2 * Math.log(48));
  for (let i = 1; i < losses.length; i++) expect(losses[i]).toBeLessThan(losses[i - 1]!);
  await first!.client.refresh();
  const after = await first!.client.recommend({ count: 5 });
  expect(after.map(({ score }) => score)).not.toEqual(before.map(({ score }) => score));
}, 180_000);
