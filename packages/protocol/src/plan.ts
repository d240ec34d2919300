/**
 * The plan: an operator's task as one declarative, versioned document.
 *
 * `planInputSchema` is what an operator writes; every field has a default except the task's id. The
 * coordinator *resolves* it against a catalogue (`Plan`): the layout of the joint vector and the calibrated
 * mechanism become part of the document, so that clients need not trust anybody's floating-point library:
 * they check the numbers with their own accountant. The plan is signed by the coordinator and pinned by its digest.
 */
import { z } from "zod";
import { canonicalJson, sha256Hex } from "./canonical.ts";
import { KindredError } from "./errors.ts";
import { attainableParticipations, planContradictions, resolvedContradictions } from "./plan-rules.ts";
import {
  DEFAULT_PARTICIPATIONS,
  DEFAULT_SURVIVORS,
  LARGEST_DEFAULT_SIZE,
  planSections,
  resolvedPlanSchema,
} from "./plan-sections.ts";
import { rejectionFromZod } from "./validation.ts";

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The defaults that depend on other fields. */
function withDerivedDefaults(document: unknown): unknown {
  return isRecord(document) ? withTransitionRounds(withMinimumSize(withParticipations(document))) : document;
}

/** Popularity first: by it the items are chosen between which transitions are counted. */
function withTransitionRounds(document: Record<string, unknown>): Record<string, unknown> {
  const { signals } = document;
  if (!isRecord(signals) || signals["popularity"] === undefined) return document;
  const { transitions } = signals;
  if (!isRecord(transitions)) return document;
  return { ...document, signals: { ...signals, transitions: { rounds: [2], ...transitions } } };
}

/** A device cannot take part more often than the rounds allow, and a larger P would buy nothing for its noise. */
function withParticipations(document: Record<string, unknown>): Record<string, unknown> {
  const { rounds = 5, participation = {} } = document;
  if (!isRecord(participation) || participation["maximum"] !== undefined) return document;
  const { minimumSeparation = 1 } = participation;
  if (!Number.isInteger(rounds) || !Number.isInteger(minimumSeparation)) return document;
  const attainable = attainableParticipations(rounds as number, minimumSeparation as number);
  if (!(attainable >= 1)) return document;
  return {
    ...document,
    participation: { ...participation, maximum: Math.min(DEFAULT_PARTICIPATIONS, attainable) },
  };
}

/** A small cohort has no cluster of 100 people: there the minimum size is a twentieth of the survivors. */
function withMinimumSize(document: Record<string, unknown>): Record<string, unknown> {
  const { cohort = {}, clustering = {} } = document;
  if (!isRecord(cohort) || !isRecord(clustering) || clustering["minimumSize"] !== undefined) return document;
  const { minSurvivors = DEFAULT_SURVIVORS } = cohort;
  if (!Number.isInteger(minSurvivors) || !((minSurvivors as number) >= 1)) return document;
  const share = Math.ceil((minSurvivors as number) / 20);
  return {
    ...document,
    clustering: { ...clustering, minimumSize: Math.min(LARGEST_DEFAULT_SIZE, share) },
  };
}

const checkedSections = planSections.superRefine((plan, context) => {
  if (context.issues.length > 0) return; // rules compare fields that are valid by themselves
  for (const { path, rule, fix } of planContradictions(plan))
    context.addIssue({ code: "custom", path: [...path], message: rule, params: { fix } });
});

export const planInputSchema = z.preprocess(withDerivedDefaults, checkedSections);
export type PlanInput = z.infer<typeof planInputSchema>;

export const planSchema = checkedSections
  .safeExtend({ resolved: resolvedPlanSchema })
  .superRefine((plan, context) => {
    if (context.issues.length > 0) return;
    for (const { path, rule, fix } of resolvedContradictions(plan))
      context.addIssue({ code: "custom", path: [...path], message: rule, params: { fix } });
  });
export type Plan = z.infer<typeof planSchema>;

/** A plan with the coordinator's Ed25519 signature over `utf8("kindred.plan/1:" + digest)`, hexadecimal. */
export const signedPlanSchema = z.strictObject({
  plan: planSchema,
  signature: z.string().regex(/^[0-9a-f]{128}$/, "must be 128 hexadecimal digits"),
});
export type SignedPlan = z.infer<typeof signedPlanSchema>;

/**
 * Parses what an operator wrote and fills in the defaults.
 * @throws KindredError `plan-invalid` naming the first offending field, its rule and the fix
 */
export function parsePlanInput(document: unknown): PlanInput {
  const parsed = planInputSchema.safeParse(document, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw new KindredError(rejectionFromZod(parsed.error, { code: "plan-invalid", root: "plan" }));
}

/**
 * Parses a signed, resolved plan. The signature is *not* checked here: this package holds no keys.
 * @throws KindredError `plan-invalid`
 */
export function parseSignedPlan(document: unknown): SignedPlan {
  const parsed = signedPlanSchema.safeParse(document, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw new KindredError(rejectionFromZod(parsed.error, { code: "plan-invalid", root: "signedPlan" }));
}

/** SHA-256 of the plan's canonical JSON, 64 hexadecimal digits. */
export function planDigest(plan: Plan): string {
  return sha256Hex(canonicalJson(plan));
}

/** The text whose UTF-8 bytes the coordinator signs for a plan. */
export function planSigningText(plan: Plan): string {
  return `kindred.plan/1:${planDigest(plan)}`;
}
