/** An operator's items as they come: JSON lines or CSV, one item each, checked field by field. */
import type { CatalogueItem } from "@kindred/protocol";
import { csvRecords, refuse, type SourceRecord } from "./csv.ts";

/** One item with everything that its features may be made from. Only id, title and tags become public. */
export interface SourceItem extends CatalogueItem {
  /** Description; empty where there is none. */
  readonly text: string;
  /** Further columns, such as a price: numbers and short texts. */
  readonly attributes: Readonly<Record<string, string | number>>;
  /** The operator's own vectors by name, such as `image`; finite, one length per name. */
  readonly vectors: Readonly<Record<string, Float32Array>>;
}

const LIMITS = { id: 128, title: 512, tag: 128, tags: 64, text: 100_000, attribute: 200 };

/**
 * Reads items.
 *
 * JSON lines: one object per line with `id`, `title` and optionally `text`, `tags` (array, or a text with `|` between), `vectors`
 * (`{ "image": [0.1, …] }`); every other number or text is an attribute. CSV: a header with the same names; tags with `|`
 * between; a column `vectors.image` holds numbers with spaces between.
 *
 * @param name the file's name, for errors
 * @throws KindredError `catalogue-invalid` naming file, line, field, rule and fix
 */
export function readSourceItems(content: string, name: string): SourceItem[] {
  const records = name.toLowerCase().endsWith(".csv")
    ? csvRecords(content, { name, columns: ["id", "title"] })
    : jsonRecords(content, name);
  const items: SourceItem[] = [];
  const lines = new Map<string, number>();
  const widths = new Map<string, { width: number; line: number }>();
  for (const { line, fields } of records) {
    const item = new RecordReader(fields, `${name}:${line}`).item();
    const first = lines.get(item.id);
    if (first !== undefined)
      refuse(`${name}:${line} id`, `must be unique, but "${item.id}" is also on line ${first}`, "remove one");
    lines.set(item.id, line);
    for (const [vector, { length }] of Object.entries(item.vectors)) {
      const known = widths.get(vector);
      if (known === undefined) widths.set(vector, { width: length, line });
      else if (known.width !== length)
        refuse(
          `${name}:${line} vectors.${vector}`,
          `must have ${known.width} entries as on line ${known.line}, found ${length}`,
          "compute all of them with one model",
        );
    }
    items.push(item);
  }
  if (items.length < 2)
    refuse(name, `must have at least 2 items, found ${items.length}`, "pass the whole catalogue");
  return items;
}

function* jsonRecords(content: string, name: string): Generator<SourceRecord> {
  let line = 0;
  for (const text of content.split("\n")) {
    line++;
    if (text.trim() === "") continue;
    let fields: unknown;
    try {
      fields = JSON.parse(text);
    } catch (error) {
      const where = error instanceof Error ? error.message : "it cannot be parsed";
      refuse(`${name}:${line}`, `must be one JSON object: ${where}`, "write one item per line");
    }
    if (typeof fields !== "object" || fields === null || Array.isArray(fields))
      refuse(
        `${name}:${line}`,
        "must be one JSON object",
        'write one item per line: {"id": "1", "title": "…"}',
      );
    yield { line, fields: fields as Record<string, unknown> };
  }
}

/** Checks the fields of one record. */
class RecordReader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #at: string;

  constructor(fields: Readonly<Record<string, unknown>>, at: string) {
    this.#fields = fields;
    this.#at = at;
  }

  item(): SourceItem {
    const attributes: Record<string, string | number> = {};
    const vectors: Record<string, Float32Array> = {};
    for (const [name, value] of Object.entries(this.#fields)) {
      if (["id", "title", "text", "tags"].includes(name) || value === null || value === "") continue;
      if (name === "vectors") Object.assign(vectors, this.#vectors(value));
      else if (name.startsWith("vectors.")) vectors[name.slice(8)] = this.#vector(name, value);
      else attributes[name] = this.#attribute(name, value);
    }
    return {
      id: this.#text("id", { required: true, most: LIMITS.id }),
      title: this.#text("title", { required: true, most: LIMITS.title }),
      text: this.#text("text", { required: false, most: LIMITS.text }),
      tags: this.#tags(),
      attributes,
      vectors,
    };
  }

  #refuse(field: string, rule: string, fix: string): never {
    return refuse(`${this.#at} ${field}`, rule, fix);
  }

  #text(field: string, { required, most }: { required: boolean; most: number }): string {
    const given = this.#fields[field];
    const value = typeof given === "number" ? String(given) : (given ?? "");
    if (typeof value !== "string") this.#refuse(field, "must be a text", "write it in quotes");
    const text = value.trim();
    if (required && text === "") this.#refuse(field, "must be there", `give every item its ${field}`);
    if (text.length > most)
      this.#refuse(field, `must have at most ${most} characters, found ${text.length}`, "shorten it");
    return text;
  }

  #tags(): string[] {
    const given = this.#fields["tags"] ?? [];
    const list: unknown[] =
      typeof given === "string" ? given.split("|") : Array.isArray(given) ? given : [given];
    const tags = list.map((tag, index) => {
      if (typeof tag !== "string") this.#refuse(`tags.${index}`, "must be a text", "write tags as texts");
      if (tag.trim().length > LIMITS.tag)
        this.#refuse(`tags.${index}`, `must have at most ${LIMITS.tag} characters`, "shorten it");
      return tag.trim();
    });
    const distinct = [...new Set(tags.filter((tag) => tag !== ""))];
    if (distinct.length > LIMITS.tags)
      this.#refuse(
        "tags",
        `must be at most ${LIMITS.tags}, found ${distinct.length}`,
        "keep the most general",
      );
    return distinct;
  }

  #attribute(name: string, value: unknown): string | number {
    if (typeof value === "boolean") return String(value);
    if (typeof value === "number" && Number.isFinite(value)) return value;
    if (typeof value !== "string")
      this.#refuse(name, "must be a number or a text", "leave the field out, or flatten it");
    const text = value.trim();
    if (text.length > LIMITS.attribute)
      this.#refuse(
        name,
        `must have at most ${LIMITS.attribute} characters, found ${text.length}`,
        "put long texts into the field text",
      );
    const number = Number(text);
    return text !== "" && Number.isFinite(number) ? number : text;
  }

  #vectors(value: unknown): Record<string, Float32Array> {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      this.#refuse("vectors", "must be an object of arrays of numbers", 'write {"image": [0.1, …]}');
    return Object.fromEntries(
      Object.entries(value).map(([name, vector]) => [name, this.#vector(`vectors.${name}`, vector)]),
    );
  }

  #vector(field: string, value: unknown): Float32Array {
    const list: unknown[] =
      typeof value === "string"
        ? value
            .trim()
            .split(/[\s,]+/)
            .map(Number)
        : Array.isArray(value)
          ? value
          : [];
    if (list.length === 0 || list.length > 8192)
      this.#refuse(field, "must be 1 to 8192 numbers", "write an array of numbers, or leave it out");
    const wrong = list.findIndex(
      (entry) => typeof entry !== "number" || !Number.isFinite(Math.fround(entry)),
    );
    if (wrong >= 0) this.#refuse(`${field}.${wrong}`, "must be a finite number", "compute the vector again");
    return Float32Array.from(list as number[]);
  }
}
