/**
 * For tests: what `schema.prisma` declares and what a migrated database holds, in one comparable form.
 * Reads the part of the Prisma schema language that Kindred uses, and throws on anything else.
 */

/** Sorted lines such as `"Round".loss double precision null`. */
export interface SchemaDescription {
  readonly columns: string[];
  /** Primary keys, unique indexes and indexes, with their columns in order. */
  readonly indexes: string[];
  readonly references: string[];
}

interface Field {
  readonly name: string;
  readonly type: string;
  readonly optional: boolean;
  readonly list: boolean;
  readonly attributes: string;
}

interface Model {
  readonly name: string;
  readonly fields: Field[];
  /** Lines that start with `@@`. */
  readonly attributes: string[];
}

/** PostgreSQL types that Prisma 7 maps its scalars to. */
const COLUMN_TYPES: Readonly<Record<string, string>> = {
  String: "text",
  Int: "integer",
  BigInt: "bigint",
  Float: "double precision",
  Boolean: "boolean",
  DateTime: "timestamp(3) without time zone",
  Json: "jsonb",
  Bytes: "bytea",
};

const DELETE_RULES: Readonly<Record<string, string>> = { Cascade: "CASCADE", SetNull: "SET NULL" };

/** The models of a Prisma schema. */
export function parseSchema(text: string): Model[] {
  return [...text.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)].map(([, name, body]) => {
    const lines = body!
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("//"));
    const fields = lines
      .filter((line) => !line.startsWith("@@"))
      .map((line) => {
        const match = /^(\w+)\s+(\w+)(\?|\[\])?\s*(.*)$/.exec(line);
        if (match === null) throw new Error(`cannot read the field "${line}" of ${name}`);
        return {
          name: match[1]!,
          type: match[2]!,
          optional: match[3] === "?",
          list: match[3] === "[]",
          attributes: match[4]!,
        };
      });
    return { name: name!, fields, attributes: lines.filter((line) => line.startsWith("@@")) };
  });
}

const columnList = (text: string) => text.replaceAll(" ", "").replaceAll(",", ", ");

/** What a schema declares. */
export function describeSchema(models: readonly Model[]): SchemaDescription {
  const names = new Set(models.map(({ name }) => name));
  const columns: string[] = [];
  const indexes: string[] = [];
  const references: string[] = [];
  for (const { name: table, fields, attributes } of models) {
    for (const field of fields) {
      const relation = /@relation\(fields: \[([^\]]+)\], references: \[([^\]]+)\], onDelete: (\w+)\)/.exec(
        field.attributes,
      );
      if (relation !== null) {
        const rule = DELETE_RULES[relation[3]!] ?? relation[3];
        references.push(
          `"${table}" (${columnList(relation[1]!)}) -> "${field.type}" (${columnList(relation[2]!)}) on delete ${rule}`,
        );
      }
      if (names.has(field.type)) continue;
      const type = COLUMN_TYPES[field.type];
      if (type === undefined || field.list)
        throw new Error(`unknown type ${field.type} of ${table}.${field.name}`);
      const standard = /@default\((\w+)\)/.exec(field.attributes)?.[1];
      columns.push(
        `"${table}".${field.name} ${type} ${field.optional ? "null" : "not null"}${standard === undefined ? "" : ` default ${standard}`}`,
      );
      if (/@id\b/.test(field.attributes)) indexes.push(`primary "${table}" (${field.name})`);
      if (/@unique\b/.test(field.attributes)) indexes.push(`unique "${table}" (${field.name})`);
    }
    for (const attribute of attributes) {
      const match = /^@@(id|unique|index)\(\[([^\]]+)\]\)$/.exec(attribute);
      if (match === null) throw new Error(`cannot read "${attribute}" of ${table}`);
      const kind = { id: "primary", unique: "unique", index: "index" }[match[1]!];
      indexes.push(`${kind} "${table}" (${columnList(match[2]!)})`);
    }
  }
  return { columns: columns.sort(), indexes: indexes.sort(), references: references.sort() };
}

/** What a PostgreSQL schema holds, apart from the migrations' bookkeeping. */
export async function describeDatabase(
  query: (sql: string, parameters: readonly unknown[]) => Promise<Record<string, unknown>[]>,
  schema: string,
): Promise<SchemaDescription> {
  const lines = async (sql: string) => (await query(sql, [schema])).map(({ line }) => String(line)).sort();
  const tables = `FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname <> '_prisma_migrations'`;
  return {
    columns: await lines(
      `SELECT format('"%s".%s %s %s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attnotnull THEN 'not null' ELSE 'null' END,
                coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')) AS line
         FROM pg_attribute a JOIN (SELECT c.oid, c.relname ${tables}) c ON c.oid = a.attrelid
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped`,
    ),
    indexes: await lines(
      `SELECT format('%s "%s" (%s)',
                CASE WHEN i.indisprimary THEN 'primary' WHEN i.indisunique THEN 'unique' ELSE 'index' END, c.relname,
                (SELECT string_agg(a.attname, ', ' ORDER BY k.position)
                   FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position)
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)) AS line
         FROM pg_index i JOIN (SELECT c.oid, c.relname ${tables}) c ON c.oid = i.indrelid`,
    ),
    references: await lines(
      `SELECT format('"%s" (%s) -> "%s" (%s) on delete %s', c.relname, source.columns, target.relname, aim.columns,
                CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END) AS line
         FROM pg_constraint k JOIN (SELECT c.oid, c.relname ${tables}) c ON c.oid = k.conrelid
         JOIN pg_class target ON target.oid = k.confrelid
         CROSS JOIN LATERAL (SELECT string_agg(a.attname, ', ' ORDER BY u.position) AS columns
             FROM unnest(k.conkey) WITH ORDINALITY AS u(attnum, position)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) source
         CROSS JOIN LATERAL (SELECT string_agg(a.attname, ', ' ORDER BY u.position) AS columns
             FROM unnest(k.confkey) WITH ORDINALITY AS u(attnum, position)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum) aim
        WHERE k.contype = 'f'`,
    ),
  };
}
