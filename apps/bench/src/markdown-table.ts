/** What a benchmark measured as a table in Markdown, printed row by row, as a document can quote it. */
import { writeFile } from "node:fs/promises";

export class MarkdownTable {
  readonly #out: NodeJS.WritableStream;
  readonly #columns: readonly string[];
  readonly #rows: Record<string, string | number>[] = [];

  /** Prints the head. */
  constructor(out: NodeJS.WritableStream, columns: readonly string[]) {
    this.#out = out;
    this.#columns = columns;
    this.#print(columns);
    this.#print(columns.map(() => "---"));
  }

  /** The rows so far, by column. */
  get rows(): readonly Readonly<Record<string, string | number>>[] {
    return this.#rows;
  }

  /** Prints a row; one cell for each column. */
  row(cells: readonly (string | number)[]): void {
    this.#rows.push(Object.fromEntries(this.#columns.map((column, i) => [column, cells[i]!])));
    this.#print(cells);
  }

  /** Writes the rows as JSON where a file was asked for. */
  async save(file: string | undefined): Promise<void> {
    if (file !== undefined) await writeFile(file, `${JSON.stringify(this.#rows, null, 2)}\n`);
  }

  #print(cells: readonly (string | number)[]): void {
    this.#out.write(`| ${cells.join(" | ")} |\n`);
  }
}
