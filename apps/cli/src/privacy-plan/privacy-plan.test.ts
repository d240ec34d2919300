import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planEpsilon, resolvePlan } from "@kindred/engine";
import { calibrateMechanism, delta, epsilon } from "@kindred/privacy";
import { KindredError } from "@kindred/protocol";
import { parse as parseHtml } from "parse5";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { displayWidth } from "../terminal/text.ts";
import { planFigures } from "./figures.ts";
import { renderPlanPage } from "./html.ts";
import { type PrivacyPlanFlags, readPlanQuestion } from "./options.ts";
import { privacyPlan, speaksUnicode } from "./privacy-plan.ts";
import { renderPlan } from "./render.ts";

const ASKED: PrivacyPlanFlags = {
  epsilon: "4",
  delta: "1e-6",
  participations: "4",
  cohort: "1000",
  length: "65536",
};
const figuresOf = async (flags: PrivacyPlanFlags) => planFigures(await readPlanQuestion(flags));
const plain = { columns: 80, color: false, unicode: true };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindred-privacy-plan-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function refusal(flags: PrivacyPlanFlags) {
  try {
    await figuresOf(flags);
  } catch (error) {
    if (error instanceof KindredError) return error.rejection;
    throw error;
  }
  throw new Error("the flags were accepted");
}

/** Figures of a small plan document with sections added, and an entry of `privacy.blocks`. */
async function documentFigures(sections: string, block = "counts: { weight: 0.25 }") {
  const planFile = join(folder, "changed.yaml");
  const catalogueFile = join(folder, "three.json");
  const blocks = `blocks: { ${block} }`;
  await writeFile(
    planFile,
    `task: t\nrounds: 3\nprivacy: { epsilon: 6, modulusBits: 24, ${blocks} }\nclustering: { clusters: 2 }\n${sections}`,
  );
  const items = ["a", "b", "c"].map((id) => ({ id, title: id, tags: [] }));
  await writeFile(catalogueFile, JSON.stringify({ schema: "kindred.catalogue/1", items }));
  return figuresOf({ plan: planFile, catalogue: catalogueFile });
}

