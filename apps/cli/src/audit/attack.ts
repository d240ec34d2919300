/** `kindred audit attack`: does the mechanism give away more than it is proven to? */
import { writeFile } from "node:fs/promises";
import { type AttackProgress, runAttacks } from "@kindred/audit/attack";
import { isLedgerEntry } from "@kindred/privacy";
import { KindredError, type PlanInput, parsePlanInput, parseSignedPlan } from "@kindred/protocol";
import { nodeMaskStream, nodeSuite } from "@kindred/secagg/node";
import { createProgress } from "../terminal/progress.ts";
import { isRich } from "../terminal/text.ts";
import { renderAttack } from "./attack-text.ts";
import type { AuditTerminal } from "./audit-terminal.ts";
import { type AttackFindings, isContradicted } from "./findings.ts";
import { readLedger } from "./read-sources.ts";
import { attackReleased } from "./released-models.ts";

/** What commander hands over: every value still a text. */
export interface AttackFlags {
  readonly deviation: string;
  readonly runs: string;
  readonly canaries: string;
  readonly shadows: string;
  readonly seconds: string;
  readonly seed: string;
  readonly json?: string;
}

/** Probability that any lower bound of an audit is wrong. */
const ALPHA = 0.05;

/** People of the small task whose released models are attacked. */
const PEOPLE = 64;

/** Of the time limit, what released models may take. */
const RELEASED_SHARE = 0.5;

/** Milliseconds between two draws of the progress. */
const DRAW_MS = 120;

function refuse(field: string, rule: string, fix: string): never {
  throw new KindredError({ code: "option-invalid", field, rule, fix });
}

function number(
  flag: string,
  text: string,
  { from, to, whole }: { from: number; to: number; whole: boolean },
): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= from && value <= to) || (whole && !Number.isInteger(value)))
    refuse(
      flag,
      `must be a ${whole ? "whole " : ""}number from ${from} to ${to}, found "${text}"`,
      "correct the number",
    );
  return value;
}

/** The plan of the first task of a ledger, as its operator wrote it. @throws KindredError without one, or without noise */
export function planOf(entries: readonly unknown[]): PlanInput {
  for (const entry of entries) {
    if (!isLedgerEntry(entry) || entry.body.kind !== "plan-accepted") continue;
    const { resolved: _, ...input } = parseSignedPlan({
      plan: entry.body.plan,
      signature: "0".repeat(128),
    }).plan;
    return input;
  }
  return refuse("LEDGER", "must hold an accepted plan", "name the ledger of a coordinator that runs a task");
}

/** Flags after their check. */
interface AttackSettings {
  readonly deviationShare: number;
  readonly runs: number;
  readonly canaries: number;
  readonly shadows: number;
  readonly seconds: number;
  readonly seed: string;
}

/** Checks the flags. @throws KindredError `option-invalid` */
export function parseAttackFlags(flags: Omit<AttackFlags, "json">): AttackSettings {
  return {
    deviationShare: number("--deviation", flags.deviation, { from: 0, to: 10, whole: false }),
    runs: number("--runs", flags.runs, { from: 2, to: 1_000_000, whole: true }),
    canaries: number("--canaries", flags.canaries, { from: 10, to: 960, whole: true }),
    shadows: number("--shadows", flags.shadows, { from: 0, to: 10_000, whole: true }),
    seconds: number("--seconds", flags.seconds, { from: 1, to: 86_400, whole: false }),
    seed: flags.seed,
  };
}

/** Runs the attacks on a plan, with a progress bar. @throws KindredError for a plan without noise */
export async function attackPlanOf(
  plan: PlanInput,
  { seconds, shadows, ...settings }: AttackSettings,
  { stdout, env }: AuditTerminal,
): Promise<AttackFindings> {
  if (plan.privacy.mechanism === "none")
    refuse("LEDGER", "must promise an ε, but its plan has no noise", "attack a plan with privacy.mechanism");
  const progress = createProgress({ stream: stdout, now: () => Date.now(), env });
  const end = Date.now() + 1000 * seconds;
  const { deviationShare, seed } = settings;
  const running = runAttacks({
    ...settings,
    plan,
    alpha: ALPHA,
    suite: nodeSuite(),
    keystream: nodeMaskStream,
    expired: () => Date.now() > end,
  });
  let last: AttackProgress | undefined;
  let drawn = 0;
  try {
    const releasedEnd = Date.now() + 1000 * seconds * RELEASED_SHARE;
    const released =
      shadows === 0
        ? null
        : await attackReleased({
            privacy: plan.privacy,
            deviationShare,
            shadows,
            people: PEOPLE,
            alpha: ALPHA,
            seed,
            expired: () => Date.now() > releasedEnd,
            progress: async (fraction) => {
              progress.task("Released models", fraction);
              await new Promise((resolve) => setImmediate(resolve));
            },
          });
    if (released?.timeUp !== false && shadows > 0) progress.task("Released models", 1);
    for (;;) {
      const step = running.next();
      if (step.done) {
        if (last !== undefined && last.fraction < 1) progress.task(labelOf(last), 1);
        return { ...step.value, released };
      }
      const { value } = step;
      if (value.attack !== last?.attack || value.fraction === 1 || Date.now() - drawn > DRAW_MS) {
        progress.task(labelOf(value), value.fraction);
        drawn = Date.now();
        // Signals are heard between two steps only if the event loop turns.
        await new Promise((resolve) => setImmediate(resolve));
      }
      last = value;
    }
  } finally {
    progress.done();
  }
}

function labelOf({ attack }: AttackProgress): string {
  return {
    reconstruction: "Reconstruction",
    "one run": "One run",
    "federated canaries": "Federated canaries",
    "two worlds": "Two worlds",
  }[attack];
}

/**
 * Attacks the plan of a ledger, or that of a task with every default.
 * @returns whether the proven ε stands
 * @throws KindredError `option-invalid`
 */
export async function attackCommand(
  source: string | undefined,
  flags: AttackFlags,
  terminal: AuditTerminal,
): Promise<boolean> {
  const settings = parseAttackFlags(flags);
  const plan = source === undefined ? parsePlanInput({ task: "attack" }) : planOf(await readLedger(source));
  const report = await attackPlanOf(plan, settings, terminal);
  const { stdout, env } = terminal;
  if (flags.json !== undefined)
    await writeFile(flags.json, `${JSON.stringify(report, null, 2)}\n`).catch(
      (error: NodeJS.ErrnoException) =>
        refuse(
          "--json",
          `must be a file that can be written, found "${flags.json}" (${error.code})`,
          "name another file",
        ),
    );
  stdout.write(renderAttack(report, { columns: stdout.columns || 80, color: isRich(stdout.isTTY, env) }));
  return !isContradicted(report);
}
