/** Follows one task through the ledger: plan limits, survivors, noise, and ε recomputed from the plan. */
import { accountDevices, followsRule, initialClip, nextClip, verifyPlan } from "@kindred/engine";
import { type LedgerBody, noiseLevel, type Spending } from "@kindred/privacy";
import { canonicalJson, KindredError, type Plan, parseSignedPlan, sha256Hex } from "@kindred/protocol";
import { covers, EpsilonAccounts } from "./proven-epsilon.ts";
import type { AuditComplain } from "./rules.ts";
import type { ModelVersion, RollBack, RoundAccount, TaskAccount } from "./task-account.ts";

type Accepted = Extract<LedgerBody, { kind: "plan-accepted" }>;
type Body<Kind extends LedgerBody["kind"]> = Extract<LedgerBody, { kind: Kind }>;

/** A plan is checked against what it promises itself, not against what some device would accept. */
const NO_FLOORS = { maximumEpsilon: Number.POSITIVE_INFINITY, maximumDelta: 1, minimumSurvivors: 1 };

/** The entry at hand. */
export interface AuditedEntry {
  readonly index: number;
  readonly time: string;
  readonly complain: AuditComplain;
}

export class TaskAuditor {
  readonly #accepted: Accepted;
  /** Undefined where the accepted plan cannot be used. */
  readonly #plan: Plan | undefined;
  /** Whether everything that the plan resolves to follows from it. */
  readonly #follows: boolean;
  readonly #accounts: EpsilonAccounts | undefined;
  readonly #rounds = new Map<number, RoundAccount>();
  readonly #models: ModelVersion[];
  readonly #rollBacks: RollBack[] = [];
  #claimed: Spending = { coordinator: 0, observer: 0 };
  #released = 0;
  #promoted: string | null = null;

  constructor(accepted: Accepted, { key, entry }: { key: string; entry: AuditedEntry }) {
    this.#accepted = accepted;
    this.#plan = usablePlan(accepted, { key, complain: entry.complain });
    this.#follows = this.#plan !== undefined && followsFromItself(this.#plan, entry.complain);
    this.#accounts = this.#plan && new EpsilonAccounts(this.#plan);
    const clip = this.#adaptive === undefined ? null : initialClip(this.#plan!);
    const weights = this.#plan?.resolved.weightsHash;
    const made = { round: 0, parent: "", survivors: null, kept: 0 };
    this.#models = [{ ...made, hash: accepted.modelHash, entry: entry.index, clip, weights }];
  }