describe("planFigures", () => {
  it("are those of the round: the plan resolved as a coordinator does, ε as a device checks it", async () => {
    const figures = await figuresOf(ASKED);
    const { input, ...context } = await readPlanQuestion(ASKED);
    const plan = resolvePlan(input, {
      ...context,
      coordinatorKey: "0".repeat(64),
      catalogueHash: "0".repeat(64),
    });
    expect(figures.guarantees.coordinator.rdp).toBe(planEpsilon(plan, 4));
    expect(figures.noiseMultiplier).toBe(plan.resolved.mechanism.noiseMultiplier);
    const mechanism = calibrateMechanism({
      epsilon: epsilon(4),
      delta: delta(1e-6),
      participations: 4,
      cohortMaximum: 1000,
      minSurvivors: 720,
      corruption: 0.05,
      length: 65_536,
    });
    expect(figures.localDeviation).toBe(mechanism.localDeviation);
    expect(figures.scale).toBe(mechanism.scale);
    expect(figures.blocks.map(({ length }) => length)).toEqual([64_494, 16, 1024, 2]);
    expect(figures.modulusBits).toBe(16);
    expect(figures.bytesPerClient).toBe((65_536 * 16) / 8);
    expect(figures.rounding).toBeLessThan(0.01);
  });

  it("state what an adaptive clip norm costs: a block of its own, the same ε, more noise on the others", async () => {
    const fixed = await figuresOf(ASKED);
    const adaptive = await figuresOf({ ...ASKED, clipQuantile: "0.5" });
    expect(adaptive.blocks.map(({ name, length }) => [name, length]).at(-1)).toEqual(["clipping", 1]);
    expect(adaptive.length).toBe(fixed.length);
    expect(adaptive.guarantees).toEqual(fixed.guarantees);
    const more = adaptive.blocks[1]!.deviation / fixed.blocks[1]!.deviation;
    expect(more).toBeCloseTo(Math.sqrt(1 + 0.01 / 1.2475), 9);
    expect(await refusal({ ...ASKED, clipQuantile: "1" })).toMatchObject({ field: "--clip-quantile" });
  });

  it("compare the noise designs: what is removed keeps the promise and leaves less over", async () => {
    const worstCase = await figuresOf(ASKED);
    const removing = await figuresOf({ ...ASKED, noise: "add-then-remove" });
    expect(worstCase.noise).toMatchObject({ design: "worst-case", surplus: [] });
    expect(removing.noise.surplus.map(({ survivors }) => survivors)).toEqual([782, 849, 921, 1000]);
    expect(removing.noise.overshoot).toEqual(worstCase.noise.overshoot);
    expect(removing.guarantees.coordinator.rdp).toBeLessThanOrEqual(4);
    const [fewest, , all] = worstCase.noise.overshoot;
    expect([fewest!.survivors, all!.survivors]).toEqual([720, 1000]);
    expect(fewest!.worstCase).toBeCloseTo(Math.sqrt(720 / 670), 9);
    expect(all!.worstCase).toBeCloseTo(Math.sqrt(1000 / 670), 9);
    // Components are whole numbers of quantised units, rounded up: with the fewest bits one per cent more.
    expect(all!.addThenRemove).toBeGreaterThanOrEqual(Math.sqrt(1000 / 950));
    expect(all!.addThenRemove).toBeLessThan(1.015 * Math.sqrt(1000 / 950));
    expect(renderPlan(removing, plain)).toMatch(/1,000 survivors +\+22\.2 % +\+3\.\d %/);
    expect(removing.overflow.coordinate).toBeLessThanOrEqual(worstCase.overflow.coordinate * 1.01);
    expect(await refusal({ ...ASKED, noise: "some" })).toMatchObject({ field: "--noise" });
    expect(await refusal({ ...ASKED, noiseLevels: "0" })).toMatchObject({ field: "--noise-levels" });
    expect(await refusal({ ...ASKED, noise: "worst-case", noiseLevels: "2" })).toMatchObject({
      field: "--noise-levels",
    });
  });

  it("spend what is promised in P rounds, and no more in the others; the second opinion is tighter", async () => {
    const { byRound, guarantees, promised } = await figuresOf({ ...ASKED, rounds: "9", separation: "2" });
    expect(byRound.map(({ participations }) => participations)).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 4]);
    expect(guarantees.coordinator.rdp).toBeLessThanOrEqual(promised.epsilon);
    expect(guarantees.coordinator.rdp).toBeGreaterThan(promised.epsilon * 0.999);
    expect(guarantees.coordinator.pld).toBeLessThan(guarantees.coordinator.rdp);
    expect(guarantees.coordinator.pld).toBeGreaterThan(guarantees.coordinator.rdp * 0.85);
    expect(guarantees.observer).toEqual(guarantees.coordinator);
    for (const [i, { coordinator }] of byRound.entries())
      expect(coordinator.rdp).toBeGreaterThanOrEqual(byRound[Math.max(0, i - 1)]!.coordinator.rdp);
  });

  it("count every device of a person", async () => {
    const one = await figuresOf(ASKED);
    const two = await figuresOf({ ...ASKED, devices: "2" });
    // Twice the noise for the same promise, and the rounding's share besides.
    expect(two.noiseMultiplier / one.noiseMultiplier).toBeCloseTo(2, 1);
    expect(two.devices).toBe(2);
    expect(two.guarantees.coordinator.rdp).toBeLessThanOrEqual(4);
    expect(two.guarantees.coordinator.rdp).toBeGreaterThan(3.99);
    expect(two.detection.truePositiveRate).toBeCloseTo(one.detection.truePositiveRate, 3);
    expect(renderPlan(two, plain)).toMatch(/Somebody who takes part with 2 devices in 4 rounds stays hidden/);
  });

  it("say what evaluation costs the others, as taking it away shows", async () => {
    const held = await documentFigures("evaluation: {}\n");
    const plain = await documentFigures("");
    expect(plain.evaluation).toMatchObject({ entries: 2, heldOut: 0, costLoss: 1 });
    expect(held.evaluation).toMatchObject({ entries: 7, heldOut: 5 });
    // Everybody's blocks keep their weights; what is held out puts its noise on the evaluation block alone.
    const noise = ({ blocks }: typeof held, name: string) =>
      blocks.find((block) => block.name === name)!.deviation;
    expect(noise(held, "counts")).toBeCloseTo(noise(plain, "counts"), 5);
    expect(noise(held, "evaluation") / noise(plain, "evaluation")).toBeCloseTo(held.evaluation.costLoss, 5);
    const without = await documentFigures("", "evaluation: { weight: 0.000001 }");
    expect(noise(plain, "counts") / noise(without, "counts")).toBeCloseTo(plain.evaluation.costOthers, 6);
    expect(renderPlan(held, { columns: 100, color: false, unicode: true })).toContain(
      "+2.6 % noise on every other block, at the same ε; held-out",
    );
  });

  it("say what rounds of signals collect, and how many people a count takes to be kept", async () => {
    const { signals, blocks } = await documentFigures(
      "signals: { transitions: { rounds: [2], items: 3, clip: 3 }, popularity: { significance: 4 } }\n",
    );
    expect(signals.map(({ name, rounds, whole }) => ({ name, rounds, whole }))).toEqual([
      // By clusters too: three items, everybody's and those of two clusters.
      { name: "popularity", rounds: [1], whole: 12 },
      { name: "transitions", rounds: [2], whole: 9 },
    ]);
    const [popularity, transitions] = signals;
    expect([popularity!.entries, transitions!.entries]).toEqual([9, 9]);
    for (const { deviation, keptFrom, significance } of signals)
      for (const at of ["fewest", "cohort"] as const) {
        expect(keptFrom[at]).toBeGreaterThanOrEqual(significance * deviation[at]);
        expect(keptFrom[at] - 1).toBeLessThan(significance * deviation[at]);
      }
    // Noise is in proportion to the clip norm; a sum of more devices bears more of it.
    expect(popularity!.deviation.cohort / transitions!.deviation.cohort).toBeCloseTo(5 / 3, 9);
    expect(popularity!.deviation.cohort).toBeGreaterThan(popularity!.deviation.fewest);
    expect(blocks.map(({ name }) => name)).not.toContain("popularity");
    const page = renderPlan(await documentFigures("signals: { popularity: {} }\n"), plain);
    expect(page).toMatch(
      /Rounds of signals +counts +noise +kept from\n +popularity +\d+ +[\d.]+ +\d+ +round 1/,
    );
    expect(renderPlan(await figuresOf(ASKED), plain)).not.toContain("Rounds of signals");
  });

  it("say what carried sums come to after all their rounds, and for each person in them", async () => {
    const signalsOf = async (carry: string) =>
      documentFigures(
        `signals: { popularity: { rounds: [1, 2]${carry} }, transitions: { rounds: [3], items: 3, carry: 1 } }\n`,
      );
    const [whole, half, newest] = [
      await signalsOf(", carry: 1"),
      await signalsOf(", carry: 0.5"),
      await signalsOf(""),
    ];
    const { maximum, minSurvivors } = whole.cohort;
    const [popularity, transitions] = whole.signals;
    for (const [at, people] of [["fewest", minSurvivors] as const, ["cohort", maximum] as const]) {
      const { carried, deviation, significance } = popularity!;
      expect(carried!.people[at]).toBe(2 * people);
      expect(carried!.deviation[at]).toBeCloseTo(Math.SQRT2 * deviation[at], 9);
      expect(carried!.perPerson[at]).toBeCloseTo(deviation[at] / people / Math.SQRT2, 9);
      expect(carried!.keptFrom[at]).toBe(Math.ceil(significance * carried!.deviation[at]));
    }
    const { carried, deviation } = half.signals[0]!;
    expect(carried).toMatchObject({ rounds: 2, people: { cohort: Math.round(maximum / 2) + maximum } });
    expect(carried!.deviation.cohort).toBeCloseTo(Math.sqrt(1.25) * deviation.cohort, 9);
    // One round carries nothing on, nor does a plan that does not say so.
    expect([transitions!.carried, newest.signals[0]!.carried]).toEqual([undefined, undefined]);
    const note = /Carried on, popularity is after 2 rounds a sum over/;
    expect(renderPlan(whole, plain)).toMatch(note);
    expect(renderPlanPage(whole)).toMatch(note);
    expect(renderPlan(newest, plain)).not.toContain("Carried on");
  });

  it("cannot tell of signals without the items that they count", async () => {
    const planFile = join(folder, "signals.yaml");
    await writeFile(planFile, "task: t\nsignals: { popularity: {} }\nclustering: { clusters: 2 }\n");
    expect(await refusal({ plan: planFile, length: "5000" })).toMatchObject({ field: "--catalogue" });
  });

  it("take a modulus as asked, or the fewest bits that cost next to nothing, and less than 120 kB for one layer", async () => {
    const open = { ...ASKED, cohort: "96", minSurvivors: "40", epsilon: "8", length: "61700" };
    const figures = await figuresOf(open);
    expect(await figuresOf({ ...open, modulusBits: "auto" })).toEqual(figures);
    expect(figures.bytesPerClient).toBeLessThanOrEqual(120_000);
    expect(figures.overflow.perRound).toBeLessThan(0.05);
    const asked = await figuresOf({ ...open, modulusBits: "20" });
    expect(asked.modulusBits).toBe(20);
    expect(figures.noiseMultiplier / asked.noiseMultiplier).toBeLessThan(1.011);
  });

  it("read a plan document and its catalogue", async () => {
    const planFile = join(folder, "plan.yaml");
    const catalogueFile = join(folder, "catalogue.json");
    await writeFile(
      planFile,
      "task: t\nrounds: 3\nprivacy: { epsilon: 6, modulusBits: 24 }\nclustering: { clusters: 2 }\n",
    );
    const items = ["a", "b", "c"].map((id) => ({ id, title: id, tags: [] }));
    await writeFile(catalogueFile, JSON.stringify({ schema: "kindred.catalogue/1", items }));
    const figures = await figuresOf({ plan: planFile, catalogue: catalogueFile });
    expect(figures).toMatchObject({
      rounds: 3,
      participations: 3,
      modulusBits: 24,
      promised: { epsilon: 6 },
    });
    const byLength = await figuresOf({ plan: planFile, length: String(figures.length) });
    expect(byLength).toEqual(figures);
    expect(await refusal({ plan: planFile })).toMatchObject({ field: "--catalogue" });
    expect(await refusal({ plan: planFile, epsilon: "1", length: "9999" })).toMatchObject({
      field: "--epsilon",
    });
    expect(await refusal({ plan: planFile, catalogue: catalogueFile, length: "9999" })).toMatchObject({
      field: "--length",
    });
  });
});

