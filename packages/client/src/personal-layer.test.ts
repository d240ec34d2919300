import { describe, expect, it } from "vitest";
import { createWorld, type World } from "../test/world.ts";
import { PersonalLayer } from "./personal-layer.ts";
import { memoryStore } from "./store.ts";

const DIGEST = "d".repeat(64);
const parameters = { dimension: 2, affine: true, rank: 0, values: Float32Array.of(1, 0, 0.5, 0) };

describe("the personal layer", () => {
  it("keeps parameters for the plan they fit, and none for another", async () => {
    const store = memoryStore();
    await new PersonalLayer(store).keep(parameters, DIGEST);
    const load = async (digest: string, dimension = 2) => {
      const layer = new PersonalLayer(store);
      await layer.load({ digest, dimension });
      return [...layer.apply(Float32Array.of(1, 1))];
    };
    expect(await load(DIGEST)).toEqual([2.5, 1]);
    expect(await load("e".repeat(64))).toEqual([1, 1]);
    expect(await load(DIGEST, 1)).toEqual([1, 1]);
  });

  it("has none where what is kept cannot be read, or there was no use in any", async () => {
    const store = memoryStore();
    const layer = new PersonalLayer(store);
    const damaged = [
      Uint8Array.of(1, 2, 3),
      new TextEncoder().encode("null"),
      new TextEncoder().encode(
        JSON.stringify({ schema: "kindred.personal/1", plan: DIGEST, parameters: { dimension: 2 } }),
      ),
    ];
    for (const file of damaged) {
      await store.writeCached("personal", file);
      await layer.load({ digest: DIGEST, dimension: 2 });
      expect([...layer.apply(Float32Array.of(3, 4))]).toEqual([3, 4]);
    }
    await layer.keep(parameters, DIGEST);
    await layer.keep(undefined, DIGEST);
    await layer.load({ digest: DIGEST, dimension: 2 });
    expect([...layer.apply(Float32Array.of(3, 4))]).toEqual([3, 4]);
  });
});

/** Two rounds of five people. @param prepare is given the world before anybody starts */
async function twoRounds(
  personal: object | undefined,
  prepare: (world: World) => void = () => undefined,
): Promise<World> {
  const world = await createWorld({
    people: 5,
    plan: {
      rounds: 2,
      participation: { maximum: 2 },
      privacy: { blocks: { model: { clip: 10 } } },
      ...(personal && { personal }),
    },
  });
  prepare(world);
  await world.begin();
  await world.reach("finished", 2);
  await world.clock.settle();
  return world;
}

describe("personal parameters", () => {
  it("never enter a contribution: rounds release the same with them as without", async () => {
    const [without, having] = [await twoRounds(undefined), await twoRounds({})];
    for (const { store } of having.people) expect(await store.readCached("personal")).toBeDefined();
    for (const { store } of without.people) expect(await store.readCached("personal")).toBeUndefined();
    const plain = without.coordinator.releases;
    const personal = having.coordinator.releases;
    expect(personal).toHaveLength(2);
    personal.forEach((release, round) => {
      for (const part of ["weights", "centroids"] as const) {
        const differences = release.model[part].map((value, i) =>
          Math.abs(value - plain[round]!.model[part][i]!),
        );
        // The integers of a round are rounded at random; the stub's personal vectors would move centroids by tenths.
        expect(Math.max(...differences)).toBeLessThan(1e-3);
      }
      expect(release.silhouette).toBeCloseTo(plain[round]!.silhouette, 3);
    });
  });

  it("are fitted once to each model, however often it is announced", async () => {
    const fitted: string[] = [];
    const { coordinator } = await twoRounds({}, ({ people }) => {
      const { encoder } = people[0]!;
      const { fitPersonal } = encoder;
      encoder.fitPersonal = (model, fit) => {
        fitted.push(model.hash);
        return fitPersonal(model, fit);
      };
    });
    expect(new Set(fitted).size).toBe(fitted.length);
    expect(fitted).toHaveLength(1 + coordinator.releases.length);
  });

  it("change what the person is shown, on this device, also after a restart", async () => {
    const world = await createWorld({ people: 1, plan: { personal: {} } });
    const [person] = world.people;
    await person!.client.start();
    const order = async (client = person!.client) =>
      (await client.recommend({ count: 3 })).map(({ item }) => item.id);
    expect(await order()).toEqual(["item-4", "item-5", "item-6"]);
    const before = await person!.client.interests();
    expect(await person!.client.personalise()).toEqual({ kept: true, before: 2, after: 1 });
    const after = await person!.client.interests();
    // Recorded: items on axes 0, 1 and 2. The stub doubles the vector and adds a half on axis 0.
    [...after.shortTerm].forEach((value, i) => {
      expect(value).toBeCloseTo(2 * before.shortTerm[i]! + (i === 0 ? 0.5 : 0), 5);
    });
    const again = await world.add({ store: person!.store });
    await again.client.start();
    expect((await again.client.interests()).shortTerm).toEqual(after.shortTerm);
    expect((await again.client.exportData()).personal).toMatchObject({
      schema: "kindred.personal/1",
      parameters: { affine: true, rank: 0 },
    });
    await person!.store.writeCached("personal", new TextEncoder().encode('{"schema": "kind'));
    const damaged = await again.client.exportData();
    expect(damaged).toMatchObject({ personal: null, interactions: [{}, {}, {}] });
    await again.client.forget();
    expect(await person!.store.readCached("personal")).toBeUndefined();
  });

  it("are refused where the plan has none, and not fitted to less than two interactions", async () => {
    const plain = await createWorld({ people: 1 });
    await plain.people[0]!.client.start();
    await expect(plain.people[0]!.client.personalise()).rejects.toMatchObject({
      rejection: { code: "option-invalid", field: "plan.personal" },
    });
    const world = await createWorld({ people: 0, plan: { personal: {} } });
    const { client, store } = await world.add();
    await client.start();
    expect(await client.personalise()).toEqual({ kept: false, before: undefined, after: undefined });
    expect(await store.readCached("personal")).toBeUndefined();
  });
});
