/** Vectors of plans, catalogues and model files. */
import { encodeCbor } from "../src/cbor.ts";
import {
  bytesToHex,
  canonicalJson,
  catalogueHash,
  concatBytes,
  encodeModel,
  hexToBytes,
  type ModelClustering,
  type ModelLayer,
  modelHash,
  type Plan,
  planDigest,
  unnamedClustering,
} from "../src/index.ts";
import { bytesFrom, sampleCatalogue, sampleModel, samplePlan } from "./samples.ts";

function planForms(plan: Plan) {
  return { document: plan, canonical: canonicalJson(plan), digest: planDigest(plan) };
}

/** `older-plans.json`: plans from before a field was there, whose bytes later versions must leave as they are. */
export function olderPlanVectors() {
  const plan = samplePlan({ privacy: { modulusBits: 20 } });
  const { rotation: _, ...mechanism } = plan.resolved.mechanism;
  const padded = { ...mechanism, paddedLength: 256 };
  return {
    beforeRotation: planForms({ ...plan, resolved: { ...plan.resolved, mechanism: padded } }),
  };
}

/** Model files whose signals break a rule. */
function signalFiles(reseal: (change: Record<string, unknown>) => string) {
  const word = (value: string): Uint8Array => hexToBytes(value);
  const one = { round: 1, people: 4, deviation: 0.5, entries: word("03000000"), counts: word("0000803f") };
  const transitions = (change: Record<string, unknown>) =>
    reseal({ signals: { transitions: { ...one, items: word("0100000000000000"), ...change } } });
  const two = { entries: word("0300000003000000"), counts: word("0000803f0000803f") };
  return [
    { name: "an entry twice", file: transitions(two), field: "model.signals.transitions.entries" },
    {
      name: "an entry without its count",
      file: transitions({ counts: word("") }),
      field: "model.signals.transitions.counts",
    },
    {
      name: "an infinite count",
      file: transitions({ counts: word("0000807f") }),
      field: "model.signals.transitions.counts",
    },
    {
      name: "half an entry",
      file: transitions({ entries: word("0300") }),
      field: "model.signals.transitions.entries",
    },
    {
      name: "half an item",
      file: transitions({ items: word("0100") }),
      field: "model.signals.transitions.items",
    },
    {
      name: "a signal of nobody",
      file: reseal({ signals: { popularity: { ...one, people: 0, clusters: [0] } } }),
      field: "model.signals.popularity.people",
    },
  ];
}

/** `documents.json` */
export function documentVectors() {
  const file = encodeModel(sampleModel);
  const reseal = (change: Record<string, unknown>): string => {
    const weights = new Uint8Array(concatBytes(hexToBytes("0000803f"), hexToBytes("00000040")));
    const body = {
      schema: "kindred.model/2",
      task: "films",
      round: 0,
      parent: "",
      weights,
      centroids: weights,
      clusters: 2,
      cells: new Uint8Array(0),
      clustering: unnamedClustering(2),
      ...change,
    };
    return bytesToHex(encodeCbor(body));
  };
  const clustered = (change: Partial<ModelClustering>) =>
    reseal({ clustering: { ...unnamedClustering(2), ...change } });
  const layered = (change: Partial<ModelLayer>) =>
    clustered({ layers: [{ ...unnamedClustering(2).layers[0]!, ...change }] });
  return {
    plan: planForms(samplePlan()),
    planForAccounts: planForms(samplePlan({ participation: { devices: 3 } })),
    catalogue: {
      document: sampleCatalogue,
      canonical: canonicalJson(sampleCatalogue),
      hash: catalogueHash(sampleCatalogue),
    },
    model: {
      valid: [
        {
          ...sampleModel,
          weights: [...sampleModel.weights].map((value) => (Object.is(value, -0) ? "-0" : value)),
          centroids: [...sampleModel.centroids],
          cells: [...sampleModel.cells],
          file: bytesToHex(file),
          hash: modelHash(file),
        },
      ],
      invalid: [
        { name: "no CBOR", file: "ff", field: "model" },
        { name: "other schema", file: reseal({ schema: "kindred.model/1" }), field: "model.schema" },
        { name: "unknown field", file: reseal({ note: "" }), field: "model.note" },
        { name: "no clusters", file: reseal({ clusters: 0 }), field: "model.clusters" },
        { name: "parent that is no hash", file: reseal({ parent: "ab" }), field: "model.parent" },
        { name: "weights of 7 bytes", file: reseal({ weights: bytesFrom(0, 7) }), field: "model.weights" },
        { name: "a centroid cut short", file: reseal({ clusters: 3 }), field: "model.centroids" },
        { name: "no centroid", file: reseal({ centroids: new Uint8Array(0) }), field: "model.centroids" },
        { name: "NaN", file: reseal({ weights: hexToBytes("0000c07f") }), field: "model.weights" },
        {
          name: "infinite centroid",
          file: reseal({ centroids: hexToBytes("0000807f00000000") }),
          field: "model.centroids",
        },
        ...signalFiles(reseal),
        { name: "infinite cell", file: reseal({ cells: hexToBytes("0000807f") }), field: "model.cells" },
        { name: "no layers", file: reseal({ clustering: null }), field: "model.clustering" },
        {
          name: "a layer of another number of clusters",
          file: reseal({ clustering: unnamedClustering(3) }),
          field: "model.clustering.layers",
        },
        {
          name: "sizes of other clusters",
          file: clustered({ sizes: [1] }),
          field: "model.clustering.sizes",
        },
        {
          name: "a share above one",
          file: clustered({ sizes: [0.5, 1.5] }),
          field: "model.clustering.sizes.1",
        },
        {
          name: "regions of other clusters",
          file: clustered({ regions: [0, 0, 0] }),
          field: "model.clustering.regions",
        },
        {
          name: "one identity twice",
          file: layered({ ids: [1, 1] }),
          field: "model.clustering.layers.0.ids",
        },
        {
          name: "an identity yet to be given",
          file: layered({ ids: [0, 2] }),
          field: "model.clustering.layers.0.ids",
        },
        {
          name: "names of other clusters",
          file: layered({ names: [] }),
          field: "model.clustering.layers.0.names",
        },
        {
          name: "parents of the first layer",
          file: layered({ parents: [0, 0] }),
          field: "model.clustering.layers.0.parents",
        },
        {
          name: "a parent outside the layer before",
          file: clustered({
            layers: [
              { ids: [0], nextId: 1, names: [[]], parents: [] },
              { ids: [0, 1], nextId: 2, names: [[], []], parents: [0, 1] },
            ],
          }),
          field: "model.clustering.layers.1.parents",
        },
      ],
    },
  };
}
