/** The report in plain words. Every sentence follows from the result; none is there regardless of it. */

import {
  finite,
  formatCount,
  formatDelta,
  formatEpsilon,
  formatNumber,
  formatPercent,
  formatScore,
  plural,
} from "./format.ts";
import type { Banner } from "./layout.ts";
import type { SimulationResult } from "./simulation-result.ts";
import { promiseState, shareOf, type Totals } from "./totals.ts";

/** ε above this is, in the field's common reading, a weak guarantee. */
const WEAK_EPSILON = 10;

/** What happened, in two or three short paragraphs of plain text. */
export function summary(result: SimulationResult, totals: Totals): string[] {
  return [whatRan(result, totals), whatWasLearned(result, totals), privacySentence(result)].filter(
    (paragraph) => paragraph !== "",
  );
}

function whatRan(result: SimulationResult, totals: Totals): string {
  const { rounds } = result;
  const clients = plural(result.clients, "simulated client");
  if (rounds.length === 0) return `${clients} took part in the set-up, and no round was run.`;
  const unpublished = [
    totals.failed.length > 0 ? `${formatCount(totals.failed.length)} failed` : "",
    totals.cancelled.length > 0 ? `${formatCount(totals.cancelled.length)} cancelled` : "",
  ].filter((part) => part !== "");
  const outcome =
    unpublished.length > 0
      ? `${formatCount(totals.published.length)} of ${plural(rounds.length, "round")} published a new model (${unpublished.join(", ")}).`
      : rounds.length === 1
        ? "The one round published a new model."
        : `All ${plural(rounds.length, "round")} published a new model.`;
  const sums =
    totals.smallestSum === null
      ? "No sum was published, so nothing was learned from anyone."
      : `Only sums of at least ${plural(totals.smallestSum, "person", "people")} were ever readable: that is the smallest sum behind a published model.`;
  return (
    `${clients} kept their own behaviour and together trained a model of ${plural(result.items, "item")} ` +
    `(${result.data}). ${outcome} ${sums}`
  );
}

function whatWasLearned({ metrics }: SimulationResult, totals: Totals): string {
  if (totals.published.length === 0) return "";
  const share = shareOf(metrics.after.ndcg10, metrics.centralised.ndcg10);
  const people = metrics.users > 0 ? `, measured on ${plural(metrics.users, "person", "people")}` : "";
  return (
    `Recommendation quality (NDCG@10${people}) went from ${formatScore(metrics.before.ndcg10)} to ` +
    `${formatScore(metrics.after.ndcg10)}. Recommending what is popular reaches ` +
    `${formatScore(metrics.popularity.ndcg10)}; the same encoder trained in one place without privacy reaches ` +
    `${formatScore(metrics.centralised.ndcg10)}${share === null ? "" : `, so federation reached ${formatPercent(share)} of it`}.`
  );
}

/** What the differential-privacy guarantee comes to, in one paragraph; both epsilons, never the smaller alone. */
function privacySentence({ epsilon }: SimulationResult): string {
  const spent = `ε = ${formatEpsilon(epsilon.coordinator)} (δ = ${formatDelta(epsilon.delta)})`;
  const shown = formatEpsilon(epsilon.observer);
  const observer =
    finite(epsilon.observer) === null
      ? ""
      : shown === formatEpsilon(epsilon.coordinator)
        ? " Against someone who sees only the released models it is the same: nothing is deducted for sampling."
        : ` Against someone who sees only the released models it is ${shown}; the larger number is the one to rely on.`;
  switch (promiseState(epsilon)) {
    case "no-noise":
      return "Noise was switched off, so this run gives no differential-privacy guarantee.";
    case "unbounded":
      return "Noise was added, but the accountant found no finite ε: this run gives no differential-privacy guarantee.";
    case "exceeded":
      return `Against the coordinator a person spent ${spent}, more than the ${formatEpsilon(epsilon.promised)} that was promised.${observer}`;
    case "unpromised":
      return `Against the coordinator a person spent at most ${spent}; no limit was promised to compare it with.${observer}`;
    case "kept":
      return `Against the coordinator a person spent at most ${spent}, within the ${formatEpsilon(epsilon.promised)} that was promised.${observer}`;
  }
}

