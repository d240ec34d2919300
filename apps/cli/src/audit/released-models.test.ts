import { parsePlanInput } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { attackReleased } from "./released-models.ts";

/** A promise so strict that a handful of people can contradict it. */
const privacy = { ...parsePlanInput({ task: "t" }).privacy, epsilon: 0.5 };

const attack = (deviationShare: number, expired = () => false) =>
  attackReleased({
    privacy,
    deviationShare,
    shadows: 16,
    people: 48,
    alpha: 0.05,
    seed: "1",
    expired,
    progress: () => undefined,
  });

const areas = (report: Awaited<ReturnType<typeof attack>>) =>
  new Map(report!.attacks.map(({ attack: name, area }) => [name, area]));

describe("membership inference on released encoder and centroids", () => {
  it("finds members and contradicts the promise when the noise is off, and does neither when it is on", async () => {
    const off = await attack(0);
    const on = await attack(1);
    expect(off).toMatchObject({ contradicted: true, promised: 0.5, shadows: 16, timeUp: false });
    expect(off!.lowerBound).toBeGreaterThan(0.5);
    expect(on).toMatchObject({ contradicted: false, lowerBound: 0 });
    for (const name of ["LiRA on loss", "LiRA on updates"] as const) {
      expect(areas(off).get(name)!).toBeGreaterThan(0.85);
      expect(areas(on).get(name)!).toBeLessThan(0.6);
    }
    expect(areas(off).get("LiRA on centroids")!).toBeGreaterThan(0.55);
    expect(areas(on).get("LiRA on centroids")!).toBeLessThan(0.55);
  });

  it("is the same for the same seed", async () => {
    const few = () => {
      let models = 0;
      return attack(0.5, () => models++ === 8);
    };
    const [first, second] = [await few(), await few()];
    expect(first).toMatchObject({ shadows: 8, timeUp: true });
    expect(first).toEqual(second);
  });

  it("says nothing where time was up before there was anything to say", async () => {
    expect(await attack(1, () => true)).toBeNull();
  });
});
