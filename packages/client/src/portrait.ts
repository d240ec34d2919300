/** A person's interests in words, for themselves: made on the device from public names only. */
import { KindredError } from "@kindred/protocol";
import type { Evolution } from "./evolution.ts";
import type { InterestCluster, Interests } from "./interests.ts";

export type PortraitLanguage = "en" | "zh";

/** One interest of the portrait. */
export interface PortraitInterest {
  /** Public tags of the cluster. */
  readonly tags: readonly string[];
  /** Share of the whole record, older interactions counting less. */
  readonly share: number;
  /** Whether the present holds more or less of it than the record: by half or more, and at least .05. */
  readonly trend: "growing" | "steady" | "fading";
  /** Public tags of the fine clusters within it, the strongest first; empty for a fine cluster. */
  readonly details: readonly (readonly string[])[];
}

/** What a portrait is made of, by their roles: names of public clusters, no times, counts or shares. */
export interface PortraitNames {
  readonly language: PortraitLanguage;
  /** The strongest first. */
  readonly main: readonly string[];
  readonly growing: readonly string[];
  readonly fading: readonly string[];
  readonly latent: readonly string[];
  readonly next: readonly string[];
}

/**
 * Writes the portrait's text in place of the built-in one, such as a language model. It is given public names and
 * nothing else. Which names they are tells about the person: run it on the device, or ask them first.
 */
export type PortraitWriter = (names: PortraitNames) => Promise<string>;

export interface PortraitOptions {
  /** `en` by default. */
  readonly language?: PortraitLanguage;
  /** Writes the sentences instead. */
  readonly writer?: PortraitWriter;
}

/** Computed on the device; no part of it leaves. */
export interface Portrait {
  readonly language: PortraitLanguage;
  /** Basic interests of at least .1, or else the strongest one. */
  readonly interests: readonly PortraitInterest[];
  /** Tags of interests not shown yet. */
  readonly latent: readonly (readonly string[])[];
  /** Tags of what comes next, with its probability; `null` when nothing is recorded. */
  readonly next: { readonly tags: readonly string[]; readonly probability: number } | null;
  /** Milliseconds since the epoch of the last change of interests; `null` without one. */
  readonly changedAt: number | null;
  /** A few plain sentences. */
  readonly text: string;
}

/** A share below this is not spoken of. */
const SPOKEN = 0.1;
const LATENT = 2;
const DETAILS = 3;

/**
 * The portrait by the built-in sentences, or by a writer.
 * @throws KindredError `option-invalid` on a language that is not there
 */
export async function describePortrait(
  { interests, evolution }: { readonly interests: Interests; readonly evolution: Evolution },
  { language = "en", writer }: PortraitOptions = {},
): Promise<Portrait> {
  if (!Object.hasOwn(SENTENCES, language))
    throw new KindredError({
      code: "option-invalid",
      field: "language",
      rule: "must be en or zh",
      fix: 'pass language: "en", or write the sentences with a writer of your own',
    });
  const basic = [...(interests.layers[0] ?? [])].sort((a, b) => b.longTerm - a.longTerm || a.id - b.id);
  const finer = interests.layers[1] ?? [];
  const spoken = basic
    .filter(({ longTerm }, i) => i === 0 || longTerm >= SPOKEN)
    .map((cluster): PortraitInterest => {
      const { id, tags, longTerm } = cluster;
      const details = finer.filter(({ parent, longTerm: share }) => parent === id && share >= SPOKEN / 2);
      return {
        tags,
        share: longTerm,
        trend: trendOf(cluster),
        details: details.slice(0, DETAILS).map((fine) => fine.tags),
      };
    });
  const latent = interests.latent.slice(0, LATENT).map(({ tags }) => tags);
  const [expected] = evolution.next;
  const names: PortraitNames = {
    language,
    main: spoken.map(nameOf),
    growing: basic.filter((cluster) => trendOf(cluster) === "growing").map(nameOf),
    fading: basic.filter((cluster) => trendOf(cluster) === "fading").map(nameOf),
    latent: latent.map((tags) => nameOf({ tags })),
    next: expected === undefined ? [] : [nameOf(expected)],
  };
  return {
    language,
    interests: spoken,
    latent,
    next: expected === undefined ? null : { tags: expected.tags, probability: expected.share },
    changedAt: evolution.changes.at(-1)?.time ?? null,
    text: writer === undefined ? plainText(names) : await writer(names),
  };
}

function trendOf({ membership, longTerm }: InterestCluster): PortraitInterest["trend"] {
  if (Math.abs(membership - longTerm) < 0.05) return "steady";
  if (membership >= 1.5 * longTerm) return "growing";
  return longTerm >= 1.5 * membership ? "fading" : "steady";
}

/** The two most telling tags. */
function nameOf({ tags }: { readonly tags: readonly string[] }): string {
  return tags.slice(0, 2).join(" / ");
}

interface Sentences {
  readonly nothing: string;
  readonly list: (names: readonly string[]) => string;
  readonly main: (names: string) => string;
  readonly growing: (names: string) => string;
  readonly fading: (names: string) => string;
  readonly latent: (names: string) => string;
  readonly next: (names: string) => string;
  readonly between: string;
}

const SENTENCES: Readonly<Record<PortraitLanguage, Sentences>> = {
  en: {
    nothing: "There is nothing to tell about your interests yet.",
    list: (names) =>
      names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`,
    main: (names) => `Most of what you like is ${names}.`,
    growing: (names) => `Lately there is more of ${names}.`,
    fading: (names) => `There is less of ${names} than there was.`,
    latent: (names) => `You have not tried ${names} yet, and might like it.`,
    next: (names) => `Next comes ${names}, most likely.`,
    between: " ",
  },
  zh: {
    nothing: "目前还没有足够的记录来描述你的兴趣。",
    list: (names) =>
      names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join("、")}和${names.at(-1)}`,
    main: (names) => `你主要喜欢${names}。`,
    growing: (names) => `最近，你对${names}的兴趣增加了。`,
    fading: (names) => `你对${names}的兴趣比以前少了。`,
    latent: (names) => `你还没有接触过${names}，也许会喜欢。`,
    next: (names) => `接下来最可能是${names}。`,
    between: "",
  },
};

/** Names without any tag are left out; so is every sentence without a name. */
function plainText({ language, ...roles }: PortraitNames): string {
  const { nothing, list, between, ...sentences } = SENTENCES[language];
  const order = ["main", "growing", "fading", "latent", "next"] as const;
  const told = order.flatMap((role) => {
    const names = roles[role].filter((name) => name !== "");
    return names.length > 0 ? [sentences[role](list(names))] : [];
  });
  return told.length > 0 ? told.join(between) : nothing;
}
