/** Layer normalisation, causal attention and dropout on row-major arrays, forward and backward. */

export interface Normalised {
  readonly output: Float32Array;
  /** (x − mean) / deviation */
  readonly standard: Float32Array;
  /** 1 / deviation per row */
  readonly inverse: Float32Array;
}

const EPSILON = 1e-5;

/** Layer normalisation (Ba et al. 2016) of each row of x (rows × gain.length). */
export function normalise(x: Float32Array, gain: Float32Array, bias: Float32Array): Normalised {
  const d = gain.length;
  const rows = x.length / d;
  const output = new Float32Array(x.length);
  const standard = new Float32Array(x.length);
  const inverse = new Float32Array(rows);
  for (let row = 0, at = 0; row < rows; row++, at += d) {
    let sum = 0;
    for (let j = 0; j < d; j++) sum += x[at + j]!;
    const mean = sum / d;
    let squares = 0;
    for (let j = 0; j < d; j++) {
      const centred = x[at + j]! - mean;
      squares += centred * centred;
    }
    const factor = 1 / Math.sqrt(squares / d + EPSILON);
    inverse[row] = factor;
    for (let j = 0; j < d; j++) {
      const value = (x[at + j]! - mean) * factor;
      standard[at + j] = value;
      output[at + j] = value * gain[j]! + bias[j]!;
    }
  }
  return { output, standard, inverse };
}

/** Adds the gradient of x to `dx`, and that of gain and bias to `dGain` and `dBias`. */
export function normaliseBackward(
  dOutput: Float32Array,
  { standard, inverse }: Normalised,
  gradients: { gain: Float32Array; dGain: Float32Array; dBias: Float32Array; dx: Float32Array },
): void {
  const { gain, dGain, dBias, dx } = gradients;
  const d = gain.length;
  for (let row = 0, at = 0; row < inverse.length; row++, at += d) {
    let sum = 0;
    let inner = 0;
    for (let j = 0; j < d; j++) {
      const dy = dOutput[at + j]!;
      const h = standard[at + j]!;
      dGain[j]! += dy * h;
      dBias[j]! += dy;
      const dh = dy * gain[j]!;
      sum += dh;
      inner += dh * h;
    }
    const mean = sum / d;
    const slope = inner / d;
    const factor = inverse[row]!;
    for (let j = 0; j < d; j++)
      dx[at + j]! += factor * (dOutput[at + j]! * gain[j]! - mean - standard[at + j]! * slope);
  }
}

export interface AttentionShape {
  readonly starts: Int32Array;
  readonly heads: number;
  readonly dimension: number;
}

/**
 * Causal multi-head self-attention (Vaswani et al. 2017) within each window, with a learned bias per head and
 * distance (Shaw et al. 2018; Raffel et al. 2020) in place of position embeddings.
 *
 * @param qkv rows × 3d: queries, keys, values
 * @param distance heads × L
 * @returns `output` rows × d, and `probabilities`, for each window and head a T × T lower triangle in full squares
 */
export function attend(
  qkv: Float32Array,
  distance: Float32Array,
  { starts, heads, dimension }: AttentionShape,
): { output: Float32Array; probabilities: Float32Array } {
  const width = dimension / heads;
  const stride = 3 * dimension;
  const reach = distance.length / heads;
  const scale = 1 / Math.sqrt(width);
  const output = new Float32Array((qkv.length / stride) * dimension);
  const probabilities = new Float32Array(squaresOf(starts) * heads);
  let square = 0;
  for (let window = 0; window + 1 < starts.length; window++) {
    const first = starts[window]!;
    const length = starts[window + 1]! - first;
    for (let head = 0; head < heads; head++) {
      const q = first * stride + head * width;
      const k = q + dimension;
      const v = k + dimension;
      const bias = head * reach;
      for (let i = 0; i < length; i++) {
        const row = square + i * length;
        const qi = q + i * stride;
        let largest = -Infinity;
        for (let j = 0; j <= i; j++) {
          const kj = k + j * stride;
          let dot = 0;
          for (let c = 0; c < width; c++) dot += qkv[qi + c]! * qkv[kj + c]!;
          const score = dot * scale + distance[bias + i - j]!;
          probabilities[row + j] = score;
          if (score > largest) largest = score;
        }
        let total = 0;
        for (let j = 0; j <= i; j++) {
          const e = Math.exp(probabilities[row + j]! - largest);
          probabilities[row + j] = e;
          total += e;
        }
        const out = (first + i) * dimension + head * width;
        for (let j = 0; j <= i; j++) {
          const p = probabilities[row + j]! / total;
          probabilities[row + j] = p;
          const vj = v + j * stride;
          for (let c = 0; c < width; c++) output[out + c]! += p * qkv[vj + c]!;
        }
      }
      square += length * length;
    }
  }
  return { output, probabilities };
}

