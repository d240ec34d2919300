/**
 * What training would say of items that it has not seen, from what it says of those it has: the map from attributes to learned
 * parameters of Gantner et al., "Learning attribute-to-feature mappings for cold-start recommendations" (ICDM 2010). It
 * reads a model and a catalogue, which are both public, and no person's data.
 */
import { seededRandom, shuffle } from "../random.ts";
import { fitRidge, predictRidge, type RidgeFit, type SparseRows } from "./ridge.ts";

/** Candidates of λ, the strongest first, so that each fit begins near its end. */
const LAMBDAS = [100, 30, 10, 3, 1];
const FOLDS = 5;
/** Below so many known items nothing is learned of attributes. */
const FEWEST_KNOWN = 20;
/** Known items by which λ is chosen, at the most. */
const MOST_JUDGED = 5_000;

/** Parameters that are foretold. */
export interface PredictedParameters {
  /** Row-major, wanted items × targets. */
  readonly parameters: Float64Array;
  /**
   * Share of each target's variance over the known items that is foretold of items left out of the fit (R², five folds);
   * 0 where the mean is no worse, which is then what is foretold.
   */
  readonly explained: Float64Array;
}

/**
 * Foretells the parameters of items by ridge regression on their attributes. For each target λ is chosen by cross-validation over
 * the known items. Deterministic.
 *
 * @param attributes of all items, see `itemAttributes`
 * @param options.known positions of the items whose parameters are known, at least one
 * @param options.parameters of them, row-major known × targets
 * @param options.wanted positions of the items whose parameters are to be foretold
 */
export function predictItemParameters(
  attributes: SparseRows,
  options: {
    readonly known: readonly number[];
    readonly parameters: Float64Array;
    readonly wanted: readonly number[];
  },
): PredictedParameters {
  const { known, parameters, wanted } = options;
  const targets = parameters.length / known.length;
  const explained = new Float64Array(targets);
  const chosen = new Array<number | undefined>(targets);
  if (known.length >= FEWEST_KNOWN)
    explainedShares(attributes, { known, parameters }).forEach((shares, candidate) => {
      for (let t = 0; t < targets; t++)
        if (shares[t]! > explained[t]!) {
          explained[t] = shares[t]!;
          chosen[t] = LAMBDAS[candidate]!;
        }
    });

  const result = new Float64Array(wanted.length * targets);
  const means = meanOf(parameters, targets);
  for (let i = 0; i < result.length; i++) result[i] = means[i % targets]!;
  let start: RidgeFit | undefined;
  for (const lambda of LAMBDAS.filter((candidate) => chosen.includes(candidate))) {
    start = fitRidge(attributes, { fitted: known, targets: parameters, lambda, ...(start && { start }) });
    const foretold = predictRidge(start, attributes, wanted);
    for (let i = 0; i < result.length; i++) if (chosen[i % targets] === lambda) result[i] = foretold[i]!;
  }
  return { parameters: result, explained };
}

/** By each of `LAMBDAS`, the share of each target's variance that is foretold of items left out. */
function explainedShares(
  attributes: SparseRows,
  { known, parameters }: { readonly known: readonly number[]; readonly parameters: Float64Array },
): Float64Array[] {
  const targets = parameters.length / known.length;
  const drawn = shuffle(
    known.map((_, i) => i),
    seededRandom(known.length),
  ).slice(0, MOST_JUDGED);
  const rowsOf = (of: readonly number[]): Float64Array => {
    const rows = new Float64Array(of.length * targets);
    of.forEach((i, row) => {
      rows.set(parameters.subarray(i * targets, (i + 1) * targets), row * targets);
    });
    return rows;
  };
  const errors = LAMBDAS.map(() => new Float64Array(targets));
  const spread = new Float64Array(targets);
  for (let fold = 0; fold < FOLDS; fold++) {
    const fitted = drawn.filter((_, i) => i % FOLDS !== fold);
    const left = drawn.filter((_, i) => i % FOLDS === fold);
    const positions = { fitted: fitted.map((i) => known[i]!), left: left.map((i) => known[i]!) };
    const shown = rowsOf(fitted);
    const actual = rowsOf(left);
    let start: RidgeFit | undefined;
    LAMBDAS.forEach((lambda, candidate) => {
      const fit = fitRidge(attributes, {
        fitted: positions.fitted,
        targets: shown,
        lambda,
        ...(start && { start }),
      });
      start = fit;
      predictRidge(fit, attributes, positions.left).forEach((foretold, i) => {
        errors[candidate]![i % targets]! += (actual[i]! - foretold) ** 2;
      });
    });
    actual.forEach((value, i) => {
      spread[i % targets]! += (value - start!.means[i % targets]!) ** 2;
    });
  }
  return errors.map((squares) => squares.map((square, t) => (spread[t]! > 0 ? 1 - square / spread[t]! : 0)));
}

function meanOf(rows: Float64Array, columns: number): Float64Array {
  const means = new Float64Array(columns);
  for (let i = 0; i < rows.length; i++) means[i % columns]! += (rows[i]! * columns) / rows.length;
  return means;
}
