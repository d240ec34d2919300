/** The model file that devices download: encoder weights and cluster centroids, content-addressed. */
import { decode, encode } from "cborg";
import { z } from "zod";
import { sha256Hex } from "./canonical.ts";
import { accepted, type Result, rejected } from "./errors.ts";
import { taskIdSchema } from "./plan.ts";
import { rejectionFromZod } from "./validation.ts";

const modelFileSchema = z.strictObject({
  schema: z.literal("kindred.model/1"),
  task: taskIdSchema,
  /** Round that made it; 0 is the initial model. */
  round: z.number().int().min(0),
  /** Content hash of the model it was made from, empty for the initial one. */
  parent: z.string().regex(/^([0-9a-f]{64})?$/),
  /** Little-endian float32. */
  weights: z.instanceof(Uint8Array),
  centroids: z.instanceof(Uint8Array),
  clusters: z.number().int().min(1),
});

/** A model version. */
export interface Model {
  readonly task: string;
  readonly round: number;
  readonly parent: string;
  /** All shared weights of the encoder, in its layout's order. */
  readonly weights: Float32Array;
  /** Row-major clusters × dimension, rows of L2 norm 1. */
  readonly centroids: Float32Array;
  readonly clusters: number;
}

function floatBytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) view.setFloat32(i * 4, values[i]!, true);
  return bytes;
}

function bytesFloat(bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length / 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(i * 4, true);
  return values;
}

/** Encodes a model as canonical CBOR; the same model always gives the same bytes. */
export function encodeModel(model: Model): Uint8Array {
  return encode({
    schema: "kindred.model/1",
    task: model.task,
    round: model.round,
    parent: model.parent,
    weights: floatBytes(model.weights),
    centroids: floatBytes(model.centroids),
    clusters: model.clusters,
  });
}

/** Content hash of a model file. */
export function modelHash(file: Uint8Array): string {
  return sha256Hex(file);
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
    body = decode(file);
  } catch {
    return rejected("model-invalid", "model", {
      rule: "must be valid CBOR",
      fix: "use a file written by encodeModel",
    });
  }
  const parsed = modelFileSchema.safeParse(body);
  if (!parsed.success)
    return { ok: false, rejection: rejectionFromZod(parsed.error, { code: "model-invalid", root: "model" }) };
  const { task, round, parent, clusters } = parsed.data;
  if (parsed.data.weights.length % 4 !== 0 || parsed.data.centroids.length % (4 * clusters) !== 0)
    return rejected("model-invalid", "model.weights", {
      rule: "must hold whole float32 values",
      fix: "use a file written by encodeModel",
    });
  const weights = bytesFloat(parsed.data.weights);
  const centroids = bytesFloat(parsed.data.centroids);
  if (!weights.every(Number.isFinite) || !centroids.every(Number.isFinite))
    return rejected("model-invalid", "model.weights", {
      rule: "must be finite",
      fix: "roll back to the previous model version",
    });
  return accepted({ task, round, parent, weights, centroids, clusters });
}
