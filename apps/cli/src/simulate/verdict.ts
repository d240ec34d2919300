/** What a simulation shows, in sentences that follow from its numbers. */
import type { SimulationResult } from "../report/simulation-result.ts";

/** One sentence each. */
export function verdict({ metrics, rounds, noise, epsilon, cohort }: SimulationResult): string[] {
  const { before, after, popularity, centralised, noiseCohort } = metrics;
  const published = rounds.filter(({ status }) => status === "published");
  const dropped = rounds.reduce((sum, round) => sum + round.dropped, 0);
  const sentences = [
    `${published.length} of ${rounds.length} rounds were published${dropped > 0 ? `, although ${dropped} selected clients vanished on the way` : ""}.`,
    `NDCG@10 went from ${score(before.ndcg10)} to ${score(after.ndcg10)}: ${share(after.ndcg10, centralised.ndcg10)} of the same encoder trained centrally without privacy (${score(centralised.ndcg10)}), ${compare(after.ndcg10, popularity.ndcg10)} popularity (${score(popularity.ndcg10)}).`,
  ];
  if (noise !== null && noise.signalToNoise < 1)
    sentences.push(
      `With ${cohort} people a round and ε = ${epsilon.promised?.toFixed(2)}, the noise on the mean update is ${(1 / noise.signalToNoise).toFixed(noise.signalToNoise > 0.1 ? 1 : 0)} times as large as what the first cohort learned: a population this small cannot train this many weights privately.`,
    );
  if (noiseCohort !== undefined)
    sentences.push(
      `The same training with the noise of ${noiseCohort.cohort.toLocaleString("en")} people a round reaches ${score(noiseCohort.quality.ndcg10)} (a simulation of that noise, not a release).`,
    );
  if (noise === null) sentences.push("Noise was off: secure aggregation alone, without an (ε, δ) guarantee.");
  return sentences;
}

function score(value: number): string {
  return value.toFixed(3);
}

function share(part: number, whole: number): string {
  return whole > 0 ? `${Math.round((100 * part) / whole)} %` : "–";
}

function compare(value: number, reference: number): string {
  return value > reference ? "above" : value < reference ? "below" : "equal to";
}
