/** How this package refuses bad input: the field, the rule it broke, and the fix. */

/** What was refused: the field, the rule it broke, and how to fix it. */
export interface Refusal {
  readonly field: string;
  readonly rule: string;
  readonly fix: string;
}

/** A RangeError that says which field broke which rule and how to fix it. */
export class PrivacyRangeError extends RangeError implements Refusal {
  override readonly name = "PrivacyRangeError";
  readonly field: string;
  readonly rule: string;
  readonly fix: string;

  constructor({ field, rule, fix }: Refusal) {
    super(`${field}: ${rule}; ${fix}`);
    this.field = field;
    this.rule = rule;
    this.fix = fix;
  }
}

/** Throws a {@link PrivacyRangeError} unless `holds`. */
export function demand(holds: boolean, refusal: Refusal): asserts holds {
  if (!holds) throw new PrivacyRangeError(refusal);
}

/** Throws a {@link PrivacyRangeError} unless `value` is an integer in [`from`, `to`]. */
export function demandInteger(value: number, range: { field: string; from: number; to: number }): void {
  const { field, from, to } = range;
  if (Number.isInteger(value) && value >= from && value <= to) return;
  throw new PrivacyRangeError({
    field,
    rule: `must be an integer from ${from} to ${to}, got ${value}`,
    fix: `give an integer between ${from} and ${to}`,
  });
}