/**
 * {@link attend} for the last row of each window alone.
 *
 * @param rows.queries of those rows, windows × d
 * @param rows.keysValues of all rows, rows × 2d
 * @returns windows × d
 */
export function attendLast(
  { queries, keysValues }: { readonly queries: Float32Array; readonly keysValues: Float32Array },
  distance: Float32Array,
  { starts, heads, dimension }: AttentionShape,
): Float32Array {
  const width = dimension / heads;
  const stride = 2 * dimension;
  const reach = distance.length / heads;
  const scale = 1 / Math.sqrt(width);
  const output = new Float32Array(queries.length);
  const scores = new Float32Array(reach);
  for (let window = 0; window + 1 < starts.length; window++) {
    const first = starts[window]!;
    const length = starts[window + 1]! - first;
    for (let head = 0; head < heads; head++) {
      const q = window * dimension + head * width;
      const k = first * stride + head * width;
      const v = k + dimension;
      let largest = -Infinity;
      for (let j = 0; j < length; j++) {
        const kj = k + j * stride;
        let dot = 0;
        for (let c = 0; c < width; c++) dot += queries[q + c]! * keysValues[kj + c]!;
        const score = dot * scale + distance[head * reach + length - 1 - j]!;
        scores[j] = score;
        if (score > largest) largest = score;
      }
      let total = 0;
      for (let j = 0; j < length; j++) {
        const e = Math.exp(scores[j]! - largest);
        scores[j] = e;
        total += e;
      }
      for (let j = 0; j < length; j++) {
        const p = scores[j]! / total;
        const vj = v + j * stride;
        for (let c = 0; c < width; c++) output[q + c]! += p * keysValues[vj + c]!;
      }
    }
  }
  return output;
}

/** Gradient of {@link attend}: returns that of qkv and adds that of the distance bias to `dDistance`. */
export function attendBackward(
  dOutput: Float32Array,
  cache: { qkv: Float32Array; probabilities: Float32Array; dDistance: Float32Array },
  { starts, heads, dimension }: AttentionShape,
): Float32Array {
  const { qkv, probabilities, dDistance } = cache;
  const width = dimension / heads;
  const stride = 3 * dimension;
  const reach = dDistance.length / heads;
  const scale = 1 / Math.sqrt(width);
  const dqkv = new Float32Array(qkv.length);
  const dp = new Float32Array(reach);
  let square = 0;
  for (let window = 0; window + 1 < starts.length; window++) {
    const first = starts[window]!;
    const length = starts[window + 1]! - first;
    for (let head = 0; head < heads; head++) {
      const q = first * stride + head * width;
      const k = q + dimension;
      const v = k + dimension;
      for (let i = 0; i < length; i++) {
        const row = square + i * length;
        const out = (first + i) * dimension + head * width;
        let mean = 0;
        for (let j = 0; j <= i; j++) {
          const p = probabilities[row + j]!;
          const vj = v + j * stride;
          let dot = 0;
          for (let c = 0; c < width; c++) {
            const g = dOutput[out + c]!;
            dot += g * qkv[vj + c]!;
            dqkv[vj + c]! += p * g;
          }
          dp[j] = dot;
          mean += p * dot;
        }
        const qi = q + i * stride;
        for (let j = 0; j <= i; j++) {
          const ds = probabilities[row + j]! * (dp[j]! - mean);
          dDistance[head * reach + i - j]! += ds;
          const scaled = ds * scale;
          const kj = k + j * stride;
          for (let c = 0; c < width; c++) {
            dqkv[qi + c]! += scaled * qkv[kj + c]!;
            dqkv[kj + c]! += scaled * qkv[qi + c]!;
          }
        }
      }
      square += length * length;
    }
  }
  return dqkv;
}

function squaresOf(starts: Int32Array): number {
  let total = 0;
  for (let window = 0; window + 1 < starts.length; window++)
    total += (starts[window + 1]! - starts[window]!) ** 2;
  return total;
}

/**
 * Inverted dropout in place (Srivastava et al. 2014). One draw decides four entries, so the rate is rounded to 1/256.
 *
 * @returns the mask (0 or 1 / (1 − rate)), or undefined where nothing is dropped
 */
export function drop(values: Float32Array, rate: number, random?: () => number): Float32Array | undefined {
  const dropped = Math.round(rate * 256);
  if (!random || dropped === 0) return undefined;
  const kept = 256 / (256 - dropped);
  const mask = new Float32Array(values.length);
  let bits = 0;
  for (let i = 0; i < values.length; i++) {
    bits = (i & 3) === 0 ? (random() * 4294967296) >>> 0 : bits >>> 8;
    mask[i] = (bits & 255) >= dropped ? kept : 0;
  }
  multiply(values, mask);
  return mask;
}

/** values *= mask */
export function multiply(values: Float32Array, mask: Float32Array | undefined): void {
  if (mask) for (let i = 0; i < values.length; i++) values[i]! *= mask[i]!;
}
