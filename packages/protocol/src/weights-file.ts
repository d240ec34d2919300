/** Weights of an encoder as a file, before any task: what pre-training, distillation and compression read and write. */
import { z } from "zod";
import { canonicalJson, sha256Hex } from "./canonical.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { KindredError } from "./errors.ts";
import { areFiniteFloats, bytesFloat, floatBytes } from "./float-bytes.ts";
import { type EncoderShape, encoderShapeSchema } from "./plan-sections.ts";
import { rejectionFromZod } from "./validation.ts";

const WEIGHTS_SCHEMA = "kindred.weights/1";

const weightsFileSchema = z.strictObject({
  schema: z.literal(WEIGHTS_SCHEMA),
  catalogue: z.string().regex(/^[0-9a-f]{64}$/),
  features: z.string().regex(/^([0-9a-f]{64})?$/),
  encoder: encoderShapeSchema,
  source: z.string().min(1).max(500),
  weights: z.custom<Uint8Array>((value) => value instanceof Uint8Array, { message: "must be bytes" }),
});

/** Weights, and what they belong to. */
export interface EncoderWeightsFile {
  /** Content hash of the catalogue whose items the encoder knows. */
  readonly catalogue: string;
  /** Content hash of the items' features; empty for hashed n-grams. */
  readonly features: string;
  readonly encoder: EncoderShape;
  /** How they were made, in words. */
  readonly source: string;
  /** All weights in the order of the encoder's layout, without adapters. */
  readonly weights: Float32Array;
}

/** Content hash of weights, as a plan names it: SHA-256 of them as little-endian float32. */
export function weightsHash(weights: Float32Array): string {
  return sha256Hex(floatBytes(weights));
}

/** Encodes weights as deterministic CBOR. */
export function encodeWeightsFile({ weights, ...rest }: EncoderWeightsFile): Uint8Array {
  return encodeCbor({ ...rest, schema: WEIGHTS_SCHEMA, weights: floatBytes(weights) });
}

/** @throws KindredError `model-invalid` if the file is no weights file or holds a value that is not finite */
export function decodeWeightsFile(file: Uint8Array): EncoderWeightsFile {
  const refuse = (field: string, rule: string): never => {
    const fix = "use a file written by kindred model";
    throw new KindredError({ code: "model-invalid", field, rule, fix });
  };
  let body: unknown;
  try {
    body = decodeCbor(file);
  } catch {
    refuse("weights", "must be one deterministic CBOR document");
  }
  const parsed = weightsFileSchema.safeParse(body, { reportInput: true });
  if (!parsed.success)
    throw new KindredError(rejectionFromZod(parsed.error, { code: "model-invalid", root: "weights" }));
  const { schema: _, weights, ...rest } = parsed.data;
  if (!areFiniteFloats(weights)) refuse("weights.weights", "must be finite float32 values");
  return { ...rest, weights: bytesFloat(weights) };
}

/**
 * Refuses weights that belong to another catalogue, other features or an encoder of another shape. Dropout may differ: it
 * has no weights.
 * @throws KindredError `model-invalid` naming the first difference
 */
export function checkWeightsFit(
  file: Omit<EncoderWeightsFile, "weights" | "source">,
  wanted: Omit<EncoderWeightsFile, "weights" | "source">,
): void {
  const refuse = (field: string, found: string, due: string): never => {
    throw new KindredError({
      code: "model-invalid",
      field: `weights.${field}`,
      rule: `must be ${due} as the task has it, found ${found}`,
      fix: "pre-train again with the task's plan, catalogue and features",
    });
  };
  for (const name of ["catalogue", "features"] as const)
    if (file[name] !== wanted[name]) refuse(name, file[name] || "none", wanted[name] || "none");
  const shape = (encoder: EncoderShape) => ({ ...encoder, dropout: 0 }) as Readonly<Record<string, unknown>>;
  const [found, due] = [shape(file.encoder), shape(wanted.encoder)];
  for (const name of new Set([...Object.keys(found), ...Object.keys(due)])) {
    const [a, b] = [found, due].map((of) => (of[name] === undefined ? "none" : canonicalJson(of[name])));
    if (a !== b) refuse(`encoder.${name}`, a!, b!);
  }
}
