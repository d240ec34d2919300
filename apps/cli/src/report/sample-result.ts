/** A result with plausible numbers for tests of the report and the summary table. */

import type { HeldOutRecord } from "@kindred/engine";
import type { ClusterQuality, LayerNode, RoundResult, SimulationResult } from "./simulation-result.ts";

/** A round like many; what differs is given. */
export function sampleRound(round: number, differs: Partial<RoundResult> = {}): RoundResult {
  const wave = (k: number) => Math.sin(round * 12.9898 + k * 78.233);
  const dropped = 3 + Math.round(2 * wave(1));
  return {
    round,
    status: "published",
    cohort: 64,
    survivors: 64 - dropped,
    dropped,
    epsilon: 1.42 * Math.sqrt(round),
    observerEpsilon: 0.61 * Math.sqrt(round),
    lossDeviation: 0.12,
    loss: 8.2 - 1.3 * Math.log1p(round) + 0.05 * wave(2),
    silhouette: 0.05 + 0.02 * Math.log1p(round),
    reason: null,
    ms: {
      selecting: 180 + 20 * wave(3),
      training: 5200 + 400 * wave(4),
      enrolling: 240,
      sharing: 610 + 40 * wave(5),
      masking: 1350 + 90 * wave(6),
      consistency: 120,
      unmasking: 480,
      aggregating: 390,
      total: 8570,
    },
    clientMs: { train: 1240, encode: 85, crypto: 310 },
    bytesUpPerClient: 182_400 + 900 * wave(7),
    bytesDownPerClient: 331_000 + 1200 * wave(8),
    ...differs,
  };
}

/** What a round finds of held-out interactions. */
export const sampleHeldOut: HeldOutRecord = {
  share: 0.9,
  hr10: 0.12,
  ndcg10: 0.061,
  loss: 5.21,
  clusterAccuracy: 0.31,
  deviation: { hr10: 0.02, ndcg10: 0.021, loss: 0.11, clusterAccuracy: 0.022 },
  ratings: { rmse: 0.18, mae: 0.14, deviation: { rmse: 0.012, mae: 0.011 } },
};

const TOPICS = [
  "crime and thrillers",
  "animated family",
  "space opera",
  "romantic comedy",
  "war and history",
  "slow horror",
  "superheroes",
  "documentary",
  "noir classics",
  "musicals",
  "Japanese cinema",
  "teen comedy",
  "westerns",
  "satire",
];

/** Quality of clusters; what differs is given. */
function sampleClusters(differs: Partial<ClusterQuality> = {}): ClusterQuality {
  return {
    clusters: 14,
    released: true,
    silhouette: 0.087,
    distance: 0.41,
    daviesBouldin: 1.9,
    calinskiHarabasz: 31.2,
    ari: 0.612,
    ami: 0.701,
    fmi: 0.655,
    ...differs,
  };
}

/** The topics in two layers. */
function sampleLayers(): LayerNode[][] {
  const sizes = TOPICS.map((_, i) => Math.round(46 / (1 + i * 0.35)));
  const fine = TOPICS.map((name, i) => ({ id: i, name, size: sizes[i]!, parent: i % 3, outlier: i === 11 }));
  const basic = ["action", "feelings", "the unusual"].map((name, id) => ({
    id,
    name,
    size: fine.filter(({ parent }) => parent === id).reduce((sum, { size }) => sum + size, 0),
    parent: null,
    outlier: false,
  }));
  return [basic, fine];
}

/** A finished run of 200 clients; what differs is given. */
export function sampleResult(differs: Partial<SimulationResult> = {}): SimulationResult {
  return {
    data: "ml-latest-small",
    clients: 200,
    items: 3650,
    cohort: 64,
    seed: 7,
    rounds: [
      sampleRound(1),
      sampleRound(2),
      sampleRound(3, {
        status: "failed",
        survivors: 31,
        dropped: 33,
        epsilon: 1.42 * Math.sqrt(2),
        observerEpsilon: 0.61 * Math.sqrt(2),
        loss: null,
        lossDeviation: null,
        silhouette: null,
        reason: "31 clients were left at unmasking, the plan needs 45",
      }),
      sampleRound(4),
      sampleRound(5),
    ],
    metrics: {
      before: { hr10: 0.011, ndcg10: 0.0052 },
      after: { hr10: 0.0967, ndcg10: 0.0541 },
      popularity: { hr10: 0.044, ndcg10: 0.021 },
      centralised: { hr10: 0.108, ndcg10: 0.059 },
      noiseCohort: {
        cohort: 10_000,
        quality: { hr10: 0.091, ndcg10: 0.0502 },
        epsilon: 3.18,
        clusters: sampleClusters({ ari: 0.58 }),
        layers: sampleLayers(),
      },
      silhouette: { before: 0.021, after: 0.087 },
      ari: 0.612,
      clusters: {
        before: sampleClusters({ released: false, ari: 0.3, silhouette: 0.021 }),
        after: sampleClusters(),
        groups: "known",
      },
      users: 610,
    },
    epsilon: { coordinator: 3.18, observer: 1.36, delta: 1e-6, promised: 4 },
    noise: { multiplier: 1.37, perCoordinate: 0.00041, signalToNoise: 0.034 },
    learning: [0, 1, 2, 4, 5].map((round) => ({ round, ndcg10: 0.0052 + 0.03 * Math.log1p(round) })),
    clusters: TOPICS.map((name, i) => ({
      name,
      size: Math.round(46 / (1 + i * 0.35)),
      x: Math.cos(i * 2.4) * Math.sqrt(i + 0.5),
      y: Math.sin(i * 2.4) * Math.sqrt(i + 0.5),
    })),
    layers: sampleLayers(),
    person: {
      cohort: 10_000,
      interactions: 57,
      layers: [
        [
          { tags: ["action"], membership: 0.7, longTerm: 0.5 },
          { tags: ["feelings"], membership: 0.3, longTerm: 0.5 },
        ],
      ],
      latent: [{ tags: ["musicals"], expected: 0.12, usual: 0.05 }],
      drift: 0.31,
      changes: [{ interaction: 33, shift: 0.6 }],
      next: [{ tags: ["superheroes"], share: 0.22 }],
      portrait: { en: "Most of what you like is action and feelings.", zh: "你主要喜欢action和feelings。" },
    },
    vector: { length: 61_730, padded: 61_730, bits: 15 },
    backend: "tensorflow",
    durationMs: 98_400,
    notes: [
      "All clients ran on one machine; times on phones will be longer.",
      "200 people are too few for useful quality at this ε: the same noise over 10,000 people is shown beside it.",
    ],
    verdict: [
      "Federation reached 92 % of centralised training and is above popularity.",
      "The round that lost its quorum failed cleanly and the next one started.",
    ],
    ...differs,
  };
}
