/** What clients see of an operator who goes back to an earlier model. */
import { decodeModel } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { createWorld } from "./world.ts";

describe("a roll-back", () => {
  it("takes the adaptive clip norm back with the model: clients clip by it again, and it moves from there", async () => {
    const adaptive = { learningRate: 1, weight: 1 };
    const plan = { privacy: { blocks: { model: { clip: 0.001, adaptive } } } };
    const world = await createWorld({ people: 5, plan });
    const { coordinator, clock, people } = world;
    const to = coordinator.state.modelHash;
    await world.begin();
    await clock.until(() => coordinator.state.round === 2, "the second round");
    const from = coordinator.state.modelHash;
    const givenUp = decodeModel(coordinator.blobs.get(from)!, from);
    // Everybody's update is longer than the clip norm, which grew.
    expect(givenUp.ok && givenUp.value.clip).toBeCloseTo(0.001 * Math.exp(0.5), 5);
    const rejection = await coordinator.submit({
      type: "roll-back",
      to,
      from,
      reason: "worse",
      operator: "ada",
    });
    expect(rejection).toBeUndefined();
    await clock.until(() => coordinator.phase === "finished", "the last round");
    const [before, after] = coordinator.releases;
    expect(coordinator.releases).toHaveLength(2);
    expect(after!.model).toMatchObject({ round: 3, parent: to });
    expect(after!.clipping!.norm).toBe(0.001);
    // Decoded with the norm that the clients clipped by: nobody's update is within it, as in the first round.
    expect(after!.clipping!.fraction).toBeCloseTo(before!.clipping!.fraction, 2);
    expect(after!.clipping!.next).toBeCloseTo(0.001 * Math.exp(0.5), 5);
    expect(after!.model.clip).toBe(after!.clipping!.next);
    const kinds = coordinator.ledger.map(({ body }) => body.kind);
    expect(kinds).toContain("model-rolled-back");
    for (const { events } of people) expect(events.map(({ type }) => type)).not.toContain("refused");
  });
});
