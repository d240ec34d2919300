/** Records of a text file, and comma-separated values (RFC 4180) with a header. */
import { KindredError } from "@kindred/protocol";

/** A record before it is checked, and where it stands. */
export interface SourceRecord {
  /** From 1: the line it begins on. */
  readonly line: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function refuse(field: string, rule: string, fix: string): never {
  throw new KindredError({ code: "catalogue-invalid", field, rule, fix });
}

/**
 * Cells in quotes may hold commas, line breaks and doubled quotes.
 * @param options.columns those that the header must have
 * @throws KindredError `catalogue-invalid` where a quote is not closed or a row has too many cells
 */
export function* csvRecords(
  content: string,
  { name, columns }: { readonly name: string; readonly columns: readonly string[] },
): Generator<SourceRecord> {
  let header: string[] | undefined;
  for (const { line, cells } of csvRows(content.replace(/^\uFEFF/, ""), name)) {
    if (cells.length === 1 && cells[0] === "") continue;
    if (header === undefined) {
      header = cells.map((cell) => cell.trim());
      for (const needed of columns)
        if (!header.includes(needed))
          refuse(
            `${name}:${line}`,
            `must have the column ${needed}`,
            `write a header with ${columns.join(" and ")}`,
          );
      continue;
    }
    if (cells.length > header.length)
      refuse(
        `${name}:${line}`,
        `must have at most ${header.length} cells as the header has, found ${cells.length}`,
        "put cells with commas into quotes",
      );
    yield { line, fields: Object.fromEntries(cells.map((cell, i) => [header![i]!, cell])) };
  }
}

function* csvRows(content: string, name: string): Generator<{ line: number; cells: string[] }> {
  let cells: string[] = [];
  let line = 1;
  let begin = 1;
  let at = 0;
  while (at < content.length) {
    let cell = "";
    if (content[at] === '"') {
      const opened = line;
      at++;
      for (;;) {
        const end = content.indexOf('"', at);
        if (end < 0) refuse(`${name}:${opened}`, "must close its quote", 'double quotes inside quotes: ""');
        const part = content.slice(at, end);
        line += part.split("\n").length - 1;
        cell += part;
        at = end + 1;
        if (content[at] !== '"') break;
        cell += '"';
        at++;
      }
    }
    const stop = /[,\n]/g;
    stop.lastIndex = at;
    const found = stop.exec(content)?.index ?? content.length;
    cell += content.slice(at, found).replace(/\r$/, "");
    cells.push(cell);
    at = found + 1;
    if (content[found] === ",") {
      if (at === content.length) cells.push("");
      else continue;
    }
    yield { line: begin, cells };
    cells = [];
    line++;
    begin = line;
  }
}