  /** Takes in one more entry of the task. */
  follow(
    body: Exclude<LedgerBody, { kind: "operator-changed" | "configuration-changed" }>,
    entry: AuditedEntry,
  ) {
    switch (body.kind) {
      case "round-started":
        this.#started(body, entry);
        break;
      case "round-released":
        this.#checkRelease(body, entry.complain);
        if (this.#plan !== undefined) {
          this.#checkRemoved(body, entry.complain);
          this.#checkClipping(body, entry.complain);
        }
        this.#released++;
        this.#models.push({
          round: body.round,
          hash: body.modelHash,
          parent: body.parentModelHash,
          entry: entry.index,
          clip: body.clipping?.next ?? null,
          survivors: body.survivors,
          kept: body.removed?.kept ?? 0,
        });
        this.#ended(body, entry);
        break;
      case "round-failed":
        this.#ended(body, entry);
        break;
      case "model-promoted":
        this.#promoted = body.modelHash;
        break;
      case "model-rolled-back": {
        const { fromModelHash: from, toModelHash: to, reason, operator } = body;
        this.#rollBacks.push({ entry: entry.index, time: entry.time, from, to, reason, operator });
        this.#promoted = to;
        break;
      }
      default:
        break;
    }
  }

  /** Undefined where the accepted plan cannot be used, or resolves to what does not follow from it. */
  get plan(): Plan | undefined {
    return this.#follows ? this.#plan : undefined;
  }

  get #adaptive() {
    return this.#plan?.privacy.blocks.model.adaptive;
  }

  account(): TaskAccount {
    const { task, planDigest, epsilon, delta, participations, rounds } = this.#accepted;
    return {
      task,
      title: this.#plan?.title ?? "",
      planDigest,
      promised: { epsilon, delta },
      participations,
      devices: this.#plan === undefined ? null : accountDevices(this.#plan),
      rounds: [...this.#rounds.values()],
      plannedRounds: rounds,
      minSurvivors: this.#plan?.cohort.minSurvivors ?? null,
      models: [...this.#models],
      rollBacks: [...this.#rollBacks],
      promoted: this.#promoted,
      claimed: this.#claimed,
      proven: this.#proven(),
    };
  }

  #proven() {
    return this.#accounts?.after(this.#released) ?? null;
  }

  #started(body: Body<"round-started">, { index, time, complain }: AuditedEntry): void {
    if (body.round > this.#accepted.rounds)
      complain("rounds", {
        found: `round ${body.round}`,
        expected: `at most ${this.#accepted.rounds} rounds, as the plan says`,
      });
    this.#rounds.set(body.round, {
      round: body.round,
      entry: index,
      time,
      outcome: "open",
      cohort: null,
      survivors: null,
      reason: null,
      claimed: this.#claimed,
      proven: this.#proven(),
    });
  }

  #checkRelease(body: Body<"round-released">, complain: AuditComplain): void {
    if (this.#plan === undefined) return;
    const { cohort, resolved } = this.#plan;
    if (body.survivors > body.cohort || body.survivors > cohort.maximum)
      complain("cohort", {
        found: `${body.survivors} survivors of a cohort of ${body.cohort}`,
        expected: `at most ${Math.min(body.cohort, cohort.maximum)}`,
      });
    if (body.survivors < cohort.minSurvivors)
      complain("minimum-survivors", {
        found: `a release over ${body.survivors} survivors`,
        expected: `at least ${cohort.minSurvivors}, as the plan says`,
      });
    const { localDeviation, honest, scale } = resolved.mechanism;
    const planned = { localDeviation, honest, scale };
    if (canonicalJson(body.noise) !== canonicalJson(planned))
      complain("noise", {
        found: noiseText(body.noise),
        expected: `${noiseText(planned)}, as the plan says`,
      });
  }

  /** What is removed follows from the number of survivors; more would leave less noise than the plan promises. */
  #checkRemoved({ removed, survivors }: Body<"round-released">, complain: AuditComplain): void {
    const { surplus } = this.#plan!.resolved.mechanism;
    const due = surplus === undefined ? undefined : noiseLevel(surplus, survivors);
    const text = (components: number | undefined) =>
      components === undefined
        ? "no component of surplus noise"
        : `${components} components of surplus noise`;
    if (removed?.components !== due || (removed !== undefined && removed.kept > survivors))
      complain("noise", {
        found: `${text(removed?.components)} removed, but of ${removed?.kept ?? 0} members`,
        expected: `${text(due)} removed of ${survivors} survivors, or of fewer`,
      });
  }

  /** The clip norm of a round is its model's, and the next one follows from the published share of updates within it. */
  #checkClipping({ clipping, parentModelHash }: Body<"round-released">, complain: AuditComplain): void {
    const adaptive = this.#adaptive;
    if (adaptive === undefined || clipping === undefined) {
      if ((adaptive === undefined) !== (clipping === undefined))
        complain("clipping", {
          found: clipping === undefined ? "no clip norm" : `the clip norm ${clipping.norm}`,
          expected: adaptive === undefined ? "none: the plan's is fixed" : "one: the plan adapts it",
        });
      return;
    }
    const before = this.#models.find(({ hash }) => hash === parentModelHash)?.clip;
    if (before !== undefined && clipping.norm !== before)
      complain("clipping", {
        found: `the clip norm ${clipping.norm}`,
        expected: `${before}, as its model says`,
      });
    if (!followsRule(adaptive, clipping))
      complain("clipping", {
        found: `the clip norm ${clipping.next} after a share of ${clipping.fraction} within ${clipping.norm}`,
        expected: `${nextClip(adaptive, clipping)}, by the plan's rule`,
      });
  }

  /** A round is over: what it claims has to cover what the releases so far provably cost. */
  #ended(body: Body<"round-released" | "round-failed">, { index, time, complain }: AuditedEntry): void {
    const proven = this.#proven();
    const { after } = body.spent;
    for (const who of ["coordinator", "observer"] as const)
      if (this.#accounts !== undefined && this.#released > 0 && !covers(after[who], proven))
        complain("epsilon", {
          found: `ε ${after[who]} (${who}) after ${this.#released} releases`,
          expected:
            proven === null
              ? "no guarantee, as the plan has no noise"
              : `at least ${Math.min(proven.rdp, proven.pld)}, as recomputed from the plan's noise`,
        });
    this.#claimed = after;
    const released = body.kind === "round-released";
    this.#rounds.set(body.round, {
      round: body.round,
      entry: index,
      time,
      outcome: released ? "released" : "failed",
      cohort: released ? body.cohort : null,
      survivors: released ? body.survivors : null,
      reason: released ? null : body.reason,
      claimed: after,
      proven,
    });
  }
}

