import { describe, expect, it } from "vitest";
import { createWorld } from "../test/world.ts";

const rated = { training: { ratings: {} } };

describe("the rating of an item", () => {
  it("is what everybody's ratings say of it, and follows the person's own", async () => {
    const world = await createWorld({ people: 0, plan: rated });
    const { client } = await world.add();
    await client.start();
    const before = await client.rate("item-4");
    expect(before).toMatchObject({ item: { id: "item-4" }, rating: expect.closeTo(0.7, 6), own: 0 });
    // The stub's item 0 points the way of item 4, item 1 across.
    for (let time = 1; time <= 6; time++)
      await client.record({ item: "item-0", action: "rate", rating: 0.1, time });
    await client.record({ item: "item-2", action: "view" });
    const after = await client.rate("item-4");
    expect(after.own).toBe(6);
    expect(after.rating).toBeLessThan(before.rating - 0.2);
    const across = await client.rate("item-1");
    expect(across.rating).toBeGreaterThan(after.rating);
    expect(across.rating).toBeLessThan(before.rating);
  });

  it("is refused with a reason where the model's weights overflow", async () => {
    const world = await createWorld({ people: 0, plan: rated });
    const { client, encoder } = await world.add();
    await client.start();
    const { itemVectors } = encoder;
    encoder.itemVectors = async (model) => (await itemVectors(model)).fill(Number.POSITIVE_INFINITY, 0, 1);
    await expect(client.rate("item-4")).rejects.toMatchObject({
      rejection: { code: "model-invalid", field: "model.weights" },
    });
  });

  it("is refused for unknown items, and where the plan has no rating head", async () => {
    const world = await createWorld({ people: 0, plan: rated });
    const { client } = await world.add();
    await expect(client.rate("item-0")).rejects.toMatchObject({ rejection: { field: "client" } });
    await client.start();
    await expect(client.rate("nowhere")).rejects.toMatchObject({ rejection: { field: "item" } });
    const plain = await createWorld({ people: 1 });
    await plain.people[0]!.client.start();
    await expect(plain.people[0]!.client.rate("item-0")).rejects.toMatchObject({
      rejection: { code: "option-invalid", field: "plan.training.ratings" },
    });
  });
});
