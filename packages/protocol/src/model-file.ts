/** The model file that devices download: encoder weights, clusters and their layers, content-addressed. */
import { z } from "zod";
import { sha256Hex } from "./canonical.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { accepted, type Result, rejected } from "./errors.ts";
import { areFiniteFloats, bytesFloat, floatBytes } from "./float-bytes.ts";
import { clusteringContradiction, type ModelClustering, modelClusteringSchema } from "./model-clustering.ts";
import { decodeSignals, encodeSignals, type ModelSignals, modelSignalsSchema } from "./model-signals.ts";
import { type PackedWeights, packedWeightsSchema, packWeights, unpackWeights } from "./packed-weights.ts";
import { taskIdSchema } from "./plan-sections.ts";
import { rejectionFromZod } from "./validation.ts";

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, { message: "must be bytes" });

/** Version of the file format. Version 1 had no layers, identities and names, and no cells. */
const MODEL_SCHEMA = "kindred.model/2";

const modelFileSchema = z.strictObject({
  schema: z.literal(MODEL_SCHEMA),
  task: taskIdSchema,
  /** Round that made it; 0 is the initial model. */
  round: z.number().int().min(0),
  /** Content hash of the model it was made from, empty for the initial one. */
  parent: z.string().regex(/^([0-9a-f]{64})?$/),
  /** Little-endian float32, or packed. */
  weights: z.union([bytes, packedWeightsSchema]),
  centroids: bytes,
  clusters: z.number().int().min(1),
  clip: z.number().positive().finite().optional(),
  cells: bytes,
  clustering: modelClusteringSchema,
  signals: modelSignalsSchema.optional(),
});

/** A model version. */
export interface Model {
  readonly task: string;
  readonly round: number;
  readonly parent: string;
  /** All shared weights of the encoder, in its layout's order. */
  readonly weights: Float32Array;
  /** The weights are as `compressWeights` gives them, and the file has a byte each at the most. */
  readonly compressed?: true;
  /** Row-major clusters × dimension, rows of L2 norm 1. */
  readonly centroids: Float32Array;
  readonly clusters: number;
  /** C, clip norm of the updates made from this model, where the plan's follows a quantile. */
  readonly clip?: number;
  /**
   * Directions by which the next round counts people, row-major, rows of L2 norm 1: micro-clusters; empty when it
   * counts them by the centroids.
   */
  readonly cells: Float32Array;
  /** Layers, identities, names and sizes of the clusters. */
  readonly clustering: ModelClustering;
  /** What rounds have collected for recommendations, where the plan has signals. */
  readonly signals?: ModelSignals;
}

/** Why bytes are not finite float32 values, or `undefined`. */
function floatsRefused(
  bytes: Uint8Array,
  name: "weights" | "centroids" | "cells",
): ReturnType<typeof rejected> | undefined {
  if (bytes.length % 4 !== 0)
    return rejected("model-invalid", `model.${name}`, {
      rule: "must hold whole float32 values",
      fix: "use a file written by encodeModel",
    });
  if (!areFiniteFloats(bytes))
    return rejected("model-invalid", `model.${name}`, {
      rule: "must be finite",
      fix: "roll back to the previous model version",
    });
  return undefined;
}

/**
 * Encodes a model as deterministic CBOR; the same model always gives the same bytes. What `decodeModel` would
 * refuse (values that are not finite, centroids that do not divide into rows) is the caller's to avoid.
 * @throws KindredError `option-invalid` for weights that are marked as compressed and are not
 */
export function encodeModel(model: Model): Uint8Array {
  return encodeCbor({
    schema: MODEL_SCHEMA,
    task: model.task,
    round: model.round,
    parent: model.parent,
    weights: model.compressed ? packWeights(model.weights) : floatBytes(model.weights),
    centroids: floatBytes(model.centroids),
    clusters: model.clusters,
    ...(model.clip === undefined ? {} : { clip: model.clip }),
    cells: floatBytes(model.cells),
    clustering: model.clustering,
    ...(model.signals === undefined ? {} : { signals: encodeSignals(model.signals) }),
  });
}

/** Content hash of a model file. */
export function modelHash(file: Uint8Array): string {
  return sha256Hex(file);
}

function readWeights(
  packed: Uint8Array | PackedWeights,
): Float32Array | NonNullable<ReturnType<typeof floatsRefused>> {
  if (packed instanceof Uint8Array) return floatsRefused(packed, "weights") ?? bytesFloat(packed);
  const weights = unpackWeights(packed);
  if (typeof weights !== "string") return weights;
  return rejected("model-invalid", "model.weights", {
    rule: weights,
    fix: "use a file written by encodeModel",
  });
}

/** Decodes a model file, checks it against the hash it was asked for by, and refuses weights that are not finite. */
export function decodeModel(file: Uint8Array, expectedHash: string): Result<Model> {
  const found = modelHash(file);
  if (found !== expectedHash)
    return rejected("model-invalid", "model", {
      rule: `must have the content hash ${expectedHash}, found ${found}`,
      fix: "download it again; if it persists, the coordinator serves another model than it announced",
    });
  let body: unknown;
  try {
    body = decodeCbor(file);
  } catch {
    return rejected("model-invalid", "model", {
      rule: "must be one deterministic CBOR document",
      fix: "use a file written by encodeModel",
    });
  }
  const parsed = modelFileSchema.safeParse(body, { reportInput: true });
  if (!parsed.success)
    return { ok: false, rejection: rejectionFromZod(parsed.error, { code: "model-invalid", root: "model" }) };
  const { task, round, parent, clusters, clip, clustering } = parsed.data;
  const weights = readWeights(parsed.data.weights);
  if ("ok" in weights) return weights;
  const refused =
    floatsRefused(parsed.data.centroids, "centroids") ?? floatsRefused(parsed.data.cells, "cells");
  if (refused !== undefined) return refused;
  const centroids = bytesFloat(parsed.data.centroids);
  if (centroids.length === 0 || centroids.length % clusters !== 0)
    return rejected("model-invalid", "model.centroids", {
      rule: `must hold ${clusters} rows of one length, found ${centroids.length} values`,
      fix: "use a file written by encodeModel",
    });
  const cells = bytesFloat(parsed.data.cells);
  if (cells.length % (centroids.length / clusters) !== 0)
    return rejected("model-invalid", "model.cells", {
      rule: `must hold rows as long as a centroid (${centroids.length / clusters}), found ${cells.length} values`,
      fix: "use a file written by encodeModel",
    });
  const contradiction = clusteringContradiction(clustering, clusters);
  if (contradiction !== undefined)
    return rejected("model-invalid", `model.clustering.${contradiction.field}`, {
      rule: contradiction.rule,
      fix: "use a file written by encodeModel",
    });
  const signals = parsed.data.signals === undefined ? undefined : decodeSignals(parsed.data.signals);
  if (signals !== undefined && "ok" in signals) return signals;
  return accepted({
    ...{ task, round, parent, weights, centroids, clusters, cells, clustering },
    ...(parsed.data.weights instanceof Uint8Array ? {} : { compressed: true as const }),
    ...(clip === undefined ? {} : { clip }),
    ...(signals === undefined ? {} : { signals }),
  });
}
