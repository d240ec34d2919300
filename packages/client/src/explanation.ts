/**
 * Why an item was recommended. Every claim is checked by computing the scores anew without what it names: the share of
 * each interaction by leaving it out, what the cited ones explain together by leaving all of them out, and a
 * counterfactual by the place that the item would have had.
 */
import type { Sequence } from "@kindred/encoder";
import { type CatalogueItem, KindredError } from "@kindred/protocol";
import {
  candidateItems,
  type Recommendation,
  type RecommendationContext,
  type RecommendationMode,
  scoredBy,
} from "./recommendations.ts";

export type ExplanationLanguage = "en" | "zh";

export interface ExplainOptions {
  /** `en` by default. */
  readonly language?: ExplanationLanguage;
  /** The candidates of the list, where it had some. */
  readonly candidates?: readonly string[];
}

/** A recorded item and what its interactions add to the score. */
export interface CitedInteraction {
  readonly item: CatalogueItem;
  /** The score less the score without the item's interactions, nats; above 0. */
  readonly contribution: number;
}

/** Computed on the device; no part of it leaves. */
export interface Explanation {
  readonly item: CatalogueItem;
  readonly basis: Recommendation["basis"];
  /** Interactions that mattered most, at most three, the first the most. */
  readonly interactions: readonly CitedInteraction[];
  /** Public tags that the item shares with the cited ones, the most shared first. */
  readonly features: readonly string[];
  /**
   * Whether the cited interactions explain the score: `explained`, what the score loses when all of them are left out,
   * and `total`, what it loses when the record is; nats. Without a record both are 0.
   */
  readonly completeness: { readonly explained: number; readonly total: number };
  /**
   * Items without whose interactions the item would not be in the list, and the place, from 1, that it would have then;
   * verified by ranking anew. `null` where leaving out the cited ones is not enough.
   */
  readonly counterfactual: { readonly without: readonly CatalogueItem[]; readonly place: number } | null;
  /** The same in plain sentences, from public names only. */
  readonly text: string;
}

/** Latest recorded items that are looked at; each takes the encoder once. */
const CONSIDERED = 30;
const CITED = 3;
const FEATURES = 3;

interface Asked extends ExplainOptions {
  readonly recommendation: Recommendation;
  readonly sequence: Sequence;
}

/** @throws KindredError `option-invalid` on an item, a candidate or a language that is not there */
export async function explainRecommendation(
  context: RecommendationContext,
  asked: Asked,
): Promise<Explanation> {
  const { recommendation, sequence, language = "en" } = asked;
  if (language !== "en" && language !== "zh")
    throw invalid("language", 'must be "en" or "zh"', "leave it out for English");
  const target = context.index.get(recommendation.item.id);
  if (target === undefined)
    throw invalid(
      "recommendation.item",
      "must be an item of the catalogue",
      "pass what recommend() returned",
    );
  const { basis, item } = recommendation;
  const claims =
    sequence.items.length === 0 || basis === "picked" || basis === "popularity" || basis === "clusters"
      ? { interactions: [], features: [], completeness: { explained: 0, total: 0 }, counterfactual: null }
      : await checkedClaims(context, { asked, target, mode: basis });
  const explanation = { item, basis, ...claims };
  return { ...explanation, text: inWords(explanation, { language, among: recommendation.among }) };
}

async function checkedClaims(
  context: RecommendationContext,
  { asked, target, mode }: { asked: Asked; target: number; mode: RecommendationMode },
): Promise<Omit<Explanation, "item" | "basis" | "text">> {
  const { sequence, recommendation, candidates: ids } = asked;
  const { items } = context.catalogue;
  const scoresWithout = (left: ReadonlySet<number>): Promise<Float32Array> =>
    scoresOf(context, { sequence: without(sequence, left), mode });
  const full = (await scoresWithout(new Set()))[target]!;
  const recorded = [...new Set(Array.from(sequence.items).reverse())].filter((item) => item !== target);
  const shares: { readonly index: number; readonly contribution: number }[] = [];
  for (const index of recorded.slice(0, CONSIDERED)) {
    const left = (await scoresWithout(new Set([index])))[target]!;
    shares.push({ index, contribution: full - left });
  }
  const cited = shares
    .filter(({ contribution }) => contribution > 0)
    .sort((a, b) => b.contribution - a.contribution)
    .slice(0, CITED);
  const candidates = candidateItems(context, ids);
  const seen = new Set(Array.from(sequence.items));
  const placeIn = (scores: Float32Array): number =>
    scores.reduce((place, score, item) => {
      const isOffered = !seen.has(item) && (candidates?.has(item) ?? true);
      return place + Number(item !== target && isOffered && score > scores[target]!);
    }, 1);
  let counterfactual: Explanation["counterfactual"] = null;
  let explained = 0;
  for (let count = 1; count <= cited.length; count++) {
    const left = cited.slice(0, count).map(({ index }) => index);
    const scores = await scoresWithout(new Set(left));
    explained = full - scores[target]!;
    const place = placeIn(scores);
    if (counterfactual === null && place > recommendation.among)
      counterfactual = { without: left.map((index) => items[index]!), place };
  }
  const total = full - (await scoresWithout(new Set(recorded)))[target]!;
  return {
    interactions: cited.map(({ index, contribution }) => ({ item: items[index]!, contribution })),
    features: sharedTags(
      items[target]!,
      cited.map(({ index }) => items[index]!),
    ),
    completeness: { explained, total },
    counterfactual,
  };
}

