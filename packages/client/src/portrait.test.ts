import { describe, expect, it } from "vitest";
import { NO_EVOLUTION } from "./evolution.ts";
import { type InterestCluster, type Interests, noInterests } from "./interests.ts";
import { describePortrait, type PortraitNames } from "./portrait.ts";

const cluster = (changes: Partial<InterestCluster>): InterestCluster => ({
  id: 0,
  tags: ["jazz"],
  membership: 0.5,
  longTerm: 0.5,
  similarity: 0.5,
  parent: null,
  outlier: false,
  ...changes,
});

const layers = [
  [
    cluster({ id: 0, tags: ["jazz", "bebop", "swing"], membership: 0.3, longTerm: 0.6 }),
    cluster({ id: 1, tags: ["chess"], membership: 0.65, longTerm: 0.35 }),
    cluster({ id: 2, tags: ["gardens"], membership: 0.05, longTerm: 0.05 }),
  ],
  [
    cluster({ id: 4, tags: ["trio"], parent: 0, longTerm: 0.5 }),
    cluster({ id: 5, tags: ["big band"], parent: 0, longTerm: 0.01 }),
    cluster({ id: 6, tags: ["endgames"], parent: 1, longTerm: 0.35 }),
  ],
];
const interests: Interests = {
  ...noInterests(2),
  layers,
  clusters: layers[1]!,
  latent: [{ id: 8, tags: ["opera", "arias"], expected: 0.2, usual: 0.1 }],
};
const evolution = {
  ...NO_EVOLUTION,
  changes: [{ time: 77, interaction: 3, shift: 1, before: [], after: [] }],
  next: [{ id: 6, tags: ["endgames"], share: 0.4 }],
};
const portrait = (language: "en" | "zh", writer?: (names: PortraitNames) => Promise<string>) =>
  describePortrait({ interests, evolution }, { language, ...(writer && { writer }) });

describe("a portrait", () => {
  it("has the interests that matter with their trends and details", async () => {
    expect(await portrait("en")).toMatchObject({
      interests: [
        { tags: ["jazz", "bebop", "swing"], share: 0.6, trend: "fading", details: [["trio"]] },
        { tags: ["chess"], share: 0.35, trend: "growing", details: [["endgames"]] },
      ],
      latent: [["opera", "arias"]],
      next: { tags: ["endgames"], probability: 0.4 },
      changedAt: 77,
    });
  });

  it("is told in English", async () => {
    expect((await portrait("en")).text).toBe(
      "Most of what you like is jazz / bebop and chess. Lately there is more of chess. There is less of jazz / bebop than there was. You have not tried opera / arias yet, and might like it. Next comes endgames, most likely.",
    );
  });

  it("is told in Chinese", async () => {
    expect((await portrait("zh")).text).toBe(
      "你主要喜欢jazz / bebop和chess。最近，你对chess的兴趣增加了。你对jazz / bebop的兴趣比以前少了。你还没有接触过opera / arias，也许会喜欢。接下来最可能是endgames。",
    );
  });

  it("gives a writer names and nothing else", async () => {
    let given: PortraitNames | undefined;
    const { text } = await portrait("en", async (names) => {
      given = names;
      return "written";
    });
    expect(text).toBe("written");
    expect(given).toEqual({
      language: "en",
      main: ["jazz / bebop", "chess"],
      growing: ["chess"],
      fading: ["jazz / bebop"],
      latent: ["opera / arias"],
      next: ["endgames"],
    });
    expect(JSON.stringify(given)).not.toMatch(/\d/);
  });

  it("of nobody says so", async () => {
    const nobody = { interests: noInterests(2), evolution: NO_EVOLUTION };
    const empty = await describePortrait(nobody, { language: "en" });
    expect(empty).toMatchObject({ interests: [], latent: [], next: null, changedAt: null });
    expect(empty.text).toContain("nothing to tell");
    const chinese = await describePortrait(nobody, { language: "zh" });
    expect(chinese.text).toContain("还没有");
  });

  it("leaves out clusters without names", async () => {
    const unnamed = { ...interests, layers: [[cluster({ tags: [] })]], latent: [] };
    const { text } = await describePortrait(
      { interests: unnamed, evolution: NO_EVOLUTION },
      { language: "en" },
    );
    expect(text).toContain("nothing to tell");
  });
});