describe("refusals name the flag, the rule and the fix", () => {
  it.each<[string, PrivacyPlanFlags]>([
    ["--epsilon", { epsilon: "four" }],
    ["--epsilon", { epsilon: "-1" }],
    ["--epsilon", { epsilon: "" }],
    ["--delta", { delta: "0.5" }],
    ["--rounds", { rounds: "0" }],
    ["--participations", { participations: "21" }],
    ["--cohort", { cohort: "1" }],
    ["--cohort", { cohort: "12.5" }],
    ["--min-survivors", { minSurvivors: "1001" }],
    ["--corruption", { corruption: "0.5" }],
    ["--corruption", { corruption: "0.49", minSurvivors: "480" }],
    ["--dropout", { dropout: "0.95" }],
    ["--dropout", { dropout: "0.49" }],
    ["--length", { length: "1042" }],
    ["--modulus-bits", { modulusBits: "40" }],
    ["--modulus-bits", { modulusBits: "12" }],
    ["--clusters", { clusters: "1" }],
    ["--dimension", { dimension: "7000" }],
    ["--model-clip", { modelClip: "0" }],
    ["--weights", { weights: "1,2" }],
    ["--weights", { weights: "1,0,1,1" }],
    ["--devices", { devices: "0" }],
    ["--plan", { plan: "/nowhere/plan.yaml" }],
    ["--catalogue", { catalogue: "/nowhere/catalogue.json" }],
  ])("%s: %j", async (flag, flags) => {
    const { code, field, rule, fix } = await refusal(flags);
    expect([code, field]).toEqual(["option-invalid", flag]);
    expect(rule).toMatch(/^(must|leaves|admits|is) /);
    expect(fix).not.toBe("");
  });
});