function noiseText({ localDeviation, honest, scale }: Body<"round-released">["noise"]): string {
  return `deviation ${localDeviation} of each of ${honest} honest members at scale ${scale}`;
}

/** The plan of an entry, after everything about it was checked; undefined where it cannot be relied on. */
function usablePlan(
  accepted: Accepted,
  { key, complain }: { key: string; complain: AuditComplain },
): Plan | undefined {
  const digest = sha256Hex(canonicalJson(accepted.plan));
  if (digest !== accepted.planDigest)
    complain("plan", { found: `a plan with the digest ${digest}`, expected: accepted.planDigest });
  let plan: Plan;
  try {
    // The entry's own signature covers the plan.
    plan = parseSignedPlan({ plan: accepted.plan, signature: "0".repeat(128) }).plan;
  } catch (error) {
    if (!(error instanceof KindredError)) throw error;
    const { field, rule } = error.rejection;
    complain("plan", { found: field.replace(/^signedPlan\./, ""), expected: rule });
    return undefined;
  }
  checkTerms(accepted, { plan, key, complain });
  return plan;
}

function followsFromItself(plan: Plan, complain: AuditComplain): boolean {
  const verified = verifyPlan(
    { plan, signature: "0".repeat(128) },
    { floors: NO_FLOORS, suite: { verify: () => true } },
  );
  if (!verified.ok) complain("plan", { found: verified.rejection.field, expected: verified.rejection.rule });
  return verified.ok;
}

/** The entry repeats the plan's terms for readers without a parser of plans; they have to be the plan's. */
function checkTerms(
  accepted: Accepted,
  { plan, key, complain }: { plan: Plan; key: string; complain: AuditComplain },
): void {
  const { privacy, participation, resolved } = plan;
  const terms: readonly (readonly [string, unknown, unknown])[] = [
    ["task", accepted.task, plan.task],
    ["ε", accepted.epsilon, privacy.mechanism === "none" ? null : privacy.epsilon],
    ["δ", accepted.delta, privacy.delta],
    ["participations", accepted.participations, participation.maximum],
    ["rounds", accepted.rounds, plan.rounds],
    ["catalogue", accepted.catalogueHash, resolved.catalogueHash],
    ["coordinator's key", key, resolved.coordinatorKey],
  ];
  for (const [name, found, expected] of terms)
    if (found !== expected)
      complain("plan", {
        found: `${name} ${found ?? "none"}`,
        expected: `${expected ?? "none"}, as in the plan`,
      });
}
