/** MovieTweetings: film ratings from public tweets. */

import type { Population } from "../population.ts";
import { assembleItems, assembleUsers, knownItem } from "./assemble.ts";
import { readDoubleColon, SECONDS } from "./table.ts";

/**
 * Loads MovieTweetings: `movies.dat` (id::title::genres) and `ratings.dat` (user::movie::rating::timestamp).
 * Every rating is an interaction, with its rating of 0 to 10; tags are the film's genres. The whole catalogue is
 * returned, films without ratings included: see `kCore`.
 *
 * Dooms, De Pessemier & Martens, "MovieTweetings: a movie rating dataset collected from Twitter", CrowdRec 2013.
 *
 * @param directory the folder that holds the files
 * @throws {KindredError} `dataset-invalid` naming file, line, field, rule and fix
 */
export function loadMovieTweetings(directory: string): Population {
  const movies = readDoubleColon(directory, "movies.dat", ["movie_id", "movie_title", "genres"]);
  const items = assembleItems(movies, "movie_id", (row) => ({
    title: row.text("movie_title"),
    tags: row.optional("genres").split("|").filter(Boolean),
  }));
  const columns = ["user_id", "movie_id", "rating", "rating_timestamp"];
  const users = assembleUsers(
    readDoubleColon(directory, "ratings.dat", columns).map((row) => ({
      user: row.text("user_id"),
      interaction: {
        item: knownItem(row, "movie_id", { file: "movies.dat", items }),
        action: "rate" as const,
        time: row.number("rating_timestamp", SECONDS) * 1000,
        rating: row.number("rating", { minimum: 0, maximum: 10 }),
      },
    })),
  );
  return {
    name: "movietweetings-100k",
    items: [...items.values()],
    users,
    notes: [
      "MovieTweetings (Dooms et al. 2013): MIT licence.",
      "Ratings from 0 to 10; every rating is an interaction.",
    ],
  };
}