/** The notice about the privacy promise. */
export function privacyBanner({ epsilon }: SimulationResult): Banner {
  const spent = finite(epsilon.coordinator);
  switch (promiseState(epsilon)) {
    case "no-noise":
      return {
        tone: "warn",
        title: "Noise was off: there is no privacy guarantee",
        text: "Single contributions were hidden inside sums, but the sums were exact. Do not run it like this with real people.",
      };
    case "unbounded":
      return {
        tone: "bad",
        title: "No finite ε: there is no privacy guarantee",
        text: "The noise of this run is too small for any guarantee.",
      };
    case "exceeded":
      return {
        tone: "bad",
        title: "The privacy promise was exceeded",
        text: `${formatEpsilon(spent)} was spent and ${formatEpsilon(epsilon.promised)} promised.`,
      };
    case "unpromised":
      return {
        tone: "warn",
        title: "No privacy limit was promised",
        text: `ε = ${formatEpsilon(spent)} was spent.`,
      };
    case "kept":
      return spent !== null && spent > WEAK_EPSILON
        ? {
            tone: "warn",
            title: "The privacy promise was kept, and it is a weak one",
            text: `ε = ${formatEpsilon(spent)} of ${formatEpsilon(epsilon.promised)} was spent. Above ${WEAK_EPSILON} the guarantee says little about one person.`,
          }
        : {
            tone: "good",
            title: "The privacy promise was kept",
            text: `ε = ${formatEpsilon(spent)} of at most ${formatEpsilon(epsilon.promised)} was spent against the coordinator.`,
          };
  }
}

/** How the noise compares with what was learned, in one sentence; empty without noise. */
export function noiseSentence({ noise }: SimulationResult): string {
  if (noise === null || noise === undefined) return "";
  const ratio = finite(noise.signalToNoise);
  const meaning =
    ratio === null
      ? ""
      : ratio < 1
        ? ", so each round carried more noise than learning; a larger cohort shrinks the noise, not the learning"
        : ", so each round carried more learning than noise";
  return (
    `Noise multiplier ${formatNumber(noise.multiplier)}; ${formatNumber(noise.perCoordinate)} on each coordinate of the mean; ` +
    `signal to noise ${formatNumber(ratio)}${meaning}.`
  );
}

/**
 * The 95 % margin of a share measured on `users` people, by the normal approximation; null if it says nothing.
 */
export function marginOfShare(share: number, users: number): number | null {
  const p = finite(share);
  if (p === null || p < 0 || p > 1 || !(users > 0)) return null;
  return finite(1.96 * Math.sqrt((p * (1 - p)) / users));
}

/** Terms and what they mean, in plain words. */
export function glossary({ epsilon }: SimulationResult): { term: string; meaning: string }[] {
  const spent = finite(epsilon.coordinator);
  const factor =
    spent !== null && spent > 0 && spent <= WEAK_EPSILON
      ? ` Here e^${formatEpsilon(spent)} is about ${formatNumber(Math.exp(spent))}.`
      : "";
  return [
    {
      term: "ε (epsilon)",
      meaning: `How much one person can change what is published. Whatever anyone sees is at most e^ε times as likely with that person as without. Smaller is more private; 0 would reveal nothing.${factor}`,
    },
    {
      term: "δ (delta)",
      meaning: "The small probability with which the limit that ε sets may not hold.",
    },
    {
      term: "Against the coordinator, against observers",
      meaning:
        "The coordinator knows who took part, so nothing is gained from being picked at random. Observers see only the released models.",
    },
    { term: "Cohort", meaning: "The clients picked for one round." },
    {
      term: "Survivor",
      meaning:
        "A client whose contribution is in the sum of its round. Those who left before are dropped; nothing of theirs can be read.",
    },
    {
      term: "HR@10, NDCG@10",
      meaning:
        "For each person one item is held out and all items are ranked. HR@10 is how often the held-out item is among the first ten; NDCG@10 also rewards a higher place.",
    },
    {
      term: "Silhouette, ARI",
      meaning:
        "How well clusters are told apart (−1 to 1), and how well they agree with groups that are known beforehand (1 is perfect, 0 is chance).",
    },
  ];
}
