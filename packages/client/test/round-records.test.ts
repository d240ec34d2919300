/** What the record of a round says besides its outcome, with the client's own contributions. */
import { describe, expect, it } from "vitest";
import { createWorld } from "./world.ts";

describe("the record of a round that collects a signal", () => {
  it("says what was collected, as the model file has it; the record of one that trains says nothing", async () => {
    const world = await createWorld({ people: 5, plan: { rounds: 2, signals: { popularity: {} } } });
    await world.begin();
    await world.reach("finished", 2);
    const [collected, trained] = world.coordinator.records.filter(({ status }) => status === "published");
    const popularity = world.coordinator.releases[0]!.model.signals!.popularity!;
    expect(collected!.signal).toEqual({
      signal: "popularity",
      kept: popularity.entries.length,
      entries: world.coordinator.plan.resolved.signals!.popularity![0]!.length,
      deviation: popularity.deviation,
    });
    expect(collected!.signal!.kept).toBeGreaterThan(0);
    expect(collected!.clusters).toBeNull();
    expect(trained).not.toHaveProperty("signal");
    expect(trained!.clusters).not.toBeNull();
  });
});
