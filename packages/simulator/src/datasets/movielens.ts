/** MovieLens "ml-latest-small" (and the other `ml-latest` releases of the same form). */

import type { Population } from "../population.ts";
import { assembleItems, assembleUsers, knownItem } from "./assemble.ts";
import { readCsv, SECONDS } from "./table.ts";

/** How the data set writes that a film has no genre. */
const NO_GENRES = "(no genres listed)";

/**
 * Loads MovieLens: `movies.csv` (movieId, title, genres) and `ratings.csv` (userId, movieId, rating, timestamp).
 * Every rating is an interaction, with its rating of 0.5 to 5; tags are the film's genres. The whole catalogue is
 * returned, films without ratings included: see `kCore`.
 *
 * Harper & Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.
 *
 * @param directory the folder that holds the files
 * @throws {KindredError} `dataset-invalid` naming file, line, field, rule and fix
 */
export function loadMovieLens(directory: string): Population {
  const movies = readCsv(directory, "movies.csv", ["movieId", "title", "genres"]);
  const items = assembleItems(movies, "movieId", (row) => ({
    title: row.text("title"),
    tags: row.optional("genres") === NO_GENRES ? [] : row.optional("genres").split("|").filter(Boolean),
  }));
  const ratings = readCsv(directory, "ratings.csv", ["userId", "movieId", "rating", "timestamp"]);
  const users = assembleUsers(
    ratings.map((row) => ({
      user: row.text("userId"),
      interaction: {
        item: knownItem(row, "movieId", { file: "movies.csv", items }),
        action: "rate" as const,
        time: row.number("timestamp", SECONDS) * 1000,
        rating: row.number("rating", { minimum: 0.5, maximum: 5 }),
      },
    })),
  );
  return {
    name: "ml-latest-small",
    items: [...items.values()],
    users,
    notes: [
      "MovieLens (GroupLens): for research and non-commercial use; cite Harper & Konstan 2015.",
      "Ratings from 0.5 to 5 stars; every rating is an interaction.",
    ],
  };
}
