/** Low-rank adapters (Hu et al. 2021): from the gradient of a whole matrix to that of its adapter. */
import type { EncoderShape } from "@kindred/protocol";
import { encoderAdapters } from "./layout.ts";
import type { EncoderWeights } from "./weights.ts";

/** With W' = W + A·B of every adapted matrix: adds dA = dW'·Bᵀ and dB = Aᵀ·dW' to the gradient. */
export function projectOnAdapters(
  gradient: (name: string) => Float32Array,
  {
    weights,
    shape,
    rank,
  }: { readonly weights: EncoderWeights; readonly shape: EncoderShape; readonly rank: number },
): void {
  for (const { name, inputs, outputs } of encoderAdapters(shape)) {
    const whole = gradient(name);
    const a = weights.view(`${name}.adapterA`);
    const b = weights.view(`${name}.adapterB`);
    const dA = gradient(`${name}.adapterA`);
    const dB = gradient(`${name}.adapterB`);
    for (let i = 0; i < inputs; i++)
      for (let r = 0; r < rank; r++) {
        let dot = 0;
        const factor = a[i * rank + r]!;
        for (let j = 0; j < outputs; j++) {
          const g = whole[i * outputs + j]!;
          dot += g * b[r * outputs + j]!;
          dB[r * outputs + j]! += factor * g;
        }
        dA[i * rank + r]! += dot;
      }
  }
}
