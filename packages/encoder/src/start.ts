/** Where weights begin. Equal bit for bit on every platform: only integer arithmetic, sums, products and square roots. */

/** Fills a tensor that is 0 throughout; `rows` × `columns`, a vector being one column. */
export type Start = (
  view: Float32Array,
  tensor: { readonly rows: number; readonly columns: number; readonly random: () => number },
) => void;

export const constant =
  (value: number): Start =>
  (view) => {
    view.fill(value);
  };

/** Uniform in [−bound, bound]. */
export const uniform =
  (bound: number): Start =>
  (view, { random }) => {
    for (let i = 0; i < view.length; i++) view[i] = (2 * random() - 1) * bound;
  };

/** Uniform with the variance of Glorot and Bengio (2010) times gain², plus a scaled identity. */
export const xavier =
  ({ gain, diagonal = 0 }: { readonly gain: number; readonly diagonal?: number }): Start =>
  (view, tensor) => {
    const { rows, columns } = tensor;
    if (gain > 0) uniform(gain * Math.sqrt(6 / (rows + columns)))(view, tensor);
    if (diagonal !== 0) for (let i = 0; i < rows; i++) view[i * columns + i]! += diagonal;
  };

/** Entry by row and column. */
export const perHead =
  (value: (row: number, column: number) => number): Start =>
  (view, { rows, columns }) => {
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) view[row * columns + column] = value(row, column);
  };

/** Entry of a vector by position. */
export const perUnit =
  (value: (unit: number) => number): Start =>
  (view) => {
    for (let unit = 0; unit < view.length; unit++) view[unit] = value(unit);
  };
