/** The public catalogue of a partner app: what can be recommended. It holds no personal data. */
import { z } from "zod";
import { canonicalJson, sha256Hex } from "./canonical.ts";
import { KindredError } from "./errors.ts";
import { rejectionFromZod } from "./validation.ts";

export const catalogueItemSchema = z.strictObject({
  /** Stable id, unique within the catalogue. */
  id: z.string().min(1).max(128),
  title: z.string().min(1).max(512),
  /** Tags or categories, most general first. */
  tags: z.array(z.string().min(1).max(128)).max(64),
});

export const catalogueSchema = z
  .strictObject({
    schema: z.literal("kindred.catalogue/1"),
    items: z.array(catalogueItemSchema).min(2).max(1_000_000),
  })
  .superRefine(({ items }, context) => {
    const firstIndex = new Map<string, number>();
    items.forEach((item, index) => {
      const first = firstIndex.get(item.id);
      if (first === undefined) firstIndex.set(item.id, index);
      else
        context.addIssue({
          code: "custom",
          path: ["items", index, "id"],
          message: `must be unique, but "${item.id}" is also items.${first}.id`,
          params: { fix: "remove the duplicate or give it an id of its own" },
        });
    });
  });

export type CatalogueItem = z.infer<typeof catalogueItemSchema>;
export type Catalogue = z.infer<typeof catalogueSchema>;

/**
 * Parses a catalogue document.
 * @throws KindredError `catalogue-invalid` naming the first offending field, its rule and the fix
 */
export function parseCatalogue(document: unknown): Catalogue {
  const parsed = catalogueSchema.safeParse(document, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw new KindredError(rejectionFromZod(parsed.error, { code: "catalogue-invalid", root: "catalogue" }));
}

/** Content hash of a catalogue: SHA-256 of its canonical JSON, 64 hexadecimal digits. */
export function catalogueHash(catalogue: Catalogue): string {
  return sha256Hex(canonicalJson(catalogue));
}
