import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KindredError } from "@kindred/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadPopulation } from "./load.ts";

type Files = Readonly<Record<string, string | Uint8Array>>;

const MOVIELENS = {
  "movies.csv":
    'movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n2,"American President, The (1995)",Comedy\n3,Blank (2001),(no genres listed)\n',
  "ratings.csv": "userId,movieId,rating,timestamp\n1,2,4.0,30\n7,1,0.5,5\n1,1,3.5,10\n1,3,5.0,30\n",
};
const MOVIETWEETINGS = {
  "movies.dat": "0013442::Nosferatu: eine Symphonie (1922)::Horror\n0021283::Rakudai (1930)::\n",
  "ratings.dat": "5::0021283::10::1365029107\n5::0013442::0::1365029000\n",
};
const COMPLETE_JOURNEY = {
  "products.csv":
    "product_id,manufacturer_id,department,brand,product_category,product_type,package_size\n10,2,GROCERY,National,PASTA,SPAGHETTI,1 LB\n11,2,MISC,Private,,,\n12,2,,,,,\n",
  "transactions_sample.csv":
    "household_id,store_id,basket_id,product_id,quantity,week,transaction_timestamp\n9,1,1,10,1.0,1,200.0\n9,1,1,11,1.0,1,300.0\n9,1,1,10,1.0,1,100.0\n9,1,1,99,1.0,1,50.0\n",
};

let root: string;
let folders = 0;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "kindred-datasets-"));
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

function folder(files: Files): string {
  const directory = join(root, String(folders++));
  mkdirSync(directory);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return directory;
}

function refusal(files: Files): KindredError {
  try {
    loadPopulation(folder(files));
  } catch (error) {
    if (error instanceof KindredError) return error;
    throw error;
  }
  throw new Error("The data set was accepted.");
}

describe("well-formed data sets", () => {
  it("reads MovieLens: quoted titles, missing genres, users sorted by time with ties in input order", () => {
    const population = loadPopulation(folder(MOVIELENS));
    expect(population.items).toEqual([
      { id: "1", title: "Toy Story (1995)", tags: ["Adventure", "Animation"] },
      { id: "2", title: "American President, The (1995)", tags: ["Comedy"] },
      { id: "3", title: "Blank (2001)", tags: [] },
    ]);
    expect(population.users).toEqual([
      {
        id: "1",
        interactions: [
          { item: "1", action: "rate", time: 10_000, rating: 3.5 },
          { item: "2", action: "rate", time: 30_000, rating: 4 },
          { item: "3", action: "rate", time: 30_000, rating: 5 },
        ],
      },
      { id: "7", interactions: [{ item: "1", action: "rate", time: 5_000, rating: 0.5 }] },
    ]);
  });

  it("reads MovieTweetings: fields between double colons, ratings from 0 to 10", () => {
    const population = loadPopulation(folder(MOVIETWEETINGS));
    expect(population.items).toEqual([
      { id: "0013442", title: "Nosferatu: eine Symphonie (1922)", tags: ["Horror"] },
      { id: "0021283", title: "Rakudai (1930)", tags: [] },
    ]);
    expect(population.users[0]!.interactions.map(({ rating }) => rating)).toEqual([0, 10]);
  });

  it("reads the Complete Journey: first purchases only, products without description kept and counted", () => {
    const population = loadPopulation(folder(COMPLETE_JOURNEY));
    expect(population.items).toEqual([
      { id: "10", title: "SPAGHETTI (National, 1 LB)", tags: ["GROCERY", "PASTA", "SPAGHETTI"] },
      { id: "11", title: "MISC (Private)", tags: ["MISC"] },
      { id: "12", title: "Product 12", tags: [] },
      { id: "99", title: "Product 99", tags: [] },
    ]);
    expect(population.users).toEqual([
      {
        id: "9",
        interactions: [
          { item: "99", action: "purchase", time: 50_000 },
          { item: "10", action: "purchase", time: 100_000 },
          { item: "11", action: "purchase", time: 300_000 },
        ],
      },
    ]);
    expect(population.notes.join(" ")).toContain("1 products that the product table does not describe");
  });

  it("takes a byte-order mark, carriage returns and blank lines", () => {
    const windows = Object.fromEntries(
      Object.entries(MOVIELENS).map(([name, text]) => [name, `\ufeff${text.replaceAll("\n", "\r\n")}\r\n`]),
    );
    expect(loadPopulation(folder(windows)).users).toEqual(loadPopulation(folder(MOVIELENS)).users);
    const tweets = Object.fromEntries(
      Object.entries(MOVIETWEETINGS).map(([name, text]) => [name, `\ufeff${text.replaceAll("\n", "\r\n")}`]),
    );
    expect(loadPopulation(folder(tweets)).items).toEqual(loadPopulation(folder(MOVIETWEETINGS)).items);
  });
});

