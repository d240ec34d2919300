/** What an operator may bring to a task beside plan and catalogue: features of the items, and pre-trained weights. */
import { encoderLayout, initialWeights } from "@kindred/encoder/layout";
import {
  assembleFeatures,
  type Catalogue,
  catalogueHash,
  checkWeightsFit,
  compressWeights,
  decodeFeatureBundle,
  decodeFeatureManifest,
  decodeWeightsFile,
  type EncoderShape,
  KindredError,
  type PlanInput,
  sha256Hex,
  weightsHash,
} from "@kindred/protocol";
import type { BlobStore } from "../store/blobs.ts";

/** Features of a catalogue that were built beforehand. */
export interface BuiltFeatures {
  /** Content hash of the manifest. */
  readonly hash: string;
  /** items × dimension. */
  readonly features: Float32Array;
  /** Manifest and segments. */
  readonly files: readonly Uint8Array[];
}

/**
 * @param bundle as `encodeFeatureBundle` gives it
 * @throws KindredError `catalogue-invalid` if it is not of this catalogue or does not have the encoder's dimension
 */
export function readFeatures(
  bundle: Uint8Array | undefined,
  { catalogue, shape }: { catalogue: Catalogue; shape: Pick<EncoderShape, "dimension"> },
): BuiltFeatures | undefined {
  if (bundle === undefined) return undefined;
  const { manifest: file, segments } = decodeFeatureBundle(bundle);
  const hash = sha256Hex(file);
  const manifest = decodeFeatureManifest(file, hash);
  const refuse = (field: string, rule: string, fix: string): never => {
    throw new KindredError({ code: "catalogue-invalid", field, rule, fix });
  };
  if (manifest.catalogue !== catalogueHash(catalogue) || manifest.rowOf.length !== catalogue.items.length)
    refuse(
      "features.catalogue",
      "must be the catalogue of the task",
      "pass catalogue and features of the same kindred catalogue build",
    );
  if (manifest.dimension !== shape.dimension)
    refuse(
      "features.dimension",
      `must be the encoder's dimension ${shape.dimension}, found ${manifest.dimension}`,
      `build with --dimension ${shape.dimension}, or set plan.encoder.dimension to ${manifest.dimension}`,
    );
  const features = assembleFeatures(manifest, segments);
  const named = manifest.segments.map((segment) => segments.get(segment.hash)!);
  return { hash, features, files: [file, ...named] };
}

/** Features of a task that was created before, from the store. */
export async function storedFeatures(blobs: BlobStore<"released">, hash: string): Promise<Float32Array> {
  const get = async (name: string): Promise<Uint8Array> => {
    const file = await blobs.get(name);
    if (file === undefined) throw new Error(`features ${name} are missing from the blob store`);
    return file;
  };
  const manifest = decodeFeatureManifest(await get(hash), hash);
  const segments = new Map<string, Uint8Array>();
  for (const segment of manifest.segments) segments.set(segment.hash, await get(segment.hash));
  return assembleFeatures(manifest, segments);
}

/**
 * Weights that a task starts from, compressed where the plan says so, and their hash where they were brought. Adapters are not pre-trained: they follow as
 * they are drawn.
 * @throws KindredError `model-invalid` if the file belongs to another catalogue, other features or another shape
 */
export function readInitialWeights(
  file: Uint8Array | undefined,
  {
    plan,
    catalogue,
    features,
  }: { plan: PlanInput; catalogue: Catalogue; features: BuiltFeatures | undefined },
): { readonly weights: Float32Array; readonly hash?: string } {
  const { encoder, training } = plan;
  const itemCount = catalogue.items.length;
  const weights = initialWeights(encoder, itemCount, training);
  const started = (from: Float32Array): Float32Array =>
    plan.model === undefined ? from : compressWeights(from, plan.model.download);
  if (file === undefined) return { weights: started(weights) };
  const found = decodeWeightsFile(file);
  checkWeightsFit(found, {
    catalogue: catalogueHash(catalogue),
    features: features?.hash ?? "",
    encoder,
  });
  const { length } = encoderLayout(encoder, itemCount);
  if (found.weights.length !== length)
    throw new KindredError({
      code: "model-invalid",
      field: "weights.weights",
      rule: `must be ${length} values as this encoder has, found ${found.weights.length}`,
      fix: "pre-train again with the task's plan, catalogue and features",
    });
  weights.set(found.weights);
  const compressed = started(weights);
  return { weights: compressed, hash: weightsHash(compressed) };
}
