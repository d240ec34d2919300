/** Plots of what attacks found, beside what is proven or promised. */
import { largestTruePositiveRate } from "@kindred/audit/attack";
import { type Bar, barChart, legend, lineChart } from "../report/charts.ts";
import { formatCount, formatEpsilon, formatNumber, formatPercent } from "../report/format.ts";
import { figure } from "../report/layout.ts";
import type { AttackFindings } from "./findings.ts";
import type { ReleasedModelReport } from "./released-models.ts";

/** Figures of the attacks on the mechanism, and of those on released models where there are any, as HTML. */
export function attackFigures(attack: AttackFindings): string {
  const { twoWorlds, oneRun, federatedCanaries, membership, proven, delta } = attack;
  return `<div class="grid">${figure({
    heading: "Shown and proven",
    about:
      "ε from below, by attacks, beside ε from above, by proof. Attack bars have to stay shorter than proof bars.",
    body: barChart(
      {
        id: "bounds",
        title: "Shown and proven ε",
        desc: "Bars of the attacks' lower bounds and the proven upper bounds.",
      },
      [
        bar("two worlds", twoWorlds.lowerBound, "teal"),
        bar("… Gaussian", twoWorlds.gaussianLowerBound, "teal"),
        bar("one run", oneRun.lowerBound, "teal"),
        bar("canary estimate", federatedCanaries.estimate, "slate"),
        bar("proven (PLD)", proven.pld, "indigo"),
        bar("proven (Rényi)", proven.rdp, "indigo"),
      ],
    ),
    caption: `Bounds hold with ${formatPercent(1 - attack.alpha)} confidence together. The canary estimate is no bound.`,
  })}${figure({
    heading: "Was this person in it?",
    about:
      "People found, against people wrongly accused, as the attacker is less and less sure. A coin lies on the diagonal.",
    body: membershipChart(
      {
        id: "roc",
        title: "Membership inference",
        desc: "The attack's curve between the diagonal and the proven limit.",
      },
      {
        curves: [{ name: "attack", tone: "teal", curve: membership.curve }],
        limit: { name: "most that the proof allows", epsilon: Math.min(proven.rdp, proven.pld), delta },
      },
    ),
  })}${attack.released === null ? "" : releasedFigures(attack.released)}</div>`;
}

/** Curves of the attacks on released models, and their bounds beside the promise. */
function releasedFigures({ attacks, promised, people, shadows, alpha, delta }: ReleasedModelReport): string {
  const tones = ["slate", "teal", "amber", "rose"] as const;
  const roc = figure({
    heading: "Who is in a released model?",
    about: `Members of a small task found in its published encoder and centroids, against others wrongly accused: ${formatCount(people)} people, ${formatCount(shadows)} models.`,
    body: membershipChart(
      {
        id: "released-roc",
        title: "Membership inference on released models",
        desc: "Curves of four attacks between the diagonal and the promised limit.",
      },
      {
        curves: attacks.map(({ attack, curve }, i) => ({
          name: attack,
          tone: tones[i % tones.length]!,
          curve,
        })),
        limit: { name: "most that the promise allows", epsilon: promised, delta },
      },
    ),
  });
  const bounds = figure({
    heading: "Shown by released models, and promised",
    about: "ε from below, by guesses about people in one model, beside the promise of the small task.",
    body: barChart(
      {
        id: "released-bounds",
        title: "ε shown by released models",
        desc: "Bars of the attacks' lower bounds and the promise.",
      },
      [
        ...attacks.map(({ attack, lowerBound }) => bar(attack, lowerBound, "teal")),
        bar("promised", promised, "indigo"),
      ],
    ),
    caption: `Bounds hold with ${formatPercent(1 - alpha)} confidence together (Steinke, Nasr, Jagielski 2023), from ${formatCount(people)} people: they cannot show much.`,
  });
  return `${roc}${bounds}`;
}

function bar(label: string, value: number, tone: Bar["tone"]): Bar {
  return { label, value, text: formatEpsilon(value), tone };
}

interface MembershipCurve {
  readonly name: string;
  readonly tone: Bar["tone"];
  readonly curve: AttackFindings["membership"]["curve"];
}

/** Receiver operating characteristics with the most that (ε, δ) allows, and the diagonal of a coin. */
function membershipChart(
  text: Parameters<typeof lineChart>[0],
  {
    curves,
    limit,
  }: {
    curves: readonly MembershipCurve[];
    limit: { readonly name: string; readonly epsilon: number; readonly delta: number };
  },
): string {
  const grid = Array.from({ length: 101 }, (_, i) => i / 100);
  return (
    legend([
      ...curves.map(({ name, tone }) => ({ name, tone, line: true })),
      { name: limit.name, tone: "indigo", line: true },
      { name: "coin", tone: "slate", dash: true },
    ]) +
    lineChart(text, {
      series: [
        {
          name: "most allowed",
          tone: "indigo",
          points: grid.map((x) => ({ x, y: largestTruePositiveRate(x, limit) })),
        },
        ...curves.map(({ name, tone, curve }) => ({
          name,
          tone,
          points: curve.map((p) => ({ x: p.falsePositiveRate, y: p.truePositiveRate })),
        })),
        {
          name: "coin",
          tone: "slate",
          dash: true,
          points: [
            { x: 0, y: 0 },
            { x: 1, y: 1 },
          ],
        },
      ],
      fromZero: true,
      horizontal: { label: "share wrongly accused", ticks: [0, 0.25, 0.5, 0.75, 1], format: formatNumber },
    })
  );
}
