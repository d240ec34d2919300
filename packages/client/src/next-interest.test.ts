import { describe, expect, it } from "vitest";
import { DIMENSION } from "../test/test-task.ts";
import { createWorld } from "../test/world.ts";

/** A person whose items all lie on one axis, and whose head says that the next one lies on another. */
async function foretold(axis: number) {
  const world = await createWorld({ people: 0, plan: { training: { interests: {} } } });
  const { client, encoder } = await world.add();
  await client.start();
  for (let time = 1; time <= 3; time++)
    await client.record({ item: `item-${DIMENSION * (time % 2)}`, action: "view", time });
  const plain = await client.evolution();
  const listed = await client.recommend({ count: 3 });
  encoder.interestScores = async (model, vector) =>
    (await encoder.scores(model, vector)).map((score, item) => score + (item % DIMENSION === axis ? 50 : 0));
  return { client, plain, listed, byHead: await client.evolution() };
}

describe("the next interest", () => {
  it("is summed up from what the next-interest head says, with its confidence", async () => {
    const { plain, byHead } = await foretold(1);
    expect(plain.next[0]!.share).toBeLessThan(0.9);
    expect(byHead.next[0]!.id).not.toBe(plain.next[0]!.id);
    expect(byHead.next[0]!.share).toBeCloseTo(1, 6);
    expect(byHead.timeline).toEqual(plain.timeline);
    expect(byHead.drift).toBe(plain.drift);
  });

  it("is the same among interests that are not shown yet, and changes no recommendation", async () => {
    const { client, listed, byHead } = await foretold(1);
    const { latent } = await client.interests();
    expect(latent.map(({ id }) => id)).toEqual([byHead.next[0]!.id]);
    expect(latent[0]!.expected).toBeCloseTo(byHead.next[0]!.share, 12);
    expect(await client.recommend({ count: 3 })).toEqual(listed);
  });

  it("is asked of the head with the vector that it was trained on, also where the person has parameters", async () => {
    const world = await createWorld({ people: 1, plan: { training: { interests: {} }, personal: {} } });
    const { client, encoder } = world.people[0]!;
    await client.start();
    const asked: { own: number[]; shared: number[] }[] = [];
    encoder.interestScores = (model, vector, shared) => {
      asked.push({ own: [...vector], shared: [...(shared ?? vector)] });
      return encoder.scores(model, vector);
    };
    await client.interests();
    await client.personalise();
    await client.interests();
    await client.evolution();
    const [before, ...after] = asked;
    expect(before!.own).toEqual(before!.shared);
    expect(after).toHaveLength(2);
    for (const { own, shared } of after) {
      expect(shared).toEqual(before!.shared);
      expect(own).not.toEqual(shared);
    }
  });
});
