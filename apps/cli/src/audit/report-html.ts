/** The audit report as one HTML file. */
import { type AuditViolation, RULE_MEANINGS, type TaskAccount } from "@kindred/audit/verify";
import { columnChart, legend, lineChart } from "../report/charts.ts";
import {
  escapeHtml,
  formatCount,
  formatDelta,
  formatEpsilon,
  formatNumber,
  plural,
} from "../report/format.ts";
import { bannerBox, figure, glossaryList, list, section, tile } from "../report/layout.ts";
import { renderPage } from "../report/page.ts";
import { attackFigures } from "./attack-figures.ts";
import { noiseInWords } from "./attack-text.ts";
import {
  AUDIT_WORDS,
  type AuditResult,
  attackInWords,
  auditBanner,
  limitsInWords,
  promiseInWords,
  proofInWords,
} from "./report-words.ts";

function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`;
}

function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (values: readonly string[], tag: "td" | "th"): string =>
    values
      .map((value, i) =>
        i === 0 ? `<th class="text">${escapeHtml(value)}</th>` : `<${tag}>${escapeHtml(value)}</${tag}>`,
      )
      .join("");
  return (
    `<div class="scroll" tabindex="0"><table><caption>${escapeHtml(caption)}</caption>` +
    `<thead><tr>${cells(head, "th")}</tr></thead>` +
    `<tbody>${rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("")}</tbody></table></div>`
  );
}

function shortHash(hash: string): string {
  return hash === "" ? "–" : `${hash.slice(0, 10)}…`;
}

function instant(time: string): string {
  return `${time.slice(0, 10)} ${time.slice(11, 16)} UTC`;
}

function tiles({ verdict, attack }: AuditResult, account: TaskAccount | undefined): string {
  const figureOf = (value: string, small: string): string =>
    `<p class="figure">${escapeHtml(value)} <small>${escapeHtml(small)}</small></p>`;
  const survivors = (account?.rounds ?? []).flatMap((round) =>
    round.survivors === null ? [] : [round.survivors],
  );
  const noise = account !== undefined && account.promised.epsilon !== null;
  return `<div class="tiles">${[
    tile(
      "Rules broken",
      figureOf(formatCount(verdict.violations.length), `in ${plural(verdict.entries, "entry", "entries")}`),
      verdict.keyPinned ? "signed by the key that was given" : "signed by the key the ledger names",
    ),
    tile(
      "ε spent, of promised",
      noise
        ? figureOf(
            formatEpsilon(account.claimed.coordinator),
            `of ${formatEpsilon(account.promised.epsilon)}`,
          )
        : `<p class="figure">none</p>`,
      noise && account.proven !== null
        ? `recomputed: ${formatEpsilon(account.proven.rdp)} and ${formatEpsilon(account.proven.pld)}`
        : "no guarantee was promised",
    ),
    tile(
      "Fewest people in a result",
      survivors.length === 0
        ? `<p class="figure">–</p>`
        : figureOf(formatCount(Math.min(...survivors)), "people"),
      account?.minSurvivors == null
        ? "the promise is unknown"
        : `${formatCount(account.minSurvivors)} were promised`,
    ),
    tile(
      "ε shown by attacks",
      attack === null ? `<p class="figure">–</p>` : figureOf(formatEpsilon(attack.lowerBound), "or more"),
      attack === null
        ? "no attack was run"
        : `${formatEpsilon(Math.min(attack.proven.rdp, attack.proven.pld))} or less is proven`,
    ),
  ].join("")}</div>`;
}

function violations(found: readonly AuditViolation[]): string {
  if (found.length === 0) return "";
  const items = found
    .map(
      ({ entry, rule, found: is, expected }) =>
        `<li><strong>Entry ${entry}, rule ${escapeHtml(rule)}.</strong> ${escapeHtml(RULE_MEANINGS[rule])}<br>` +
        `Found ${escapeHtml(is)}; expected ${escapeHtml(expected)}.</li>`,
    )
    .join("");
  return section("What is wrong", `<div class="card"><ol class="plain">${items}</ol></div>`);
}

function ledgerFigures(account: TaskAccount, id: string): string {
  const ended = account.rounds.filter(({ outcome }) => outcome !== "open");
  const noise = account.promised.epsilon !== null;
  const spent = noise
    ? figure({
        heading: "ε after each round",
        about:
          "What one person has at most given up, as the ledger says and as recomputed, and what was promised.",
        body:
          legend([
            { name: "ledger", tone: "teal", line: true },
            { name: "recomputed (privacy loss distribution)", tone: "indigo", line: true },
            { name: "promised", tone: "rose", dash: true },
          ]) +
          lineChart(
            {
              id: `${id}-epsilon`,
              title: "ε after each round",
              desc: "Lines for ledger and recomputation, below the promise.",
            },
            {
              series: [
                {
                  name: "ledger",
                  tone: "teal",
                  points: ended.map((r) => ({ x: r.round, y: r.claimed.coordinator })),
                },
                {
                  name: "recomputed",
                  tone: "indigo",
                  points: ended.map((r) => ({ x: r.round, y: r.proven?.pld ?? null })),
                },
              ],
              references: [{ name: "promised", tone: "rose", y: account.promised.epsilon }],
              fromZero: true,
            },
          ),
      })
    : "";
  const cohorts = figure({
    heading: "People in each result",
    about: `Survivors and those who left during the round.${account.minSurvivors === null ? "" : ` At least ${formatCount(account.minSurvivors)} survivors were promised.`}`,
    body:
      legend([
        { name: "survivors", tone: "teal" },
        { name: "left during the round", tone: "amber" },
      ]) +
      columnChart(
        {
          id: `${id}-cohorts`,
          title: "People in each result",
          desc: "Columns of survivors and of those who left, by round.",
        },
        {
          parts: [
            { name: "survivors", tone: "teal" },
            { name: "left during the round", tone: "amber" },
          ],
          columns: ended.map(({ round, survivors, cohort, reason }) => ({
            round,
            values: [survivors, survivors === null || cohort === null ? null : cohort - survivors],
            ...(reason === null ? {} : { note: reason }),
          })),
          format: formatCount,
        },
      ),
  });
  return `<div class="grid">${spent}${cohorts}</div>`;
}

function lineage({ task, models, promoted, rounds, rollBacks }: TaskAccount): string {
  const times = new Map(rounds.map(({ entry, time }) => [entry, time]));
  const versions = table(
    `Models of ${task}`,
    ["round", "model", "made from", "published", "in use"],
    models.map(({ round, hash, parent, entry }) => [
      round === 0 ? "initial" : String(round),
      shortHash(hash),
      shortHash(parent),
      times.has(entry) ? instant(times.get(entry)!) : "–",
      hash === promoted ? "promoted" : "",
    ]),
  );
  if (rollBacks.length === 0) return versions;
  const decisions = table(
    "Decisions to go back to an earlier model",
    ["when", "given up", "gone back to", "decided by", "why"],
    rollBacks.map(({ time, from, to, operator, reason }) => [
      instant(time),
      shortHash(from),
      shortHash(to),
      operator ?? "nobody",
      reason,
    ]),
  );
  return versions + decisions;
}

function appendix(result: AuditResult): string {
  const { verdict, attack, source, models, heads } = result;
  const facts: [string, string][] = [
    ["ledger", source],
    [
      "entries",
      `${formatCount(verdict.entries)}${verdict.period === null ? "" : `, ${instant(verdict.period.from)} to ${instant(verdict.period.to)}`}`,
    ],
    [
      "coordinator's key",
      `${verdict.key ?? "unknown"} (${verdict.keyPinned ? "given by the auditor" : "named by the ledger"})`,
    ],
    ["tree head", `${verdict.head.root} over ${formatCount(verdict.head.size)} entries`],
    ["earlier tree heads compared", formatCount(heads)],
    ["model files compared", models === null ? "none" : formatCount(models)],
    ...verdict.tasks.map(({ task, planDigest }): [string, string] => [`plan of ${task}`, planDigest]),
    [
      "ε recomputed",
      "Rényi divergence of a sum of discrete Gaussians (Kairouz, Liu, Steinke 2021), and the privacy loss of a Gaussian that dominates it",
    ],
  ];
  if (attack !== null)
    facts.push(
      [
        "attacked",
        `the client pipeline of this version with ${noiseInWords(attack.deviationShare)}, two honest members, everybody else colluding; seed ${attack.seed}`,
      ],
      [
        "noise multiplier",
        `${formatNumber(attack.noiseMultiplier)} over ${plural(attack.participations, "round")}, δ ${formatDelta(attack.delta)}`,
      ],
      [
        "two worlds",
        `Clopper–Pearson; ${plural(attack.twoWorlds.runs, "run")} of each judged, as many for the threshold; at most ${formatEpsilon(attack.twoWorlds.ceiling)} can be shown. Gaussian: µ from the same bounds (Nasr et al. 2023)`,
      ],
      [
        "one run",
        `Steinke, Nasr, Jagielski 2023; ${formatCount(attack.oneRun.canaries)} canaries, ${formatCount(attack.oneRun.correct)} of ${formatCount(attack.oneRun.guesses)} guesses right; at most ${formatEpsilon(attack.oneRun.ceiling)} can be shown`,
      ],
      ["canary estimate", `Andrew et al. 2023; ${formatCount(attack.federatedCanaries.canaries)} canaries`],
      ["membership", `likelihood ratio (Carlini et al. 2022); area ${formatNumber(attack.membership.area)}`],
      ...(attack.released === null
        ? []
        : [
            [
              "released models",
              `loss threshold (Yeom et al. 2018) and likelihood ratio with shadow models (Carlini et al. 2022); ${attack.released.attacks.map((each) => `${each.attack} ${formatNumber(each.area)}`).join(", ")}`,
            ] satisfies [string, string],
          ]),
      [
        "reconstruction",
        `cosine ${attack.reconstruction.masked.toFixed(3)} masked, ${attack.reconstruction.unmasked.toFixed(3)} unmasked without noise, chance ${attack.reconstruction.chanceLevel.toFixed(3)}`,
      ],
    );
  const rules = Object.entries(RULE_MEANINGS).map(([rule, meaning]) => ({ term: rule, meaning }));
  return section(
    "Technical appendix",
    `<div class="card">${glossaryList(facts.map(([term, meaning]) => ({ term, meaning })))}</div>` +
      `<h2>Rules that were checked</h2><div class="card">${glossaryList(rules)}</div>`,
  );
}

/** Renders the report. */
export function renderAuditReport(result: AuditResult): string {
  const { verdict, attack, source, time } = result;
  const tasks = verdict.tasks;
  return renderPage({
    title: `Kindred: privacy audit of ${source}`,
    heading: "Privacy audit",
    facts: [
      source,
      plural(tasks.length, "task"),
      plural(verdict.entries, "ledger entry", "ledger entries"),
      instant(time),
    ],
    body: [
      bannerBox(auditBanner(result)),
      tiles(result, tasks[0]),
      violations(verdict.violations),
      ...tasks.map((account, i) =>
        [
          section(
            `What was promised: ${account.title || account.task}`,
            `<div class="card lead">${paragraph(promiseInWords(account))}</div>`,
          ),
          section(
            "What the ledger proves",
            `<div class="card lead">${paragraph(proofInWords(account))}</div><p></p>${ledgerFigures(account, `task-${i}`)}`,
          ),
        ].join(""),
      ),
      section(
        "What the attacks found",
        `<div class="card lead">${paragraph(attackInWords(attack))}</div><p></p>${attack === null ? "" : attackFigures(attack)}`,
      ),
      ...tasks.map((account) => section("Models, and what they were made from", lineage(account))),
      section("What this report does not show", `<div class="card">${list(limitsInWords(result))}</div>`),
      section("Words used here", `<div class="card">${glossaryList(AUDIT_WORDS)}</div>`),
      appendix(result),
    ],
    footer:
      "Made by kindred audit report. This file is complete in itself: it runs no script and asks no network for anything.",
  });
}
