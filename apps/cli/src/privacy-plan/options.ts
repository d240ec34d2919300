/** The flags of `kindred privacy plan`, turned into a plan as an operator would write it. */
import { readFile } from "node:fs/promises";
import { encoderLayout, trainableLayout } from "@kindred/encoder/layout";
import { heldOutLength } from "@kindred/engine";
import { KindredError, type PlanInput, parseCatalogue, parsePlanInput } from "@kindred/protocol";
import { parse } from "yaml";

/** What commander hands over: every value still a text. */
export interface PrivacyPlanFlags {
  readonly plan?: string;
  readonly catalogue?: string;
  readonly epsilon?: string;
  readonly delta?: string;
  readonly rounds?: string;
  readonly participations?: string;
  readonly separation?: string;
  readonly cohort?: string;
  readonly minSurvivors?: string;
  readonly corruption?: string;
  readonly dropout?: string;
  readonly length?: string;
  readonly clusters?: string;
  readonly dimension?: string;
  readonly modulusBits?: string;
  readonly modelClip?: string;
  readonly clipQuantile?: string;
  readonly noise?: string;
  readonly noiseLevels?: string;
  readonly weights?: string;
  readonly devices?: string;
  readonly json?: string | true;
  readonly html?: string;
}

/** A plan to be looked at before anything runs. */
export interface PlanQuestion {
  readonly input: PlanInput;
  /** Trainable weights, the length of the model block. */
  readonly modelLength: number;
  /** Items of the catalogue, 1 where there is none: they matter here only through `modelLength`. */
  readonly itemCount: number;
}

/** Flags that a plan document takes the place of. */
const PLAN_FLAGS = [
  "epsilon",
  "delta",
  "rounds",
  "participations",
  "separation",
  "devices",
  "cohort",
  "minSurvivors",
  "corruption",
  "dropout",
  "clusters",
  "dimension",
  "modulusBits",
  "modelClip",
  "clipQuantile",
  "noise",
  "noiseLevels",
  "weights",
] as const;

/** Which flag sets a field of the plan. */
const FLAG_OF_FIELD: Readonly<Record<string, string>> = {
  "plan.rounds": "--rounds",
  "plan.participation.maximum": "--participations",
  "plan.participation.minimumSeparation": "--separation",
  "plan.participation.devices": "--devices",
  "plan.cohort.minimum": "--cohort",
  "plan.cohort.target": "--cohort",
  "plan.cohort.maximum": "--cohort",
  "plan.cohort.minSurvivors": "--min-survivors",
  "plan.cohort.corruption": "--corruption",
  "plan.cohort.dropout": "--dropout",
  "plan.privacy": "--modulus-bits",
  "plan.privacy.epsilon": "--epsilon",
  "plan.privacy.delta": "--delta",
  "plan.privacy.modulusBits": "--modulus-bits",
  "plan.privacy.blocks.model.clip": "--model-clip",
  "plan.privacy.noise.design": "--noise",
  "plan.privacy.noise.levels": "--noise-levels",
  "plan.privacy.blocks.model.adaptive.quantile": "--clip-quantile",
  "plan.privacy.blocks.model.weight": "--weights",
  "plan.privacy.blocks.counts.weight": "--weights",
  "plan.privacy.blocks.sums.weight": "--weights",
  "plan.privacy.blocks.evaluation.weight": "--weights",
  "plan.clustering.clusters": "--clusters",
  "plan.encoder.dimension": "--dimension",
};

/** Entries of the evaluation block that every plan has: loss and silhouette. */
export const EVALUATION_LENGTH = 2;

function refuse(field: string, rule: string, fix: string): never {
  throw new KindredError({ code: "option-invalid", field, rule, fix });
}

function flagName(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function number(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    refuse(flag, `must be a number, found "${text}"`, `pass a number, such as ${flag} 4`);
  return value;
}

function wholeNumber(flag: string, text: string, range: { from: number; to: number }): number {
  const value = number(flag, text);
  if (!Number.isInteger(value) || value < range.from || value > range.to)
    refuse(
      flag,
      `must be a whole number from ${range.from} to ${range.to}, found "${text}"`,
      `pass ${flag} ${range.from} or more`,
    );
  return value;
}

/** Runs what refuses a field of the plan, so that the refusal names the flag that sets it. */
export function namingFlags<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof KindredError)) throw error;
    const flag = FLAG_OF_FIELD[error.rejection.field];
    if (flag === undefined) throw error;
    throw new KindredError({ ...error.rejection, code: "option-invalid", field: flag });
  }
}

/**
 * The plan that the flags describe.
 * @throws KindredError naming the flag, or the field of the plan document, its rule and the fix
 */
export async function readPlanQuestion(flags: PrivacyPlanFlags): Promise<PlanQuestion> {
  if (flags.plan !== undefined) return fromDocument(flags, flags.plan);
  if (flags.catalogue !== undefined)
    refuse("--catalogue", "must come with --plan", "pass --plan too, or --length instead");
  return namingFlags(() => fromFlags(flags));
}

