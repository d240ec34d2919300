/** From measured rows to the table: means and deviations over seeds, people with few events, comparisons. */
import { gainsAt10, pairedBootstrap } from "@kindred/simulator";
import type { ExperimentData } from "./experiment-data.ts";
import type {
  Comparison,
  DataSetResult,
  QualityColumns,
  RowMeasurement,
  RowResult,
  Spread,
} from "./result.ts";
import type { ExperimentRow } from "./rows.ts";

/** A person with so many events or fewer to go by counts as one with few. */
const FEW_EVENTS = 5;

const COLUMNS = [
  "hr10",
  "ndcg10",
  "mrr",
  "coverage",
  "novelty",
  "diversity",
] as const satisfies readonly (keyof QualityColumns)[];

/** A row with its measurements, one per seed. */
export interface MeasuredRow {
  readonly row: Pick<ExperimentRow, "id" | "name" | "against">;
  readonly measurements: readonly RowMeasurement[];
}

/** The table of one data set. */
export function summarise(
  data: Pick<ExperimentData, "population" | "split">,
  { rows, missing }: { readonly rows: readonly MeasuredRow[]; readonly missing: DataSetResult["missing"] },
): DataSetResult {
  const { population, split } = data;
  const few = split.test.map(
    ({ userIndex }) => split.train.users[userIndex]!.interactions.length <= FEW_EVENTS,
  );
  const measured = rows.filter(({ measurements }) => measurements.length > 0);
  return {
    name: population.name,
    people: population.users.length,
    items: population.items.length,
    interactions: population.users.reduce((sum, { interactions }) => sum + interactions.length, 0),
    tested: split.test.length,
    fewEvents: few.filter(Boolean).length,
    rows: measured.map((row) => summariseRow(row, { few, others: measured })),
    missing,
    notes: population.notes,
  };
}

function summariseRow(
  { row, measurements }: MeasuredRow,
  { few, others }: { readonly few: readonly boolean[]; readonly others: readonly MeasuredRow[] },
): RowResult {
  const [first] = measurements;
  const { quality: _, ranks: __, ...detail } = first!;
  const columns = Object.fromEntries(
    COLUMNS.map((column) => [column, spread(measurements.map(({ quality }) => quality[column]))]),
  ) as Record<keyof QualityColumns, Spread>;
  const against = others.find((other) => other.row.id === row.against);
  return {
    id: row.id,
    name: row.name,
    columns,
    // A row that could not test everybody has ranks of other people.
    fewEvents:
      few.some(Boolean) && first!.ranks.length === few.length
        ? spread(measurements.map(({ ranks }) => meanGain(ranks, few)))
        : null,
    comparison: against === undefined ? null : compare(measurements, against),
    seeds: measurements.length,
    seconds: measurements.reduce((sum, { seconds }) => sum + seconds, 0),
    detail,
  };
}

/** Mean and sample deviation. */
export function spread(values: readonly number[]): Spread {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: n > 1 ? Math.sqrt(squares / (n - 1)) : null };
}

function meanGain(ranks: readonly number[], of: readonly boolean[]): number {
  const gains = gainsAt10(ranks.filter((_, person) => of[person]));
  return gains.reduce((sum, gain) => sum + gain, 0) / gains.length;
}

/** Each person's gain, the mean over seeds. */
function meanGains(measurements: readonly RowMeasurement[]): Float64Array {
  const sums = new Float64Array(measurements[0]!.ranks.length);
  for (const { ranks } of measurements)
    for (const [person, gain] of gainsAt10(ranks).entries()) sums[person]! += gain / measurements.length;
  return sums;
}

function compare(measurements: readonly RowMeasurement[], against: MeasuredRow): Comparison {
  const [own, other] = [meanGains(measurements), meanGains(against.measurements)];
  const { difference, low, high } = pairedBootstrap(own, other, { seed: 1 });
  const base = other.reduce((sum, gain) => sum + gain, 0) / other.length;
  const { id, name } = against.row;
  return { id, name, difference, low, high, share: base > 0 ? (base + difference) / base : 0 };
}
