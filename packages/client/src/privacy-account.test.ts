import type { ParticipationEntry, RoundOutcome } from "@kindred/engine";
import { planEpsilon } from "@kindred/engine";
import { describe, expect, it } from "vitest";
import { createWorld } from "../test/world.ts";
import { privacyAccount } from "./privacy-account.ts";

const entry = (round: number, changes: Partial<ParticipationEntry> = {}): ParticipationEntry => ({
  task: "films",
  planDigest: "ab".repeat(32),
  round,
  time: round,
  epsilon: round,
  observer: round,
  delta: 1e-6,
  modelHash: "cd".repeat(32),
  limits: { epsilon: 8, participations: 4, minimumSeparation: 3 },
  ...changes,
});
const told = (round: number, outcome: "published" | "failed"): RoundOutcome => ({
  task: "films",
  round,
  time: 0,
  outcome,
  modelHash: outcome === "published" ? "ef".repeat(32) : null,
});

describe("the account of a person", () => {
  it("is that of a noisy task: each round with plan, models, outcome and both ε, and what remains", async () => {
    const world = await createWorld({
      people: 5,
      plan: {
        rounds: 3,
        participation: { maximum: 3, minimumSeparation: 1 },
        privacy: { mechanism: "distributed-discrete-gaussian", epsilon: 8 },
      },
    });
    await world.begin();
    const { coordinator, people } = world;
    const { client, store } = people[0]!;
    const account = (): ReturnType<typeof client.privacy> => client.privacy();
    await world.clock.until(
      () => account().rounds.filter(({ outcome }) => outcome === "published").length === 2,
      "two rounds",
    );
    const { rounds, spent } = client.privacy();
    const { plan } = coordinator;
    const after = [1, 2].map((count) => planEpsilon(plan, count));
    const released = coordinator.ledger.flatMap(({ body }) => (body.kind === "round-released" ? [body] : []));
    expect(rounds).toEqual(
      released.map(({ round, modelHash, parentModelHash }, i) => ({
        task: "films",
        round,
        time: expect.any(Number),
        planDigest: coordinator.config.planDigest,
        modelHash: parentModelHash,
        outcome: "published",
        released: modelHash,
        epsilon: { coordinator: after[i], observer: after[i] },
        delta: 1e-6,
      })),
    );
    expect(rounds).toHaveLength(2);
    expect(spent).toEqual([
      {
        task: "films",
        epsilon: after[1],
        observerEpsilon: after[1],
        delta: 1e-6,
        participations: 2,
        remaining: { participations: 1, epsilon: 8 - after[1]!, nextRound: 3 },
      },
    ]);
    // Another client on the same store, before it has loaded anything, says the same.
    await client.stop();
    const again = await world.add({ store });
    expect(again.client.privacy()).toEqual(client.privacy());
  });

  it("counts a failed round against the coordinator, not against those who see models", () => {
    const account = privacyAccount([entry(1), entry(5), entry(9)], [told(1, "published"), told(5, "failed")]);
    expect(account.rounds.map(({ outcome, epsilon }) => [outcome, epsilon])).toEqual([
      ["published", { coordinator: 1, observer: 1 }],
      ["failed", { coordinator: 5, observer: 1 }],
      ["unknown", { coordinator: 9, observer: 9 }],
    ]);
    const first = privacyAccount([entry(1)], [told(1, "failed")]);
    expect(first.rounds[0]!.epsilon).toEqual({ coordinator: 1, observer: 0 });
    expect(first.spent[0]).toMatchObject({ epsilon: 1, observerEpsilon: 0 });
  });

  it("never takes back that a round was published, whatever is said later", () => {
    for (const outcomes of [
      [told(1, "published"), told(1, "failed")],
      [told(1, "failed"), told(1, "published")],
    ])
      expect(privacyAccount([entry(1)], outcomes).rounds[0]).toMatchObject({
        outcome: "published",
        epsilon: { observer: 1 },
      });
  });

  it("keeps tasks apart, says when nothing is left, and what may come next", () => {
    const books = { task: "books", limits: { epsilon: null, participations: 1, minimumSeparation: 1 } };
    const { spent } = privacyAccount(
      [entry(2), entry(1, { ...books, epsilon: null, observer: null }), entry(6)],
      [],
    );
    expect(spent).toEqual([
      expect.objectContaining({
        task: "films",
        participations: 2,
        remaining: { participations: 2, epsilon: 2, nextRound: 9 },
      }),
      expect.objectContaining({
        task: "books",
        epsilon: null,
        remaining: { participations: 0, epsilon: null, nextRound: undefined },
      }),
    ]);
  });

  it("says what it does not know of records of an older version", () => {
    const { observer, modelHash, limits, ...old } = entry(1);
    expect([observer, modelHash, limits]).toBeDefined();
    const account = privacyAccount([old], []);
    expect(account.rounds[0]).toMatchObject({
      modelHash: undefined,
      epsilon: { coordinator: 1, observer: undefined },
    });
    expect(account.spent[0]).toMatchObject({ epsilon: 1, participations: 1, remaining: undefined });
  });
});

describe("the device's own limits", () => {
  it("keep it out of rounds too soon, whatever the coordinator asks", async () => {
    const world = await createWorld({
      people: 5,
      plan: { rounds: 4, participation: { maximum: 2, minimumSeparation: 3 } },
    });
    const { coordinator } = world;
    // A coordinator that forgets who took part.
    coordinator.delay = async () => coordinator.state.participations.clear();
    await world.begin();
    await world.clock.until(
      () => world.people.every(({ events }) => events.some(({ type }) => type === "refused")),
      "everybody refuses round 2",
    );
    for (const { client, events } of world.people) {
      expect(events.find(({ type }) => type === "refused")).toMatchObject({
        rejection: { code: "participation-cap", fix: "come back in round 4" },
      });
      expect(client.privacy().rounds.map(({ round }) => round)).toEqual([1]);
      expect(client.privacy().spent[0]!.remaining).toMatchObject({ participations: 1, nextRound: 4 });
    }
  });
});
