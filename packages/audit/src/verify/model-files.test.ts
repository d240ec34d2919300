import { encodeModel, type Model, modelHash, unnamedClustering, weightsHash } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { checkModelFiles, readModelFile } from "./model-files.ts";

type Content = Partial<Pick<Model, "weights" | "signals">>;

/** A chain of models as a ledger names them, and their files. @param initial hash of the initial weights by the plan */
function verdictOn(contents: readonly Content[], initial?: string) {
  let parent = "";
  const files = contents.map((content, round) => {
    const weights = Float32Array.of(1, 2, 3);
    const centroids = Float32Array.of(1, 0);
    const clustering = unnamedClustering(1);
    const model = { task: "films", round, parent, weights, centroids, clusters: 1, clustering, ...content };
    const bytes = encodeModel({ ...model, cells: new Float32Array() });
    parent = modelHash(bytes);
    return readModelFile(`${round}`, bytes);
  });
  const models = files.map(({ hash, model }, entry) => ({
    ...{ entry, hash, round: model!.round, parent: model!.parent, clip: null },
    ...{ survivors: entry === 0 ? null : 40, kept: 0 },
    ...(entry === 0 ? { weights: initial } : {}),
  }));
  const account = { task: "films", models, rollBacks: [] };
  return checkModelFiles(account, { files, plan: undefined }).map(({ entry, rule }) => [entry, rule]);
}

const counted = (round: number, count = 5) => ({
  ...{ round, people: 40, deviation: 2, clusters: [] },
  ...{ entries: Uint32Array.of(3), counts: Float32Array.of(count) },
});
const trained = Float32Array.of(4, 5, 6);

describe("what a model file holds", () => {
  it("is sound where a round trains, collects, and hands on what was collected", () => {
    const popularity = counted(1);
    const handedOn = { signals: { popularity }, weights: trained };
    expect(verdictOn([{}, { signals: { popularity } }, handedOn])).toEqual([]);
    const again = { signals: { popularity: counted(3) }, weights: trained };
    expect(verdictOn([{}, { signals: { popularity } }, handedOn, again])).toEqual([]);
    expect(verdictOn([{}], weightsHash(Float32Array.of(1, 2, 3)))).toEqual([]);
  });

  it.each<[string, readonly Content[]]>([
    ["an initial model with signals", [{ signals: { popularity: counted(1) } }]],
    ["counts of another round", [{}, {}, { signals: { popularity: counted(1) } }]],
    [
      "counts that were changed on the way",
      [{}, { signals: { popularity: counted(1) } }, { signals: { popularity: counted(1, 6) } }],
    ],
    ["counts that are gone", [{}, { signals: { popularity: counted(1) } }, {}]],
    [
      "other weights after a round that collected",
      [{}, { signals: { popularity: counted(1) }, weights: trained }],
    ],
  ])("is caught: %s", (_, contents) => {
    expect(verdictOn(contents)).toEqual([[contents.length - 1, "model-content"]]);
  });

  it("is caught: initial weights that are not the plan's", () => {
    expect(verdictOn([{}], "a".repeat(64))).toEqual([[0, "model-content"]]);
  });
});