async function fromDocument(flags: PrivacyPlanFlags, file: string): Promise<PlanQuestion> {
  for (const name of PLAN_FLAGS)
    if (flags[name] !== undefined)
      refuse(
        flagName(name),
        "must not come with --plan, which says it already",
        "change the plan, or leave --plan out",
      );
  const input = parsePlanInput(await readDocument("--plan", file));
  const { clusters } = input.clustering;
  if (flags.catalogue !== undefined) {
    if (flags.length !== undefined)
      refuse("--length", "must not come with --catalogue, from which it follows", "leave one of them out");
    const { items } = parseCatalogue(await readDocument("--catalogue", flags.catalogue));
    const layout = encoderLayout(input.encoder, items.length, input.training);
    const modelLength = trainableLayout(layout, input.training).length;
    return { input, itemCount: items.length, modelLength };
  }
  if (flags.length === undefined)
    refuse(
      "--catalogue",
      "must be there: its items decide how long the vector is",
      "pass --catalogue FILE, or --length N",
    );
  if (input.signals !== undefined)
    refuse(
      "--catalogue",
      "must be there: the plan collects signals, which are counts over its items",
      "pass --catalogue FILE in place of --length",
    );
  return { input, itemCount: Math.max(1, clusters), modelLength: modelLength(flags.length, input) };
}

function fromFlags(flags: PrivacyPlanFlags): PlanQuestion {
  const given = <T>(name: keyof PrivacyPlanFlags, fallback: T): number | T => {
    const text = flags[name];
    return typeof text === "string" ? number(flagName(name), text) : fallback;
  };
  const cohort = wholeNumber("--cohort", flags.cohort ?? "1000", { from: 2, to: 100_000 });
  const dropout = given("dropout", 0.2);
  const minSurvivors = given("minSurvivors", Math.max(2, Math.floor(cohort * (1 - dropout) * 0.9)));
  const rounds = given("rounds", 20);
  const separation = given("separation", 1);
  const weights = readWeights(flags.weights ?? "1,0.25,0.35,0.25");
  const input = parsePlanInput({
    task: "privacy-plan",
    rounds,
    cohort: {
      minimum: Math.min(minSurvivors, cohort),
      target: cohort,
      maximum: cohort,
      minSurvivors,
      corruption: given("corruption", 0.05),
      dropout,
    },
    participation: {
      maximum: given("participations", Math.min(4, Math.ceil(rounds / separation))),
      minimumSeparation: separation,
      ...(flags.devices === undefined ? {} : { devices: given("devices", 1) }),
    },
    encoder: { dimension: given("dimension", 64) },
    clustering: { clusters: given("clusters", 16) },
    privacy: {
      epsilon: given("epsilon", 4),
      delta: given("delta", 1e-6),
      modulusBits: flags.modulusBits === "auto" ? "auto" : given("modulusBits", "auto"),
      ...noiseDesign(flags),
      blocks: {
        model: {
          weight: weights[0],
          clip: given("modelClip", 1),
          ...(flags.clipQuantile === undefined ? {} : { adaptive: { quantile: given("clipQuantile", 0.5) } }),
        },
        counts: { weight: weights[1] },
        sums: { weight: weights[2] },
        evaluation: { weight: weights[3] },
      },
    },
  });
  return {
    input,
    itemCount: input.clustering.clusters,
    modelLength: modelLength(flags.length ?? "65536", input),
  };
}

/** The noise design, left to the plan's default without a flag. */
function noiseDesign({ noise, noiseLevels }: PrivacyPlanFlags): object {
  if (noise === undefined && noiseLevels === undefined) return {};
  const design = noise ?? "add-then-remove";
  if (noiseLevels === undefined) return { noise: { design } };
  if (design === "worst-case")
    refuse("--noise-levels", "must come with --noise add-then-remove", "leave one of them out");
  return { noise: { design, levels: wholeNumber("--noise-levels", noiseLevels, { from: 1, to: 16 }) } };
}

/** What `--length`, the whole joint vector, leaves for the model. */
function modelLength(text: string, input: PlanInput): number {
  const { clustering, encoder, privacy } = input;
  const clipping = privacy.blocks.model.adaptive === undefined ? 0 : 1;
  const others =
    clustering.clusters * (1 + encoder.dimension) + EVALUATION_LENGTH + heldOutLength(input) + clipping;
  const length = wholeNumber("--length", text, { from: 1, to: 2 ** 27 });
  if (length <= others)
    refuse(
      "--length",
      `must exceed the ${others} entries of the other blocks, found ${length}`,
      "raise --length, or lower --clusters or --dimension",
    );
  return length - others;
}

function readWeights(text: string): readonly [number, number, number, number] {
  const [model, counts, sums, evaluation, ...rest] = text.split(",").map((part) => number("--weights", part));
  if (
    model === undefined ||
    counts === undefined ||
    sums === undefined ||
    evaluation === undefined ||
    rest.length > 0
  )
    refuse(
      "--weights",
      `must be four numbers, found "${text}"`,
      "pass model,counts,sums,evaluation such as 1,0.25,0.35,0.25",
    );
  return [model, counts, sums, evaluation];
}

async function readDocument(flag: string, file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch(() =>
    refuse(flag, `must be a readable file, found "${file}"`, "check the path"),
  );
  try {
    return parse(text) as unknown;
  } catch (error) {
    const where = error instanceof Error ? error.message.split("\n")[0] : "it cannot be parsed";
    return refuse(flag, `must be YAML or JSON: ${where}`, "correct the file");
  }
}
