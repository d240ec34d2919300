/** The least task that a coordinator takes: eight items, a tiny encoder, cohorts of four, no noise. */

export const smallCatalogue = {
  schema: "kindred.catalogue/1",
  items: Array.from({ length: 8 }, (_, i) => ({ id: `item-${i}`, title: `Item ${i}`, tags: [] })),
};

/** Its plan, one round unless the changes say otherwise. */
export function smallPlan<C extends object = object>(task: string, changes?: C) {
  return {
    task,
    rounds: 1,
    encoder: {
      layers: 1,
      dimension: 4,
      heads: 1,
      feedForward: 4,
      sequenceLength: 4,
      textBuckets: 256,
      itemDeltaRank: 0,
    },
    cohort: { minimum: 4, target: 4, maximum: 5, minSurvivors: 4, corruption: 0, dropout: 0 },
    privacy: { mechanism: "none" },
    clustering: { clusters: 2 },
    ...changes,
  };
}
