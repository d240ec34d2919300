import type { ServerMessage } from "@kindred/protocol";
import { ERROR_CODES } from "@kindred/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planEpsilon } from "../src/index.ts";
import { Fleet } from "./fleet.ts";
import { testPlan, zeroContribution } from "./test-task.ts";

const STEPS = ["selected", "enrol", "roster", "inbox", "survivors", "unmask", "released"] as const;
const ROUNDS = 2;
const noise = { mechanism: "distributed-discrete-gaussian", epsilon: 8, modulusBits: 24 } as const;

const plans = [
  testPlan({ rounds: ROUNDS }),
  testPlan({ rounds: ROUNDS, participation: { maximum: 1 }, privacy: noise }),
];

/** Where each client vanishes, if at all; whether it is seen to; which messages of clients arrive twice. */
const pattern = fc.record({
  plan: fc.constantFrom(...plans),
  clients: fc.integer({ min: 3, max: 9 }),
  vanish: fc.array(
    fc.option(fc.record({ round: fc.integer({ min: 1, max: ROUNDS }), step: fc.constantFrom(...STEPS) }), {
      freq: 2,
      nil: undefined,
    }),
    { minLength: 9, maxLength: 9 },
  ),
  silent: fc.boolean(),
  echoes: fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }),
  breaksAt: fc.subarray([1, 2], { maxLength: 1 }),
});

const REASON = new RegExp(`^(${ERROR_CODES.join("|")}): `);

describe("whoever vanishes, whenever", () => {
  it("each round publishes the exact sum of its survivors or fails with a code, and the task ends", () => {
    let published = 0;
    let failed = 0;
    fc.assert(
      fc.property(pattern, ({ plan, clients, vanish, silent, echoes, breaksAt }) => {
        const leaves = (client: number, message: ServerMessage): boolean => {
          const when = vanish[client];
          return (
            when !== undefined &&
            message.type === when.step &&
            "round" in message &&
            message.round >= when.round
          );
        };
        const fleet = new Fleet({
          plan,
          clients,
          silent,
          breaksAt,
          seed: JSON.stringify([clients, vanish, echoes]),
          deliver: (client, message) => !leaves(client, message),
          echo: (client) => echoes[client]!,
          contribution: (client, round) => ({
            ...zeroContribution(plan),
            model: Float64Array.from({ length: 20 }, (_, i) => Math.sin(client + i * round) / 9),
          }),
        }).run(); // throws where it does not end

        expect(fleet.state.phase.name).toBe("finished");
        expect(fleet.records().map(({ round }) => round)).toEqual([1, 2]);
        for (const record of fleet.records()) {
          expect(["published", "failed"]).toContain(record.status);
          if (record.status === "failed") expect(record.reason).toMatch(REASON);
          else expect(record.survivors).toBeGreaterThanOrEqual(plan.cohort.minSurvivors);
          failed += record.status === "failed" ? 1 : 0;
        }
        for (const { sum, expected, survivors, round } of fleet.released) {
          published++;
          expect(sum).toEqual(expected);
          expect(new Set(survivors).size).toBe(survivors.length);
          // Whoever is in a sum has written it down before.
          for (const key of survivors) {
            const { ledger } = fleet.devices.find((device) => device.key === key)!;
            expect(ledger.filter((entry) => entry.round === round)).toHaveLength(1);
          }
        }
        for (const { ledger } of fleet.devices)
          expect(ledger.length).toBeLessThanOrEqual(plan.participation.maximum);
        // What the coordinator counts, the device has counted too.
        for (const [key, { count }] of fleet.state.participations)
          expect(fleet.devices.find((device) => device.key === key)!.ledger.length).toBeGreaterThanOrEqual(
            count,
          );
        const counts = [...fleet.state.participations.values()].map(({ count }) => count);
        const most = planEpsilon(plan, Math.max(0, ...counts));
        if (plan.privacy.mechanism !== "none")
          expect(fleet.state.spent.coordinator).toBeGreaterThanOrEqual(most);
        expect(fleet.ledgerViolations()).toEqual([]);
      }),
      { numRuns: 30, seed: 11 },
    );
    // The patterns reach both ends.
    expect(published).toBeGreaterThan(10);
    expect(failed).toBeGreaterThan(10);
  });
});
