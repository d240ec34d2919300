/** The Complete Journey: a year of grocery baskets. */

import type { Interaction, Population, PopulationItem } from "../population.ts";
import { assembleItems, assembleUsers } from "./assemble.ts";
import { readCsv, SECONDS, type TableRow } from "./table.ts";

const PRODUCTS = ["product_id", "department", "brand", "product_category", "product_type", "package_size"];
const TRANSACTIONS = ["household_id", "product_id", "transaction_timestamp"];

/**
 * Loads the Complete Journey sample: `products.csv` and `transactions_sample.csv`. First purchases only: of each
 * household's purchases of a product, only the earliest is kept (ties in time: the earlier row), because the next
 * *new* product is what a recommendation can add. Tags are department, category and type.
 *
 * The published product table does not describe every product sold; such a product is kept under the title
 * "Product <id>" without tags, and the notes say how many there are. The whole catalogue is returned, products
 * never bought included: see `kCore`.
 *
 * @param directory the folder that holds the files
 * @throws {KindredError} `dataset-invalid` naming file, line, field, rule and fix
 */
export function loadCompleteJourney(directory: string): Population {
  const products = readCsv(directory, "products.csv", PRODUCTS);
  const items = assembleItems(products, "product_id", describeProduct);
  let undescribed = 0;
  const purchases = readCsv(directory, "transactions_sample.csv", TRANSACTIONS).map((row) => {
    const item = String(row.number("product_id", { minimum: 0, maximum: 1e12, whole: true }));
    if (!items.has(item)) {
      undescribed++;
      items.set(item, { id: item, title: `Product ${item}`, tags: [] });
    }
    return {
      user: row.text("household_id"),
      interaction: {
        item,
        action: "purchase" as const,
        time: row.number("transaction_timestamp", SECONDS) * 1000,
      },
    };
  });
  const users = assembleUsers(purchases).map((user) => ({
    ...user,
    interactions: firstOfEachItem(user.interactions),
  }));
  return {
    name: "completejourney",
    items: [...items.values()],
    users,
    notes: [
      "The Complete Journey (84.51°): CC0, as the R package completejourney states.",
      "First purchases only: each household's earliest purchase of each product.",
      `${undescribed} products that the product table does not describe are titled by their number.`,
    ],
  };
}

function describeProduct(row: TableRow): Omit<PopulationItem, "id"> {
  const tags = ["department", "product_category", "product_type"].map((column) => row.optional(column));
  const name = tags.filter(Boolean).at(-1) ?? `Product ${row.text("product_id")}`;
  const details = [row.optional("brand"), row.optional("package_size")].filter(Boolean).join(", ");
  return { title: details ? `${name} (${details})` : name, tags: [...new Set(tags.filter(Boolean))] };
}

/** The earliest interaction with each item; `interactions` are sorted by time. */
function firstOfEachItem(interactions: readonly Interaction[]): Interaction[] {
  const first = new Map<string, Interaction>();
  for (const interaction of interactions) {
    if (!first.has(interaction.item)) first.set(interaction.item, interaction);
  }
  return [...first.values()];
}
