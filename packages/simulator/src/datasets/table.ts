/** Reading the text tables of data sets, with errors that name file, line, field, rule and fix. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KindredError } from "@kindred/protocol";
import { CsvError, parse } from "csv-parse/sync";

/** Bounds of a numeric field, inclusive. */
export interface NumberRange {
  readonly minimum: number;
  readonly maximum: number;
  /** Whether fractions are refused. A fraction of zero, as in `17.0`, is whole. */
  readonly whole?: boolean;
}

/** A plain decimal number; `Number` alone would also take blanks, hexadecimal and "Infinity". */
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** One row of a table, read by column name. Every accessor throws `dataset-invalid` with the row's place. */
export class TableRow {
  constructor(
    private readonly table: Pick<Table, "file" | "positions" | "lineOf">,
    private readonly values: readonly string[],
    private readonly index: number,
  ) {}

  /** The trimmed text of a column; may be empty. */
  optional(column: string): string {
    const position = this.table.positions.get(column);
    if (position === undefined)
      throw new RangeError(`Column ${column} of ${this.table.file} was not declared.`);
    return this.values[position]!.trim();
  }

  /** The trimmed text of a column that must not be empty. */
  text(column: string): string {
    const value = this.optional(column);
    if (value === "") throw this.error(column, { rule: "must not be empty", fix: "restore the value" });
    return value;
  }

  /** The value of a numeric column. */
  number(column: string, range: NumberRange): number {
    const text = this.text(column);
    const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
    const fits =
      value >= range.minimum && value <= range.maximum && (!range.whole || Number.isInteger(value));
    if (!fits) {
      throw this.error(column, {
        rule: `must be a ${range.whole ? "whole " : ""}number from ${range.minimum} to ${range.maximum}, not ${JSON.stringify(text)}`,
        fix: "restore the published value or remove the row",
      });
    }
    return value;
  }

  /** A rejection at this row. */
  error(column: string, { rule, fix }: { rule: string; fix: string }): KindredError {
    return datasetError(`${this.table.file}:${this.table.lineOf(this.index)} ${column}`, { rule, fix });
  }
}

/** Time of a row in seconds since the Unix epoch; the upper bound is the year 5138. */
export const SECONDS: NumberRange = { minimum: 0, maximum: 1e11 };

/** A table in memory. */
interface Table {
  readonly file: string;
  readonly positions: ReadonlyMap<string, number>;
  readonly rows: TableRow[];
  /** The line of the file, from 1, on which a row (by its position in `rows`) ends; asked only for errors. */
  readonly lineOf: (index: number) => number;
}

/**
 * Reads a CSV file (RFC 4180, UTF-8, with or without a byte-order mark) whose first line names the columns.
 *
 * @param columns columns that must be there; others are ignored
 * @throws {KindredError} `dataset-invalid`: file missing or unreadable, not UTF-8, a column missing, a row with
 *   another number of columns than the header, broken quotes, no rows
 */
export function readCsv(directory: string, file: string, columns: readonly string[]): TableRow[] {
  const text = readText(directory, file);
  const [header = [], ...records] = parseCsv(file, text);
  const positions = new Map(columns.map((column) => [column, header.indexOf(column)]));
  for (const [column, position] of positions) {
    if (position >= 0) continue;
    throw datasetError(`${file}:1 ${column}`, {
      rule: `is missing from the header ${JSON.stringify(header.join(","))}`,
      fix: `the first line must name the columns ${columns.join(", ")}`,
    });
  }
  const lineOf = (index: number): number => csvLine(text, index + 1);
  const table: Table = { file, positions, rows: [], lineOf };
  records.forEach((record, index) => {
    if (record.length !== header.length)
      throw wrongWidth(`${file}:${lineOf(index)}`, { found: record.length, expected: header.length });
    table.rows.push(new TableRow(table, record, index));
  });
  return nonEmpty(table);
}

/**
 * Reads a UTF-8 file without header whose fields are separated by `::`.
 *
 * @param columns the names of all columns, in order
 * @throws {KindredError} `dataset-invalid` as {@link readCsv}
 */
export function readDoubleColon(directory: string, file: string, columns: readonly string[]): TableRow[] {
  const positions = new Map(columns.map((column, position) => [column, position]));
  const lines: number[] = [];
  const table: Table = { file, positions, rows: [], lineOf: (index) => lines[index]! };
  readText(directory, file)
    .split(/\r?\n/)
    .forEach((line, index) => {
      if (line === "") return;
      const values = line.split("::");
      if (values.length !== columns.length)
        throw wrongWidth(`${file}:${index + 1}`, { found: values.length, expected: columns.length });
      table.rows.push(new TableRow(table, values, lines.length));
      lines.push(index + 1);
    });
  return nonEmpty(table);
}

/** An error about a data set. @param field where: a file, or `file:line column` */
export function datasetError(field: string, { rule, fix }: { rule: string; fix: string }): KindredError {
  return new KindredError({ code: "dataset-invalid", field, rule, fix });
}

// `relax_column_count` leaves the check of the width to us, so that the error has our form.
const CSV = { relax_column_count: true, skip_empty_lines: true };

function parseCsv(file: string, text: string): string[][] {
  try {
    return parse(text, CSV);
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error["lines"] === "number" ? error["lines"] : 1;
    throw datasetError(`${file}:${line}`, {
      rule: `is no CSV: ${error.message}`,
      fix: "close the quotes or restore the published file",
    });
  }
}

/**
 * The line on which a record (0 is the header) ends. Quoted fields may hold line breaks, so this asks the parser
 * again; having it count lines for every record would triple the time of loading.
 */
function csvLine(text: string, record: number): number {
  // The type declarations do not describe the form of `info: true`.
  const located = parse(text, { ...CSV, info: true, from: record + 1, to: record + 1 }) as unknown as {
    readonly info: { readonly lines: number };
  }[];
  return located[0]?.info.lines ?? 1;
}

function wrongWidth(place: string, width: { found: number; expected: number }): KindredError {
  return datasetError(place, {
    rule: `must have ${width.expected} columns, not ${width.found}`,
    fix: "restore the published row or remove it",
  });
}

function nonEmpty(table: Table): TableRow[] {
  if (table.rows.length > 0) return table.rows;
  throw datasetError(table.file, { rule: "has no rows", fix: "restore the published file" });
}

function readText(directory: string, file: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(join(directory, file));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw datasetError(join(directory, file), {
      rule: code === "ENOENT" ? "is missing" : `cannot be read (${code ?? "unknown"})`,
      fix: "download the data set again and point at the folder that holds its files",
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw datasetError(file, { rule: "must be UTF-8", fix: "convert the file to UTF-8" });
  }
}