describe("renderPlan", () => {
  it("says everything, in 80 columns and in fewer", async () => {
    const figures = await figuresOf(ASKED);
    const page = renderPlan(figures, plain);
    expect(page).toMatch(/against the coordinator +4\.00 +3\.7\d +4 participations/);
    expect(page).toMatch(/against model observers +4\.00 +3\.7\d/);
    expect(page).toMatch(/noise multiplier +2\.5\d, counting on 670 honest survivors/);
    expect(page).toMatch(/modulus +16 bits/);
    expect(page).toMatch(/upload, client and round +131 kB \(65,536 entries of 16 bits\)/);
    expect(page).toMatch(/rounding +\+0\.\d % noise/);
    expect(page).toMatch(/finds at most 6\.2 %/);
    expect(page).toContain("█");
    for (let columns = 60; columns <= 130; columns += 7)
      for (const line of renderPlan(figures, { ...plain, columns }).split("\n"))
        expect(displayWidth(line)).toBeLessThanOrEqual(columns);
    for (const line of page.split("\n")) expect(line).toBe(line.trimEnd());
  });

  it("does without Unicode, and colours only on request", async () => {
    const figures = await figuresOf({ ...ASKED, rounds: "200", participations: "30" });
    const ascii = renderPlan(figures, { ...plain, unicode: false });
    expect(ascii).toMatch(/^[\n -~]+$/);
    expect(ascii).not.toContain("?");
    expect(ascii).toContain("#");
    for (const line of ascii.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    const colored = renderPlan(figures, { ...plain, color: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes are what is tested
    const codes = /\u001B\[\d+m/g;
    expect(colored).toMatch(codes);
    expect(colored.replace(codes, "")).toBe(renderPlan(figures, plain));
  });

  it("warns of what an operator would regret, and of nothing else", async () => {
    const warnings = async (flags: PrivacyPlanFlags) =>
      renderPlan(await figuresOf(flags), plain)
        .split("\n")
        .filter((line) => line.startsWith("!"));
    expect(await warnings({ ...ASKED, cohort: "20000", modulusBits: "24" })).toEqual([]);
    expect((await warnings(ASKED)).join()).toMatch(/weaker than the noise on model/);
    expect((await warnings({ ...ASKED, epsilon: "40" })).join()).toMatch(/weak guarantee/);
    expect((await warnings({ ...ASKED, delta: "5e-4" })).join()).toMatch(/δ 5e-4 is large/);
  });
});

describe("renderPlanPage", () => {
  it("is a whole document with both epsilons and the plot, and needs nothing from outside", async () => {
    const figures = await figuresOf(ASKED);
    const page = renderPlanPage(figures);
    const errors: string[] = [];
    parseHtml(page, { onParseError: ({ code }) => errors.push(code) });
    expect(errors).toEqual([]);
    expect(page).toContain("against model observers");
    expect(page).toContain("<polyline");
    expect(page).not.toMatch(/<script|src=|https?:/);
  });
});

describe("kindred privacy plan", () => {
  /** A stream that is no terminal and keeps what is written. */
  function sink() {
    let text = "";
    const stream = {
      write: (chunk: string) => {
        text += chunk;
        return true;
      },
    };
    return { stdout: stream as unknown as NodeJS.WriteStream, text: () => text };
  }

  it("prints the page, and writes JSON and HTML where it is told to", async () => {
    const { stdout, text } = sink();
    const [json, html] = [join(folder, "plan.json"), join(folder, "plan.html")];
    const figures = await privacyPlan({ ...ASKED, json, html }, { stdout, env: { LANG: "en_GB.UTF-8" } });
    expect(text()).toBe(renderPlan(figures, plain));
    expect(JSON.parse(await readFile(json, "utf8"))).toEqual(figures);
    expect(await readFile(html, "utf8")).toBe(renderPlanPage(figures));
  });

  it("prints nothing but JSON with --json", async () => {
    const { stdout, text } = sink();
    const figures = await privacyPlan({ ...ASKED, json: true }, { stdout, env: {} });
    expect(JSON.parse(text())).toEqual(figures);
  });

  it.each([
    [{}, true],
    [{ LANG: "de_DE.UTF-8" }, true],
    [{ LANG: "C" }, false],
    [{ LANG: "de_DE.UTF-8", LC_ALL: "POSIX" }, false],
    [{ TERM: "linux" }, false],
  ])("knows from the locale whether Unicode is understood: %j", (env, expected) => {
    expect(speaksUnicode(env)).toBe(expected);
  });
});
