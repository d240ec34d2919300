/** What a round found and collected besides its loss, in words: lines of the terminal, captions of the report. */
import type { HeldOutRecord } from "@kindred/engine";
import { formatCount, formatNoisy, formatNumber } from "./format.ts";
import type { RoundResult } from "./simulation-result.ts";

/** The figures of one round that are not in its line. */
export interface RoundFindings {
  readonly heldOut?: RoundResult["heldOut"] | undefined;
  readonly signal?: RoundResult["signal"] | undefined;
}

/** How well the model of a round foresaw what its cohort held out, figure by figure, each with the noise on it. */
function heldOutWords(heldOut: HeldOutRecord): string[] {
  const { deviation, ratings } = heldOut;
  const figures = [
    `HR@10 ${formatNoisy(heldOut.hr10, deviation.hr10)}`,
    `NDCG@10 ${formatNoisy(heldOut.ndcg10, deviation.ndcg10)}`,
    `loss ${formatNoisy(heldOut.loss, deviation.loss)}`,
    `next interest ${formatNoisy(heldOut.clusterAccuracy, deviation.clusterAccuracy)}`,
  ];
  if (ratings === undefined) return figures;
  return [
    ...figures,
    `RMSE ${formatNoisy(ratings.rmse, ratings.deviation.rmse)}`,
    `MAE ${formatNoisy(ratings.mae, ratings.deviation.mae)}`,
  ];
}

/**
 * Two columns: what a figure is of, and the figures, which may be put on several lines.
 * @returns nothing for a round that neither evaluates nor collects
 */
export function findingWords({ heldOut, signal }: RoundFindings): { name: string; words: string[] }[] {
  const found: { name: string; words: string[] }[] = [];
  if (heldOut === null) found.push({ name: "held out", words: ["lost in the noise"] });
  else if (heldOut !== undefined) found.push({ name: "held out", words: heldOutWords(heldOut) });
  if (signal !== undefined)
    found.push({
      name: signal.signal,
      words: [
        `${formatCount(signal.kept)} of ${formatCount(signal.entries)} counts kept`,
        `noise on each ± ${formatNumber(signal.deviation)}`,
      ],
    });
  return found;
}
