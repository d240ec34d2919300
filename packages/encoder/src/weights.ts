/** The encoder's weights: one flat vector, named views into it, and the matrices a backend needs for products. */
import { type EncoderShape, KindredError, type TrainingOptions } from "@kindred/protocol";
import type { Tensor2D } from "@tensorflow/tfjs-core";
import { encoderLayout, type Layout, type LayoutTensor } from "./layout.ts";
import { type MatrixProducts, transpose } from "./products.ts";

export class EncoderWeights {
  readonly layout: Layout;
  readonly flat: Float32Array;
  private readonly tensors: Map<string, LayoutTensor>;
  private readonly views = new Map<string, Float32Array>();
  private readonly merged = new Map<string, Float32Array>();
  private readonly uploaded = new Map<string, Tensor2D>();
  private readonly products: MatrixProducts;

  constructor(
    products: MatrixProducts,
    shape: EncoderShape,
    { itemCount, training }: { itemCount: number; training: TrainingOptions },
  ) {
    this.products = products;
    this.layout = encoderLayout(shape, itemCount, training);
    this.flat = new Float32Array(this.layout.length);
    this.tensors = new Map(this.layout.tensors.map((tensor) => [tensor.name, tensor]));
    for (const { name, offset, length } of this.layout.tensors)
      this.views.set(name, this.flat.subarray(offset, offset + length));
  }

  /** Copies new weights in. @throws KindredError `model-invalid` on a wrong length or a value that is not finite */
  set(flat: ArrayLike<number>): void {
    if (flat.length !== this.flat.length)
      throw new KindredError({
        code: "model-invalid",
        field: "weights",
        rule: `must have ${this.flat.length} entries, got ${flat.length}`,
        fix: "use weights of the same encoder shape, catalogue and training options",
      });
    for (let i = 0; i < flat.length; i++)
      if (!Number.isFinite(flat[i]!))
        throw new KindredError({
          code: "model-invalid",
          field: `weights[${i}]`,
          rule: `must be finite, got ${flat[i]}`,
          fix: "go back to the last model version that evaluates; a training step diverged",
        });
    this.flat.set(flat);
    this.release();
  }

  has(name: string): boolean {
    return this.views.has(name);
  }

  /** The tensor's entries in the flat vector. The name is one of the layout's, so a missing one is a bug. */
  view(name: string): Float32Array {
    const view = this.views.get(name);
    if (!view) throw new Error(`the layout has no tensor ${name}`);
    return view;
  }

  private shapeOf(name: string): [number, number] {
    const [rows = 1, columns = 1] = this.tensors.get(name)?.shape ?? [];
    return [rows, columns];
  }

  /** The matrix with its low-rank adapter added, W + A·B; the view itself where it has none. */
  matrix(name: string): Float32Array {
    if (!this.has(`${name}.adapterA`)) return this.view(name);
    let sum = this.merged.get(name);
    if (!sum) {
      const [inputs, outputs] = this.shapeOf(name);
      const a = this.view(`${name}.adapterA`);
      const b = this.view(`${name}.adapterB`);
      const rank = a.length / inputs;
      sum = this.view(name).slice();
      for (let i = 0; i < inputs; i++)
        for (let r = 0; r < rank; r++) {
          const factor = a[i * rank + r]!;
          for (let j = 0; j < outputs; j++) sum[i * outputs + j]! += factor * b[r * outputs + j]!;
        }
      this.merged.set(name, sum);
    }
    return sum;
  }

  /** W on the backend, inputs × outputs; several names are laid side by side. Owned by this object. */
  forward(...names: string[]): Tensor2D {
    return this.cached(`${names.join("|")}→`, () => {
      const inputs = this.shapeOf(names[0]!)[0];
      const widths = names.map((name) => this.shapeOf(name)[1]);
      const columns = widths.reduce((sum, width) => sum + width, 0);
      const joined = new Float32Array(inputs * columns);
      let start = 0;
      names.forEach((name, index) => {
        const width = widths[index]!;
        const values = this.matrix(name);
        for (let i = 0; i < inputs; i++)
          joined.set(values.subarray(i * width, (i + 1) * width), i * columns + start);
        start += width;
      });
      return this.products.matrix(joined, inputs, columns);
    });
  }

  /** Wᵀ on the backend, outputs × inputs; several names are stacked. Owned by this object. */
  backward(...names: string[]): Tensor2D {
    return this.cached(`${names.join("|")}←`, () => {
      const inputs = this.shapeOf(names[0]!)[0];
      const blocks = names.map((name) => transpose(this.matrix(name), inputs, this.shapeOf(name)[1]));
      const joined = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
      let start = 0;
      for (const block of blocks) {
        joined.set(block, start);
        start += block.length;
      }
      return this.products.matrix(joined, joined.length / inputs, inputs);
    });
  }

  /** A matrix derived from the weights, kept until they change. */
  cached(key: string, build: () => Tensor2D): Tensor2D {
    let tensor = this.uploaded.get(key);
    if (!tensor) {
      tensor = build();
      this.uploaded.set(key, tensor);
    }
    return tensor;
  }

  /** Forgets everything derived from the weights; must follow every change of `flat`. */
  release(): void {
    for (const tensor of this.uploaded.values()) tensor.dispose();
    this.uploaded.clear();
    this.merged.clear();
  }
}
