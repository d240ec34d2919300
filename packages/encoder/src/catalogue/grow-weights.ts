/** Trained weights for a catalogue that has gained and lost items. */
import { type EncoderShape, KindredError, type TrainingOptions } from "@kindred/protocol";
import { encoderAdapters, encoderLayout, type Layout } from "../layout.ts";
import { type DescribedItem, itemAttributes } from "./item-attributes.ts";
import { predictItemParameters } from "./item-parameters.ts";

type Item = DescribedItem & { readonly id: string };

/** Weights of the larger catalogue, and what became of the items. */
export interface GrownWeights {
  /** In the order of the layout that has neither adapters nor heads, as a weights file holds them. */
  readonly weights: Float32Array;
  readonly kept: number;
  /** Items whose bias and delta are foretold. */
  readonly added: number;
  readonly removed: number;
  /** Shares of the variance over items left out that are foretold: see `PredictedParameters`. Of all entries of the deltas together. */
  readonly explained: { readonly bias: number; readonly delta: number };
}

/**
 * Items that both catalogues have keep their bias and delta, whatever the order; those of a new one are foretold from its title and
 * tags by `predictItemParameters`. Everything else stays as it was.
 *
 * @param weights in the layout of `options.training`: adapters are added to their matrices, heads are left behind
 * @param options.training as for `encoderLayout`; without it, neither adapters nor heads
 * @throws KindredError `model-invalid` on a wrong length, `catalogue-invalid` when no item is left
 */
export function growWeights(
  weights: Float32Array,
  options: {
    readonly shape: EncoderShape;
    readonly training?: TrainingOptions;
    readonly from: readonly Item[];
    readonly into: readonly Item[];
  },
): GrownWeights {
  const { shape, training, from, into } = options;
  const layout = encoderLayout(shape, from.length, training);
  if (weights.length !== layout.length)
    throw new KindredError({
      code: "model-invalid",
      field: "weights",
      rule: `must be ${layout.length} values as this encoder has for ${from.length} items, found ${weights.length}`,
      fix: "pass the plan and the catalogue that they were trained with",
    });
  const before = new Map(from.map(({ id }, position) => [id, position]));
  const trained = into.map(({ id }) => before.get(id));
  const known = trained.flatMap((row, position) => (row === undefined ? [] : [position]));
  const wanted = trained.flatMap((row, position) => (row === undefined ? [position] : []));
  if (known.length === 0)
    throw new KindredError({
      code: "catalogue-invalid",
      field: "catalogue.items",
      rule: "must share an item with the catalogue before it",
      fix: "keep the ids of items that stay",
    });

  const whole = withoutAdapters(weights, { layout, shape, training });
  const grown = encoderLayout(shape, into.length);
  const result = new Float32Array(grown.length);
  const itemRows: { readonly own: Float32Array; readonly target: Float32Array }[] = [];
  for (const { name, offset, length } of grown.tensors) {
    const own = tensorOf(whole, layout, name);
    const target = result.subarray(offset, offset + length);
    if (name !== "item.bias" && name !== "item.delta") target.set(own);
    else
      for (let row = 0; row < length / into.length; row++)
        itemRows.push({
          own: own.subarray(row * from.length, (row + 1) * from.length),
          target: target.subarray(row * into.length, (row + 1) * into.length),
        });
  }

  const targets = itemRows.length;
  const parameters = Float64Array.from(
    { length: known.length * targets },
    (_, i) => itemRows[i % targets]!.own[trained[known[Math.floor(i / targets)]!]!]!,
  );
  const foretold = predictItemParameters(itemAttributes(into), { known, parameters, wanted });
  itemRows.forEach(({ target }, t) => {
    known.forEach((position, i) => {
      target[position] = parameters[i * targets + t]!;
    });
    wanted.forEach((position, i) => {
      target[position] = foretold.parameters[i * targets + t]!;
    });
  });
  // The layout has the rows of the deltas first, then that of the biases.
  const bias = targets - 1;
  return {
    weights: result,
    kept: known.length,
    added: wanted.length,
    removed: from.length - known.length,
    explained: {
      bias: foretold.explained[bias]!,
      delta: pooledShare(foretold.explained.subarray(0, bias), { parameters, targets }),
    },
  };
}

function tensorOf(weights: Float32Array, { tensors }: Layout, name: string): Float32Array {
  const { offset, length } = tensors.find((tensor) => tensor.name === name)!;
  return weights.subarray(offset, offset + length);
}

/** A copy in which each adapted matrix is W + A·B. */
function withoutAdapters(
  weights: Float32Array,
  of: {
    readonly layout: Layout;
    readonly shape: EncoderShape;
    readonly training: TrainingOptions | undefined;
  },
): Float32Array {
  const result = weights.slice();
  if (of.training?.trainable !== "adapters") return result;
  const rank = of.training.adapterRank;
  for (const { name, inputs, outputs } of encoderAdapters(of.shape)) {
    const matrix = tensorOf(result, of.layout, name);
    const a = tensorOf(weights, of.layout, `${name}.adapterA`);
    const b = tensorOf(weights, of.layout, `${name}.adapterB`);
    for (let i = 0; i < inputs; i++)
      for (let r = 0; r < rank; r++)
        for (let j = 0; j < outputs; j++) matrix[i * outputs + j]! += a[i * rank + r]! * b[r * outputs + j]!;
  }
  return result;
}

/** The share of several targets' variance together. */
function pooledShare(
  explained: Float64Array,
  { parameters, targets }: { readonly parameters: Float64Array; readonly targets: number },
): number {
  let variance = 0;
  let foretold = 0;
  explained.forEach((share, t) => {
    const values = parameters.filter((_, i) => i % targets === t);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const own = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    variance += own;
    foretold += share * own;
  });
  return variance > 0 ? foretold / variance : 0;
}
