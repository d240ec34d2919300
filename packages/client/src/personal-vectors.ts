/** The directions of a person's interests: one, or several where the plan asks for them. */
import { interestVectors, type Matrix } from "@kindred/clustering";
import type { Sequence } from "@kindred/encoder";

/** A person's interests, the strongest first. */
export interface PersonalVectors {
  /** m × d: what the encoder makes of the interactions of each interest. */
  readonly vectors: Matrix;
  /** Length m, of sum 1. */
  readonly weights: Float64Array;
}

/** Interactions that are looked at, from the latest back; the splitting takes time quadratic in them. */
const CONSIDERED = 128;
/** Interactions after which an older one counts half as much. */
const HALF_LIFE = 32;

/**
 * With `maximum` 1 the encoder's answer to all interactions. Otherwise the items a person touched are grouped by their
 * vectors (`interestVectors`), and the encoder reads the interactions of each group by themselves.
 *
 * @param options.sequence at least one interaction
 * @param options.maximum interests at the most
 */
export async function personalVectors(options: {
  readonly userVectors: (sequences: readonly Sequence[]) => Promise<Float32Array>;
  readonly sequence: Sequence;
  readonly maximum: number;
  /** Vectors of the catalogue's items, items × d; asked for only when there is more than one interest. */
  readonly items: () => Promise<Matrix>;
}): Promise<PersonalVectors> {
  const { userVectors, sequence, maximum } = options;
  const groups = maximum === 1 ? undefined : await interestGroups(options);
  const sequences = groups?.map(({ rows }) => interactionsAt(sequence, rows)) ?? [sequence];
  const data = await userVectors(sequences);
  return {
    vectors: { rows: sequences.length, columns: data.length / sequences.length, data },
    weights: Float64Array.from(groups?.map(({ weight }) => weight) ?? [1]),
  };
}

/** Rows of the sequence that belong to each interest, ascending; `undefined` where no item has a direction. */
async function interestGroups({
  sequence,
  maximum,
  items: catalogue,
}: Parameters<typeof personalVectors>[0]): Promise<{ rows: number[]; weight: number }[] | undefined> {
  const { items } = sequence;
  const start = Math.max(0, items.length - CONSIDERED);
  const { data: all, columns } = await catalogue();
  const points = Array.from({ length: items.length - start }, (_, i) => items[start + i]!);
  const data = new Float32Array(points.length * columns);
  points.forEach((item, row) => {
    data.set(all.subarray(item * columns, (item + 1) * columns), row * columns);
  });
  const split = interestVectors(
    { rows: points.length, columns, data },
    {
      maximum,
      weights: points.map((_, i) => 2 ** (-(points.length - 1 - i) / HALF_LIFE)),
    },
  );
  if (split.members.length === 0) return undefined;
  return split.members.map((rows, i) => ({
    rows: rows.map((row) => start + row),
    weight: split.weights[i]!,
  }));
}

function interactionsAt({ items, actions, times, ratings }: Sequence, rows: readonly number[]): Sequence {
  const at = (values: ArrayLike<number>): number[] => rows.map((row) => values[row]!);
  return {
    items: at(items),
    actions: at(actions),
    times: at(times),
    ...(ratings === undefined ? {} : { ratings: at(ratings) }),
  };
}
