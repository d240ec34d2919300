/** From tables to a population: catalogues without duplicates, and interactions collected per user. */

import { type Interaction, type PopulationItem, type PopulationUser, sortedByTime } from "../population.ts";
import type { TableRow } from "./table.ts";

/**
 * Turns rows into a catalogue, in the order of the rows.
 *
 * @param idColumn the column of the item's id
 * @throws {KindredError} `dataset-invalid` when an id occurs twice
 */
export function assembleItems(
  rows: readonly TableRow[],
  idColumn: string,
  describe: (row: TableRow) => Omit<PopulationItem, "id">,
): Map<string, PopulationItem> {
  const items = new Map<string, PopulationItem>();
  for (const row of rows) {
    const id = row.text(idColumn);
    if (items.has(id)) {
      throw row.error(idColumn, {
        rule: `must be unique, but ${JSON.stringify(id)} occurs twice`,
        fix: "remove one of the rows",
      });
    }
    items.set(id, { id, ...describe(row) });
  }
  return items;
}

/** Users in order of first appearance, their interactions sorted by time with ties in input order. */
export function assembleUsers(rows: Iterable<{ user: string; interaction: Interaction }>): PopulationUser[] {
  const byUser = new Map<string, Interaction[]>();
  for (const { user, interaction } of rows) {
    const interactions = byUser.get(user);
    if (interactions) interactions.push(interaction);
    else byUser.set(user, [interaction]);
  }
  return Array.from(byUser, ([id, interactions]) => ({ id, interactions: sortedByTime(interactions) }));
}

/** An item's id after a check that the catalogue describes it. @throws {KindredError} `dataset-invalid` if not */
export function knownItem(
  row: TableRow,
  column: string,
  catalogue: { readonly file: string; readonly items: ReadonlyMap<string, PopulationItem> },
): string {
  const id = row.text(column);
  if (catalogue.items.has(id)) return id;
  throw row.error(column, {
    rule: `names the item ${JSON.stringify(id)}, which ${catalogue.file} does not describe`,
    fix: `add the item to ${catalogue.file} or remove the row`,
  });
}
