import { describe, expect, it } from "vitest";
import { parseSimulateOptions, type SimulateFlags } from "./options.ts";
import { buildScenario } from "./scenario.ts";

const flags = (changes: Partial<SimulateFlags>): SimulateFlags => ({
  dropout: "0.05",
  epsilon: "8",
  privacy: true,
  seed: "1",
  noiseCohort: "0",
  out: "out",
  ...changes,
});

describe("the flags of a simulation", () => {
  it.each([
    ["--clients", { clients: "3" }, /--clients must be a whole number from 12/],
    [
      "--cohort",
      { clients: "20", cohort: "21" },
      /--cohort must not exceed --clients \(20\), found 21; lower/,
    ],
    ["--rounds", { rounds: "1.5" }, /--rounds must be a whole number/],
    [
      "--rounds",
      { rounds: "2", signals: true },
      /--rounds must be above 2 with --signals.*found 2; raise --rounds/,
    ],
    ["--dropout", { dropout: "0.6" }, /--dropout must lie between 0 and 0.5, found "0.6"/],
    ["--epsilon", { epsilon: "0" }, /--epsilon must be above 0/],
    ["--epsilon", { epsilon: "x" }, /--epsilon must be above 0.*found "x"/],
    ["--seed", { seed: "-1" }, /--seed must be a whole number from 0/],
    ["--data", { data: "/nowhere/at/all" }, /--data must be a folder/],
  ])("names %s, the rule and the fix", (_, changes, message) => {
    expect(() => parseSimulateOptions(flags(changes))).toThrow(message);
  });

  it("leaves the noise cohort out where there is no noise", () => {
    expect(parseSimulateOptions(flags({ noiseCohort: "10000" })).noiseCohort).toBe(10_000);
    expect(parseSimulateOptions(flags({ noiseCohort: "10000", privacy: false })).noiseCohort).toBe(0);
  });
});

describe("the plan of a simulation", () => {
  it.each([
    ["12", "8"],
    ["40", "13"],
    ["100", "64"],
    ["400", "400"],
  ])(
    "is valid for %s clients and a cohort of %s, at every dropout, with noise and without",
    (clients, cohort) => {
      for (const dropout of ["0", "0.1", "0.3", "0.5"])
        for (const privacy of [true, false])
          for (const rounds of ["1", "5"]) {
            const { plan } = buildScenario(
              parseSimulateOptions(flags({ clients, cohort, dropout, privacy, rounds })),
            );
            expect(plan.cohort.target).toBe(Number(cohort));
            expect(plan.rounds).toBe(Number(rounds));
            expect(plan.privacy.mechanism === "none").toBe(!privacy);
            // The plan bears at least the dropout that is simulated, as far as a majority allows.
            expect(plan.cohort.minSurvivors).toBeLessThanOrEqual(Number(cohort) * (1 - Number(dropout)));
          }
    },
  );

  it("evaluates and collects only where it is asked to", () => {
    const planOf = (changes: Partial<SimulateFlags>) =>
      buildScenario(parseSimulateOptions(flags({ clients: "24", ...changes }))).plan;
    expect(planOf({})).not.toHaveProperty("evaluation");
    expect(planOf({})).not.toHaveProperty("signals");
    const asked = planOf({ evaluation: true, signals: true });
    expect(asked.evaluation).toBeDefined();
    expect(asked.signals).toMatchObject({ popularity: { rounds: [1] }, transitions: { rounds: [2] } });
  });

  it("holds out every person's last item and keeps the catalogue whole", () => {
    const { population, split, catalogue } = buildScenario(parseSimulateOptions(flags({ clients: "24" })));
    expect(population.users).toHaveLength(24);
    expect(catalogue.items).toHaveLength(300);
    for (const { userIndex, item } of split.test) {
      expect(population.users[userIndex]!.interactions.at(-1)!.item).toBe(item);
      expect(split.train.users[userIndex]!.interactions.some((own) => own.item === item)).toBe(false);
    }
  });
});
