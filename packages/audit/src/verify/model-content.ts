/** Whether what a model holds is what its round can have given it, by the plan and the model that it was made from. */
import { contentOfRound, countedBy } from "@kindred/engine";
import {
  canonicalJson,
  type Model,
  type ModelSignals,
  type Plan,
  SIGNALS,
  type SignalName,
  sha256Hex,
  weightsHash,
} from "@kindred/protocol";
import type { Finding, SignalClaim } from "./signal-account.ts";

/** What of a model has to follow from the one it was made from. */
export interface ModelContent {
  /** Round that made it. */
  readonly round: number;
  /** `weightsHash` of its weights. */
  readonly weights: string;
  /** Its collaborative signals: what each says about itself, and a digest of all of it. */
  readonly signals: { readonly [name in SignalName]?: SignalClaim & { readonly digest: string } };
  /** The next round may count by its fine clusters. */
  readonly clustering: Model["clustering"];
  /** The popularity that its own round collected, by which later rounds choose the items that they count. */
  readonly popularity: NonNullable<ModelSignals["popularity"]> | undefined;
}

/** The content of a model, without its weights and without the counts that nothing follows from. */
export function contentOf({ weights, signals = {}, clustering, round }: Model): ModelContent {
  const claims: { [name in SignalName]?: SignalClaim & { digest: string } } = {};
  for (const name of SIGNALS) {
    const released = signals[name];
    if (released === undefined) continue;
    const document = Object.entries(released).map(([key, value]) => [
      key,
      typeof value === "number" ? value : [...value],
    ]);
    claims[name] = {
      ...{ round: released.round, people: released.people, deviation: released.deviation },
      counted: "items" in released ? released.items : Uint32Array.from(released.clusters),
      digest: sha256Hex(canonicalJson(Object.fromEntries(document))),
    };
  }
  const { popularity } = signals;
  return {
    ...{ round, weights: weightsHash(weights), signals: claims, clustering },
    popularity: popularity?.round === round ? popularity : undefined,
  };
}

/** Holds the content of each model of a task to the one that it was made from. */
export class ContentCheck {
  /** Undefined where the plan cannot be used. */
  readonly #plan: Plan | undefined;
  /** Every popularity that a round collected, by its digest. */
  readonly #popularities = new Map<string, ModelSignals["popularity"]>();

  constructor(plan: Plan | undefined, contents: readonly ModelContent[]) {
    this.#plan = plan;
    for (const { signals, popularity } of contents)
      if (popularity !== undefined) this.#popularities.set(signals.popularity!.digest, popularity);
  }

  /**
   * What a model has that no round gave it.
   * @param options.parent what it was made from; undefined where that file is not there
   * @param options.weights hash of the weights that the plan says an initial model has
   */
  finding(
    model: ModelContent,
    { parent, weights }: { readonly parent: ModelContent | undefined; readonly weights: string | undefined },
  ): Finding | undefined {
    if (weights !== undefined && model.weights !== weights)
      return { found: `initial weights ${model.weights}`, expected: `${weights}, as the plan says` };
    if (model.round > 0 && parent === undefined) return undefined;
    const collected = SIGNALS.filter((name) => model.signals[name]?.digest !== parent?.signals[name]?.digest);
    for (const name of collected)
      if (model.signals[name]?.round !== model.round || collected.length > 1)
        return {
          found: `${name} that round ${model.round} did not collect`,
          expected: "those of the model before, and at most one signal of the round's own",
        };
    if (collected.length > 0 && parent?.weights !== model.weights)
      return {
        found: "other weights than before",
        expected: `those of the model that ${collected} was added to`,
      };
    return parent && this.#againstPlan(model, { parent, collected: collected[0] });
  }

  /** Whether a round carried what the plan had due, and counted what it had to count. */
  #againstPlan(
    { round, signals }: ModelContent,
    { parent, collected }: { readonly parent: ModelContent; readonly collected: SignalName | undefined },
  ): Finding | undefined {
    const plan = this.#plan;
    if (plan === undefined) return undefined;
    const content = contentOfRound(plan, { round, model: parent });
    if (content !== (collected ?? "training"))
      return {
        found: `${collected ?? "no signal"} collected by round ${round}`,
        expected: content === "training" ? "none: it had to train" : `${content}, which the plan had due`,
      };
    const due = collected && this.#countedBy(plan, { signal: collected, parent });
    const { counted } = (collected && signals[collected]) ?? {};
    if (due === undefined || counted === undefined || same(due, counted)) return undefined;
    return {
      found: `${collected} counted by ${listed(counted)}`,
      expected: `by ${listed(due)}, as the model before has them`,
    };
  }

  /** What rows and columns stand for; undefined where the popularity that decides on it is in a file that is not there. */
  #countedBy(
    plan: Plan,
    { signal, parent }: { readonly signal: SignalName; readonly parent: ModelContent },
  ): Uint32Array | undefined {
    const { clustering, signals } = parent;
    if (signals.popularity === undefined) return countedBy(plan, { signal, parent: { clustering } });
    const popularity = this.#popularities.get(signals.popularity.digest);
    return popularity && countedBy(plan, { signal, parent: { clustering, signals: { popularity } } });
  }
}

function same(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((what, i) => what === b[i]);
}

/** Identities that an auditor can compare by eye, or the first of them. */
function listed(identities: Uint32Array): string {
  const most = 8;
  const first = identities.subarray(0, most).join(", ");
  return identities.length > most
    ? `${identities.length} rows, first ${first}`
    : `rows ${first || "of everybody"}`;
}
