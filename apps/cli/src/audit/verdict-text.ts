/** The outcome of a verification as text for a terminal. */
import {
  type AuditViolation,
  type LedgerVerdict,
  RULE_MEANINGS,
  type TaskAccount,
} from "@kindred/audit/verify";
import { formatCount, formatDelta, formatEpsilon, plural } from "../report/format.ts";
import { fact, fit, heading, type Row } from "../terminal/rows.ts";
import { paint, printable, wrap } from "../terminal/text.ts";
import { withDevices } from "./report-words.ts";

/** What was checked beside the ledger. */
export interface VerdictContext {
  /** File or address. */
  readonly source: string;
  /** Tree heads that were given. */
  readonly heads: number;
  /** Model files that were given; undefined where none were asked for. */
  readonly models: number | undefined;
}

interface Style {
  readonly columns: number;
  readonly color: boolean;
}

/** Violations that are spelt out; of a ledger signed by another key every entry is one. */
const SHOWN = 25;

/** An instant as people read it, to the minute; UTC. */
function instant(time: string): string {
  return `${time.slice(0, 10)} ${time.slice(11, 16)}`;
}

function shortHash(hash: string): string {
  return `${hash.slice(0, 8)}…${hash.slice(-8)}`;
}

function span(values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? formatCount(low) : `${formatCount(low)} to ${formatCount(high)}`;
}

function ledgerRows(verdict: LedgerVerdict, { heads, models }: VerdictContext): Row[] {
  const { entries, period, key, keyPinned, head } = verdict;
  const from = period === null ? "" : `, ${instant(period.from)} to ${instant(period.to)} UTC`;
  return [
    heading("The ledger"),
    fact("entries", `${formatCount(entries)}${from}`),
    key === null
      ? fact("signed by", "no key is known", "bad")
      : keyPinned
        ? fact("signed by", `${shortHash(key)}, the key that was given`)
        : fact(
            "signed by",
            `${shortHash(key)}, named by the ledger itself: pass --key to be sure whose it is`,
            "warn",
          ),
    fact("tree head", `${shortHash(head.root)} over ${plural(head.size, "entry", "entries")}`),
    heads > 0
      ? fact("earlier tree heads", `${plural(heads, "head")} compared`)
      : fact("earlier tree heads", "none was given: only with --head a rewritten past is found", "warn"),
    models === undefined
      ? fact("model files", "not compared: name their folder with --models", "dim")
      : fact("model files", `${plural(models, "file")} compared`),
  ];
}

function taskRows(account: TaskAccount): Row[] {
  const { task, title, promised, participations, rounds, plannedRounds, minSurvivors, models, promoted } =
    account;
  const { claimed, proven } = account;
  const released = rounds.filter(({ outcome }) => outcome === "released");
  const failed = rounds.filter(({ outcome }) => outcome === "failed").length;
  const survivors = released.flatMap((round) => (round.survivors === null ? [] : [round.survivors]));
  const within =
    promised.epsilon !== null && claimed.coordinator !== null && claimed.coordinator <= promised.epsilon;
  const noise = promised.epsilon !== null;
  return [
    heading(`Task ${printable(task)}${title === "" ? "" : `: ${printable(title)}`}`),
    noise
      ? fact(
          "promised to each person",
          `ε at most ${formatEpsilon(promised.epsilon)} at δ ${formatDelta(promised.delta)}, for at most ${plural(participations, "round")} with them${withDevices(account.devices)}`,
        )
      : fact("promised to each person", "secure aggregation only: noise is off, no (ε, δ)", "warn"),
    ...(noise
      ? [
          fact(
            "spent, says the ledger",
            `ε ${formatEpsilon(claimed.coordinator)} against the coordinator, ${formatEpsilon(claimed.observer)} against others`,
            within ? "good" : "bad",
          ),
          proven === null
            ? fact("spent, recomputed", "cannot be computed from this plan", "bad")
            : fact(
                "spent, recomputed",
                `ε ${formatEpsilon(proven.rdp)} by Rényi divergence, ${formatEpsilon(proven.pld)} by privacy loss distribution`,
              ),
        ]
      : []),
    fact(
      "rounds",
      `${formatCount(released.length)} of ${formatCount(plannedRounds)} published${failed > 0 ? `, ${formatCount(failed)} failed` : ""}`,
    ),
    fact(
      "people in each result",
      `${survivors.length === 0 ? "nothing was published" : span(survivors)}${minSurvivors === null ? "" : `; at least ${formatCount(minSurvivors)} were promised`}`,
    ),
    fact(
      "models",
      `${plural(models.length, "version")}, last ${shortHash(models.at(-1)!.hash)} of round ${models.at(-1)!.round}${promoted === null ? "" : `; in use ${shortHash(promoted)}`}`,
    ),
  ];
}

function violationLines(
  violation: AuditViolation,
  { number, columns, color }: Style & { number: number },
): string[] {
  const { entry, rule, found, expected } = violation;
  const mark = `${number}. `;
  const indent = " ".repeat(mark.length + 2);
  const field = (label: string, text: string): string[] =>
    wrap(printable(text), Math.max(20, columns - indent.length - 10)).map(
      (line, i) => `${indent}${i === 0 ? label.padEnd(10) : " ".repeat(10)}${line}`,
    );
  return [
    `  ${paint(`${mark}Entry ${entry}, rule ${rule}`, { look: "bad", color })}`,
    ...wrap(RULE_MEANINGS[rule], Math.max(20, columns - indent.length)).map((line) => `${indent}${line}`),
    ...field("found", found),
    ...field("expected", expected),
  ];
}

/** Summary of a sound ledger, or a numbered list of what is wrong with it; ends with a line break. */
export function renderVerdict(
  verdict: LedgerVerdict,
  { context, columns, color }: Style & { context: VerdictContext },
): string {
  const { violations } = verdict;
  const width = Math.max(40, columns);
  const sound = violations.length === 0;
  const headline = sound
    ? "The ledger holds: every rule was checked and none is broken."
    : `The ledger does not hold: ${plural(violations.length, "violation")}.`;
  const title = [
    ...wrap(`Audit of ${printable(context.source)}`, width),
    ...wrap(headline, width).map((line) => paint(line, { look: sound ? "good" : "bad", color })),
  ];
  const listed = violations
    .slice(0, SHOWN)
    .map((violation, i) => violationLines(violation, { number: i + 1, columns: width, color }).join("\n"));
  const more =
    violations.length > SHOWN
      ? [`  … and ${formatCount(violations.length - SHOWN)} more; --json lists all.`]
      : [];
  const tables = [ledgerRows(verdict, context), ...verdict.tasks.map(taskRows)].map((rows) =>
    rows.flatMap((row) => fit(row, { width, color })).join("\n"),
  );
  return `${[title.join("\n"), ...listed, ...more, ...tables].join("\n\n").replaceAll("\u00A0", " ")}\n`;
}
