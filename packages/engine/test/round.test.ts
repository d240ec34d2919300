import { revealedColumns, revealedShares } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { startTask } from "../src/index.ts";
import { Fleet } from "./fleet.ts";
import { freshHistory, testPlan, zeroContribution } from "./test-task.ts";

/** A well-formed share of something else: the lowest bit of every value is flipped. */
function garbled(share: Uint8Array): Uint8Array {
  return share.map((byte, i) => (i % 4 === 3 ? byte ^ 1 : byte));
}

describe("a task in memory", () => {
  it("publishes every round, and the aggregate is the plain sum of the survivors' vectors", () => {
    const plan = testPlan();
    const contribution = (client: number, round: number) => ({
      ...zeroContribution(plan),
      model: Float64Array.from({ length: 20 }, (_, i) => Math.sin(client + i * round) / 5),
      counts: Float64Array.from({ length: 4 }, (_, i) => (client % 4 === i ? 1 : 0)),
      evaluation: [0.25, -0.5],
    });
    const fleet = new Fleet({ plan, clients: 8, contribution }).run();
    expect(fleet.records().map(({ status }) => status)).toEqual(["published", "published", "published"]);
    for (const { sum, expected, mean, survivors, round } of fleet.released) {
      expect(survivors).toHaveLength(6);
      expect(sum).toEqual(expected);
      expect(sum.some((value) => value !== 0)).toBe(true);
      const members = survivors.map((key) => fleet.devices.findIndex((device) => device.key === key));
      const want =
        members.reduce((total, client) => total + contribution(client, round).model[3]!, 0) / members.length;
      expect(mean.model[3]).toBeCloseTo(want, 2);
      expect(mean.evaluation[0]).toBeCloseTo(0.25, 2);
      expect(mean.evaluation[1]).toBeCloseTo(-0.5, 2);
    }
    expect(fleet.state.phase.name).toBe("finished");
  });

  it.each(["enrol", "roster", "inbox", "survivors", "unmask"] as const)(
    "survives a client that vanishes before it hears %s, with the exact sum of the others",
    (type) => {
      const plan = testPlan({ rounds: 1 });
      const contribution = (client: number) => ({
        ...zeroContribution(plan),
        model: Float64Array.from({ length: 20 }, () => client / 20),
      });
      let victim: number | undefined;
      const fleet = new Fleet({
        plan,
        clients: 8,
        contribution,
        deliver: (client, message) => {
          if (message.type === type) victim ??= client;
          return !(message.type === type && client === victim);
        },
      }).run();
      const [record] = fleet.records();
      const [released] = fleet.released;
      expect(record?.status).toBe("published");
      expect(released?.sum).toEqual(released?.expected);
      const counted = type === "survivors" || type === "unmask";
      expect(record?.survivors).toBe(counted ? 6 : 5);
      expect(record?.cohort).toBe(6);
      expect(record?.dropped).toBe(counted ? 0 : 1);
    },
  );

  it("names a client whose shares are wrong in the record, and releases the exact sum all the same", () => {
    const plan = testPlan({ rounds: 1 });
    let garbler: number | undefined;
    const fleet = new Fleet({
      plan,
      clients: 8,
      alter: (client, message) => {
        if (message.type !== "reveal") return message;
        garbler ??= client;
        if (client !== garbler) return message;
        const shares = revealedShares(message).map(({ share, ...rest }) => ({
          ...rest,
          share: garbled(share),
        }));
        return { ...message, ...revealedColumns(shares) };
      },
    }).run();
    const [record] = fleet.records();
    const [released] = fleet.released;
    expect(record?.status).toBe("published");
    expect(record?.corrupt).toEqual([fleet.devices[garbler!]!.key]);
    expect(released?.sum).toEqual(released?.expected);
  });

  it("waits for a silent client only until the phase's deadline", () => {
    const plan = testPlan({ rounds: 1 });
    let victim: number | undefined;
    const fleet = new Fleet({
      plan,
      clients: 8,
      silent: true,
      deliver: (client, message) => {
        if (message.type === "inbox") victim ??= client;
        return !(message.type === "inbox" && client === victim);
      },
    });
    const start = fleet.now;
    fleet.run();
    expect(fleet.records()[0]).toMatchObject({ status: "published", survivors: 5 });
    expect(fleet.now - start).toBeGreaterThanOrEqual(plan.deadlines.masking);
  });

  it("fails a round with too few survivors cleanly, and the next one is published", () => {
    const plan = testPlan({ rounds: 2 });
    let round = 0;
    const fleet = new Fleet({
      plan,
      clients: 14,
      deliver: (_, message) => {
        if ("round" in message) round = message.round;
        return !(message.type === "inbox" && round === 1);
      },
    }).run();
    const [first, second] = fleet.records();
    expect(first).toMatchObject({ round: 1, status: "failed", survivors: 0 });
    expect(first?.reason).toMatch(/too-few-survivors|cohort-too-small/);
    expect(second).toMatchObject({ round: 2, status: "published", survivors: 6 });
    expect(fleet.outputs).toContainEqual(
      expect.objectContaining({
        type: "ledger",
        body: expect.objectContaining({ kind: "round-failed", round: 1 }),
      }),
    );
  });

  it("fails at the selection deadline when too few devices wait", () => {
    const fleet = new Fleet({ plan: testPlan({ rounds: 1 }), clients: 3 }).run();
    expect(fleet.records()[0]).toMatchObject({ status: "failed", cohort: 0 });
    expect(fleet.records()[0]?.reason).toMatch(/cohort-too-small.*needs 4 devices, 3 of 3/);
  });

  it("records the promise before the round and the release before the model, with noise on", () => {
    const plan = testPlan({
      rounds: 2,
      privacy: { mechanism: "distributed-discrete-gaussian", epsilon: 8 },
    });
    const fleet = new Fleet({ plan, clients: 8 }).run();
    for (const { sum, expected } of fleet.released) expect(sum).toEqual(expected);
    const order = fleet.outputs.flatMap((output) =>
      output.type === "ledger" ? [output.body.kind] : output.type === "model" ? ["model"] : [],
    );
    expect(order).toEqual([
      "round-started",
      "round-released",
      "model",
      "round-started",
      "round-released",
      "model",
    ]);
    const [, second] = fleet.records();
    expect(second?.epsilon.coordinator).toBeGreaterThan(0);
    expect(second?.epsilon.coordinator).toBeLessThanOrEqual(8);
    expect(second?.epsilon.observer).toBe(second?.epsilon.coordinator);
  });

  it("claims no amplification by sampling, for its cohorts' sizes are public", () => {
    const plan = testPlan({
      rounds: 1,
      participation: { maximum: 1 },
      cohort: {
        sampling: "poisson",
        samplingRate: 0.5,
        minimum: 4,
        target: 6,
        maximum: 12,
        minSurvivors: 4,
        corruption: 0,
        dropout: 0.2,
        selectionWindow: 100,
      },
      privacy: { mechanism: "distributed-discrete-gaussian", epsilon: 2, modulusBits: 24 },
    });
    const fleet = new Fleet({ plan, clients: 16 }).run();
    const [record] = fleet.records();
    expect(record?.status).toBe("published");
    expect(record!.poisson).toBe(true);
    expect(record!.epsilon.observer).toBe(record!.epsilon.coordinator);
  });

  it("lets a device take part no more often than the plan's cap, by both ledgers", () => {
    const plan = testPlan({ rounds: 3, participation: { maximum: 1, minimumSeparation: 1 } });
    const fleet = new Fleet({ plan, clients: 12 }).run();
    expect(fleet.records().map(({ status }) => status)).toEqual(["published", "published", "failed"]);
    for (const device of fleet.devices) expect(device.ledger.length).toBeLessThanOrEqual(1);
    expect(fleet.outputs).toContainEqual(
      expect.objectContaining({
        type: "send",
        message: expect.objectContaining({ type: "come-back", code: "participation-cap" }),
      }),
    );
  });

  it("refuses to start a round that would overspend", () => {
    const plan = testPlan({
      rounds: 2,
      privacy: { mechanism: "distributed-discrete-gaussian", epsilon: 4, modulusBits: 24 },
    });
    const looser = { ...plan, privacy: { ...plan.privacy, epsilon: 0.5 } };
    const fleet = new Fleet({ plan: looser, clients: 8 }).run();
    expect(fleet.records()).toEqual([
      expect.objectContaining({ round: 1, status: "failed", reason: expect.stringContaining("overspent") }),
    ]);
    expect(fleet.state.phase).toEqual({ name: "finished", reason: "budget-exhausted" });
    expect(fleet.released).toEqual([]);
  });

  it("replays its journal to the same state at every event", () => {
    const fleet = new Fleet({ plan: testPlan({ rounds: 2 }), clients: 8 }).run();
    const replay = new Fleet({ plan: fleet.plan, clients: 0 });
    replay.state = startTask(freshHistory());
    for (const entry of fleet.journal) replay.step(structuredClone(entry));
    expect(JSON.stringify(replay.outputs)).toBe(JSON.stringify(fleet.outputs));
    expect(replay.state).toEqual(fleet.state);
  });

  it.each(["training", "enrolling", "masking", "unmasking"])(
    "abandons a round in %s: it fails, members are told, the next one is published",
    (stage) => {
      const fleet: Fleet = new Fleet({
        plan: testPlan({ rounds: 2 }),
        clients: 12,
        deliver: () => {
          const { phase } = fleet.state;
          const at = phase.name === "secure" ? phase.stage : phase.name;
          if (at === stage && "round" in phase && phase.round === 1)
            fleet.submit({ type: "abandon", round: 1, rejection });
          return true;
        },
      });
      const rejection = { code: "internal", field: "round", rule: "broke", fix: "none" } as const;
      fleet.submit({ type: "abandon", round: 1, rejection });
      expect(fleet.outputs).toContainEqual(expect.objectContaining({ type: "rejected" }));
      fleet.run();
      expect(fleet.records()).toEqual([
        expect.objectContaining({ round: 1, status: "failed", reason: "internal: broke" }),
        expect.objectContaining({ round: 2, status: "published" }),
      ]);
    },
  );

  it("starts the round after a failed one by an event of its own, which a replay can begin with", () => {
    const fleet = new Fleet({ plan: testPlan({ rounds: 2 }), clients: 3 }).run();
    const [first, second] = fleet.journal.flatMap(({ event }, at) => (event.type === "start" ? [at] : []));
    expect(first).toBeLessThan(second!);
    const replay = new Fleet({ plan: fleet.plan, clients: 0 });
    replay.state = startTask({ ...freshHistory(), round: 1 });
    for (const entry of fleet.journal.slice(second)) replay.step(structuredClone(entry));
    expect(replay.state).toEqual(fleet.state);
  });

  it("cancels: the round under way ends, nothing is released", () => {
    const plan = testPlan({ rounds: 2 });
    let cancelled = false;
    const fleet: Fleet = new Fleet({
      plan,
      clients: 8,
      deliver: (_, message) => {
        if (message.type === "survivors" && !cancelled) {
          cancelled = true;
          fleet.submit({ type: "cancel" });
        }
        return true;
      },
    });
    fleet.run();
    expect(fleet.state.phase.name).toBe("cancelled");
    expect(fleet.records()).toEqual([expect.objectContaining({ status: "cancelled" })]);
    expect(fleet.released).toEqual([]);
  });
});