describe("malformed data sets", () => {
  const cases: readonly { name: string; files: Files; field: string | RegExp; rule: string; fix: string }[] =
    [
      {
        name: "a folder of no known set",
        files: { "notes.txt": "hello" },
        field: /\d+$/,
        rule: "is no data set known here",
        fix: "MovieLens (ratings.csv, movies.csv); MovieTweetings (ratings.dat, movies.dat); The Complete Journey",
      },
      {
        name: "a missing file",
        files: { "ratings.csv": MOVIELENS["ratings.csv"] },
        field: /movies\.csv$/,
        rule: "is missing",
        fix: "download the data set again",
      },
      {
        name: "a missing transactions file",
        files: { "products.csv": COMPLETE_JOURNEY["products.csv"] },
        field: /transactions_sample\.csv$/,
        rule: "is missing",
        fix: "download",
      },
      {
        name: "an empty file",
        files: { ...MOVIELENS, "ratings.csv": "" },
        field: "ratings.csv:1 userId",
        rule: "is missing from the header",
        fix: "userId, movieId, rating, timestamp",
      },
      {
        name: "a header without rows",
        files: { ...MOVIELENS, "ratings.csv": "userId,movieId,rating,timestamp\n" },
        field: "ratings.csv",
        rule: "has no rows",
        fix: "restore",
      },
      {
        name: "a column missing from the header",
        files: { ...MOVIELENS, "ratings.csv": "userId,movieId,stars,timestamp\n1,1,4,10\n" },
        field: "ratings.csv:1 rating",
        rule: 'is missing from the header "userId,movieId,stars,timestamp"',
        fix: "userId, movieId, rating, timestamp",
      },
      {
        name: "a row with a column too few",
        files: { ...MOVIELENS, "ratings.csv": `${MOVIELENS["ratings.csv"]}1,3,4.0\n` },
        field: "ratings.csv:6",
        rule: "must have 4 columns, not 3",
        fix: "restore the published row or remove it",
      },
      {
        name: "a row with a column too many, after blank lines",
        files: { ...MOVIELENS, "ratings.csv": `${MOVIELENS["ratings.csv"]}\n\n1,3,4.0,5,6\n` },
        field: "ratings.csv:8",
        rule: "must have 4 columns, not 5",
        fix: "restore",
      },
      {
        name: "an unquoted comma in a title",
        files: { ...MOVIELENS, "movies.csv": "movieId,title,genres\n1,One, Two (1995),Drama\n" },
        field: "movies.csv:2",
        rule: "must have 3 columns, not 4",
        fix: "restore",
      },
      {
        name: "quotes that are never closed",
        files: { ...MOVIELENS, "movies.csv": 'movieId,title,genres\n1,"Toy Story,Drama\n2,Two,Drama\n' },
        field: /^movies\.csv:\d+$/,
        rule: "is no CSV: Quote Not Closed",
        fix: "close the quotes",
      },
      {
        name: "a rating that is no number",
        files: { ...MOVIELENS, "ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.0,10\n1,2,good,10\n" },
        field: "ratings.csv:3 rating",
        rule: 'must be a number from 0.5 to 5, not "good"',
        fix: "restore the published value",
      },
      {
        name: "a rating outside the scale",
        files: { ...MOVIETWEETINGS, "ratings.dat": "5::0021283::11::1365029107\n" },
        field: "ratings.dat:1 rating",
        rule: 'must be a number from 0 to 10, not "11"',
        fix: "restore",
      },
      {
        name: "a hexadecimal time, which JavaScript would take",
        files: { ...MOVIELENS, "ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.0,0x10\n" },
        field: "ratings.csv:2 timestamp",
        rule: 'not "0x10"',
        fix: "restore",
      },
      {
        name: "an empty user id",
        files: { ...MOVIELENS, "ratings.csv": "userId,movieId,rating,timestamp\n,1,4.0,10\n" },
        field: "ratings.csv:2 userId",
        rule: "must not be empty",
        fix: "restore the value",
      },
      {
        name: "an unknown item",
        files: { ...MOVIELENS, "ratings.csv": "userId,movieId,rating,timestamp\n1,77,4.0,10\n" },
        field: "ratings.csv:2 movieId",
        rule: 'names the item "77", which movies.csv does not describe',
        fix: "add the item to movies.csv or remove the row",
      },
      {
        name: "an unknown item between double colons",
        files: { ...MOVIETWEETINGS, "ratings.dat": "5::0021283::1::10\n5::7::1::10\n" },
        field: "ratings.dat:2 movie_id",
        rule: 'names the item "7"',
        fix: "add the item to movies.dat",
      },
      {
        name: "a product id that is no number",
        files: {
          ...COMPLETE_JOURNEY,
          "transactions_sample.csv": "household_id,product_id,transaction_timestamp\n1,apple,10\n",
        },
        field: "transactions_sample.csv:2 product_id",
        rule: "must be a whole number",
        fix: "restore",
      },
      {
        name: "an item id that occurs twice",
        files: { ...MOVIELENS, "movies.csv": "movieId,title,genres\n1,One,Drama\n1,Two,Drama\n" },
        field: "movies.csv:3 movieId",
        rule: 'must be unique, but "1" occurs twice',
        fix: "remove one of the rows",
      },
      {
        name: "a row of another separator",
        files: { ...MOVIETWEETINGS, "movies.dat": "0013442::Nosferatu\n" },
        field: "movies.dat:1",
        rule: "must have 3 columns, not 2",
        fix: "restore",
      },
      {
        name: "bytes that are no UTF-8",
        files: { ...MOVIETWEETINGS, "movies.dat": Uint8Array.of(0x31, 0xff, 0xfe) },
        field: "movies.dat",
        rule: "must be UTF-8",
        fix: "convert the file",
      },
    ];

  it.each(cases)("refuses $name", ({ files, field, rule, fix }) => {
    const { code, rejection } = refusal(files);
    expect(code).toBe("dataset-invalid");
    if (typeof field === "string") expect(rejection.field).toBe(field);
    else expect(rejection.field).toMatch(field);
    expect(rejection.rule).toContain(rule);
    expect(rejection.fix).toContain(fix);
  });

  it("refuses a folder that does not exist and a file in its place", () => {
    expect(() => loadPopulation(join(root, "nowhere"))).toThrow("does not exist");
    const file = join(folder(MOVIELENS), "ratings.csv");
    expect(() => loadPopulation(file)).toThrow("is a file");
  });
});
