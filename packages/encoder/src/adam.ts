/** Adam (Kingma and Ba 2015) with β₁ = .9, β₂ = .98, ε = 1e−8. */
export class Adam {
  private readonly mean: Float32Array;
  private readonly square: Float32Array;
  private readonly learningRate: number;
  private steps = 0;

  constructor(length: number, learningRate: number) {
    this.mean = new Float32Array(length);
    this.square = new Float32Array(length);
    this.learningRate = learningRate;
  }

  /** Moves the weights, in place, against the gradient. */
  step(weights: Float32Array, gradient: Float32Array): void {
    const beta1 = 0.9;
    const beta2 = 0.98;
    this.steps++;
    const rate = (this.learningRate * Math.sqrt(1 - beta2 ** this.steps)) / (1 - beta1 ** this.steps);
    const { mean, square } = this;
    for (let i = 0; i < weights.length; i++) {
      const g = gradient[i]!;
      mean[i] = beta1 * mean[i]! + (1 - beta1) * g;
      square[i] = beta2 * square[i]! + (1 - beta2) * g * g;
      weights[i]! -= (rate * mean[i]!) / (Math.sqrt(square[i]!) + 1e-8);
    }
  }
}