/** Scores in nats; of a record with nothing in it those of a uniform guess. */
async function scoresOf(
  context: RecommendationContext,
  { sequence, mode }: { readonly sequence: Sequence; readonly mode: RecommendationMode },
): Promise<Float32Array> {
  const { length } = context.catalogue.items;
  if (sequence.items.length === 0) return new Float32Array(length).fill(-Math.log(length));
  return (await scoredBy(context, { sequence, mode })).scores;
}

/** The sequence without the interactions with some items. */
function without(sequence: Sequence, left: ReadonlySet<number>): Sequence {
  const kept = Array.from(sequence.items, (item, at) => (left.has(item) ? -1 : at)).filter((at) => at >= 0);
  const at = (values: ArrayLike<number>): number[] => kept.map((position) => values[position]!);
  const { items, actions, times, ratings } = sequence;
  return {
    items: at(items),
    actions: at(actions),
    times: at(times),
    ...(ratings === undefined ? {} : { ratings: at(ratings) }),
  };
}

function sharedTags({ tags }: CatalogueItem, cited: readonly CatalogueItem[]): string[] {
  const bearers = (tag: string): number => cited.filter((item) => item.tags.includes(tag)).length;
  return tags
    .filter((tag) => bearers(tag) > 0)
    .sort((a, b) => bearers(b) - bearers(a))
    .slice(0, FEATURES);
}

function invalid(field: string, rule: string, fix: string): KindredError {
  return new KindredError({ code: "option-invalid", field, rule, fix });
}

type Spoken = Omit<Explanation, "text">;

function inWords(
  explanation: Spoken,
  { language, among }: { readonly language: ExplanationLanguage; readonly among: number },
): string {
  const { item, interactions, features, counterfactual } = explanation;
  const words = WORDS[language];
  const title = words.quote(item.title);
  const cited = interactions.map((interaction) => words.quote(interaction.item.title));
  if (cited.length === 0) return words.general(title, explanation.basis);
  const sentences = [words.because(title, words.list(cited))];
  if (features.length > 0) sentences.push(words.shared(words.list(features)));
  if (counterfactual !== null)
    sentences.push(
      words.without(words.list(counterfactual.without.map((other) => words.quote(other.title))), among),
    );
  return sentences.join(words.space);
}

const WORDS = {
  en: {
    space: " ",
    quote: (name: string) => `“${name}”`,
    list: (names: readonly string[]) =>
      names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`,
    because: (title: string, names: string) => `${title} is here mostly because of ${names}.`,
    shared: (tags: string) => `What they have in common: ${tags}.`,
    without: (names: string, among: number) => `Without ${names} it would not be among the first ${among}.`,
    general: (title: string, basis: Recommendation["basis"]) =>
      ({
        picked: `${title} is close to the interests you picked.`,
        popularity: `${title} is popular.`,
        clusters: `${title} is typical of one of the interests that people have here.`,
        content: `${title} goes with the whole of what you did; no single item decided.`,
        collaborative: `${title} is popular among people like you; no single item decided.`,
        hybrid: `${title} goes with the whole of what you did; no single item decided.`,
      })[basis],
  },
  zh: {
    space: "",
    quote: (name: string) => `《${name}》`,
    list: (names: readonly string[]) => names.join("、"),
    because: (title: string, names: string) => `推荐${title}，主要是因为${names}。`,
    shared: (tags: string) => `它们的共同点：${tags}。`,
    without: (names: string, among: number) => `如果没有${names}，它不会进入前${among}名。`,
    general: (title: string, basis: Recommendation["basis"]) =>
      ({
        picked: `${title}与你选择的兴趣接近。`,
        popularity: `${title}很受欢迎。`,
        clusters: `${title}是这里常见兴趣的代表。`,
        content: `${title}与你的全部记录相符，没有哪一项起决定作用。`,
        collaborative: `${title}在与你相似的人中受欢迎，没有哪一项起决定作用。`,
        hybrid: `${title}与你的全部记录相符，没有哪一项起决定作用。`,
      })[basis],
  },
} as const;
