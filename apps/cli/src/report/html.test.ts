import { type DefaultTreeAdapterTypes, parse } from "parse5";
import { describe, expect, it } from "vitest";
import { renderReport } from "./html.ts";
import { sampleHeldOut, sampleResult, sampleRound } from "./sample-result.ts";
import type { SimulationResult } from "./simulation-result.ts";

type Node = DefaultTreeAdapterTypes.Node;
type Element = DefaultTreeAdapterTypes.Element;

interface Page {
  elements: Element[];
  text: string;
}

/** Parses a report and fails on every error of the HTML specification's parser. */
function read(html: string): Page {
  const errors: string[] = [];
  const document = parse(html, {
    sourceCodeLocationInfo: true,
    onParseError: (e) => errors.push(`${e.code} at ${e.startLine}:${e.startCol}`),
  });
  expect(errors).toEqual([]);
  const elements: Element[] = [];
  const texts: string[] = [];
  const walk = (node: Node) => {
    if ("tagName" in node) elements.push(node);
    if (node.nodeName === "style") return;
    if ("value" in node) texts.push(node.value);
    if ("childNodes" in node) for (const child of node.childNodes) walk(child);
  };
  walk(document);
  return { elements, text: texts.join(" ").replaceAll("\u00A0", " ") };
}

function named(page: Page, tag: string): Element[] {
  return page.elements.filter((e) => e.tagName === tag);
}

function attribute(element: Element, name: string): string | undefined {
  return element.attrs.find((a) => a.name === name)?.value;
}

/** All text within an element. */
function text(node: Node): string {
  if ("value" in node) return node.value.replaceAll("\u00A0", " ");
  return "childNodes" in node ? node.childNodes.map(text).join("") : "";
}

function headings(page: Page): string[] {
  return named(page, "h2").map((h) => h.childNodes.map((c) => ("value" in c ? c.value : "")).join(""));
}

/** Nothing that a person would read as a programming error, in text or attributes. */
function expectClean(html: string): void {
  const page = read(html);
  const attributes = page.elements.flatMap((e) => e.attrs.map((a) => a.value)).join(" ");
  for (const wrong of [/\bNaN\b/, /\bundefined\b/, /\bInfinity\b/, /\[object/, /\bnull\b/]) {
    expect(page.text).not.toMatch(wrong);
    expect(attributes).not.toMatch(wrong);
  }
}

const NO_NOISE: Partial<SimulationResult> = {
  epsilon: { coordinator: null, observer: null, delta: 1e-6, promised: null },
  noise: null,
  rounds: [1, 2].map((r) => sampleRound(r, { epsilon: null, observerEpsilon: null })),
};

describe("renderReport", () => {
  it("is well formed and has every part, in order", () => {
    const page = read(renderReport(sampleResult()));
    expect(named(page, "h1")).toHaveLength(1);
    expect(headings(page)).toEqual([
      "How good are the recommendations?",
      "How did it learn?",
      "What did it cost in privacy?",
      "Who took part, and what crossed the wire?",
      "Where did the time go?",
      "Which interests did it find?",
      "Every round",
      "What this does and does not show",
      "Words used here",
    ]);
    const charts = named(page, "svg").filter((s) => attribute(s, "role") === "img");
    expect(charts.map((c) => attribute(c, "aria-labelledby")?.split("-")[0])).toEqual([
      "hr",
      "ndcg",
      "loss",
      "curve",
      "epsilon",
      "cohort",
      "bytes",
      "time",
      "map",
      "layers",
      "noisy",
    ]);
  });

  it("gives every chart a title and a description, and no id twice", () => {
    const page = read(renderReport(sampleResult()));
    const ids = page.elements.map((e) => attribute(e, "id")).filter((id) => id !== undefined);
    expect(new Set(ids).size).toBe(ids.length);
    for (const chart of named(page, "svg").filter((s) => attribute(s, "role") === "img")) {
      const [title, desc] = (attribute(chart, "aria-labelledby") ?? "").split(" ");
      const children = chart.childNodes.filter((c): c is Element => "tagName" in c);
      expect([children[0]?.tagName, children[1]?.tagName]).toEqual(["title", "desc"]);
      expect([attribute(children[0] as Element, "id"), attribute(children[1] as Element, "id")]).toEqual([
        title,
        desc,
      ]);
    }
    for (const th of named(page, "th")) expect(["row", "col"]).toContain(attribute(th, "scope"));
  });

  it("asks no network for anything and runs no script", () => {
    const html = renderReport(sampleResult());
    expect(html).not.toMatch(/https?:/);
    const page = read(html);
    for (const tag of ["script", "link", "img", "iframe", "object", "embed", "image", "use", "base"])
      expect(named(page, tag)).toEqual([]);
    const names = page.elements.flatMap((e) => e.attrs.map((a) => a.name));
    expect(names.filter((n) => n === "src" || n === "href" || n.startsWith("on"))).toEqual([]);
    expect(html).not.toMatch(/url\(|@import/);
    expect(
      named(page, "meta").some((m) => (attribute(m, "content") ?? "").startsWith("default-src 'none'")),
    ).toBe(true);
  });

  it("states what was promised and done from the data", () => {
    const { text } = read(renderReport(sampleResult()));
    expect(text).toContain("Only sums of at least 61 people were ever readable");
    expect(text).toContain("4 of 5 rounds published a new model (1 failed)");
    expect(text).toContain("The privacy promise was kept");
    expect(text).toContain("within the 4.00 that was promised");
    expect(text).toContain("1.36; the larger number is the one to rely on");
    expect(text).toContain("92 % of centralised training");
    expect(text).toContain("31 clients were left at unmasking");
  });

  it("shows what rounds held out as curves with their noise, and what they collected", () => {
    const result = sampleResult({
      rounds: [
        sampleRound(1, { signal: { signal: "popularity", kept: 412, entries: 3600, deviation: 2.34 } }),
        sampleRound(2, { heldOut: null }),
        sampleRound(3, { heldOut: sampleHeldOut }),
        sampleRound(4, { heldOut: { ...sampleHeldOut, hr10: 0.2 } }),
      ],
    });
    const html = renderReport(result);
    expectClean(html);
    const page = read(html);
    expect(headings(page)).toEqual(
      expect.arrayContaining([
        "How well did it foresee what people held out?",
        "What else did rounds collect?",
      ]),
    );
    const bands = named(page, "polygon").filter((one) => attribute(one, "class") === "band");
    // Loss has its band before; rounds 3 and 4 give one to each of six curves.
    expect(bands).toHaveLength(1 + 6);
    expect(page.text).toContain("HR@10: 0.200 ± 0.02");
    expect(page.text).toContain(
      "In 1 of 3 published rounds the count of held-out interactions does not stand out",
    );
    expect(page.text).toContain("held out: lost in the noise");
    expect(page.text).toContain("held out: HR@10 0.120 ± 0.02, NDCG@10 0.061 ± 0.021, loss 5.210 ± 0.11");
    expect(page.text).toContain("popularity: 412 of 3,600 counts kept, noise on each ± 2.34");
    const signals = named(page, "table").find((table) =>
      named(page, "caption").some((one) => one.parentNode === table && text(one) === "Signals"),
    );
    expect(signals).toBeDefined();
    expect(text(signals!)).toContain("popularity613,6002.3441211 %");
  });

  it("says nothing of held-out interactions and signals where there are none", () => {
    const { text } = read(renderReport(sampleResult()));
    expect(text).not.toContain("held out?");
    expect(text).not.toContain("rounds collect");
  });

  it("says clearly that there is no guarantee when noise was off", () => {
    const page = read(renderReport(sampleResult(NO_NOISE)));
    expect(page.text).toContain("Noise was off: there is no privacy guarantee");
    expect(page.text).not.toContain("promise was kept");
    expect(named(page, "svg").some((s) => attribute(s, "aria-labelledby") === "epsilon-t epsilon-d")).toBe(
      false,
    );
  });

  it("does not call an excess or an infinite ε a promise kept", () => {
    const exceeded = sampleResult({ epsilon: { coordinator: 4.2, observer: 1, delta: 1e-6, promised: 4 } });
    expect(read(renderReport(exceeded)).text).toContain("The privacy promise was exceeded");
    const infinite = sampleResult({
      epsilon: { coordinator: Number.POSITIVE_INFINITY, observer: 1, delta: 1e-6, promised: 4 },
    });
    expect(read(renderReport(infinite)).text).toContain("No finite ε: there is no privacy guarantee");
    const weak = sampleResult({ epsilon: { coordinator: 40, observer: 1, delta: 1e-6, promised: 50 } });
    expect(read(renderReport(weak)).text).toContain("it is a weak one");
  });

  it("escapes every text of the result", () => {
    const evil = `</style><script>alert("x")</script><img src=x onerror='y'>&amp;\u0000\uD800`;
    const html = renderReport(
      sampleResult({
        data: evil,
        backend: evil,
        notes: [evil],
        verdict: [evil],
        clusters: [{ name: evil, size: 3, x: 0, y: 0 }],
        rounds: [sampleRound(1), sampleRound(2, { status: "failed", reason: evil })],
      }),
    );
    const page = read(html);
    expect(named(page, "script")).toEqual([]);
    expect(named(page, "img")).toEqual([]);
    expect(html).not.toContain("<script");
    expect(page.text).toContain(`</style><script>alert("x")</script><img src=x onerror='y'>&amp;`);
  });

  it("reads well for no round, one round, many rounds and only failed rounds", () => {
    const none = renderReport(
      sampleResult({ rounds: [], learning: [], clusters: [], notes: [], verdict: [] }),
    );
    expectClean(none);
    expect(read(none).text).toContain("no round was run");
    const one = renderReport(sampleResult({ rounds: [sampleRound(1)], learning: [] }));
    expectClean(one);
    expect(read(one).text).toContain("The one round published a new model");
    const many = renderReport(
      sampleResult({ rounds: Array.from({ length: 200 }, (_, i) => sampleRound(i + 1)) }),
    );
    expectClean(many);
    expect(named(read(many), "tr").length).toBeGreaterThanOrEqual(200);
    expect(many.length).toBeLessThan(600_000);
    const failed = [1, 2].map((r) =>
      sampleRound(r, {
        status: "failed",
        survivors: 0,
        dropped: 64,
        loss: null,
        silhouette: null,
        reason: "no quorum",
      }),
    );
    const lost = renderReport(sampleResult({ rounds: failed }));
    expectClean(lost);
    expect(read(lost).text).toContain("No sum was published");
    expect(read(lost).text).not.toContain("were ever readable");
  });

  it("shows a dash and never NaN for odd numbers", () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, -5, 1e300, 5e-324];
    for (const x of odd) {
      const quality = { hr10: x, ndcg10: x };
      const ms = Object.fromEntries(Object.keys(sampleRound(1).ms).map((k) => [k, x]));
      const clusters = {
        ...{ clusters: x, silhouette: x, distance: x, daviesBouldin: x, calinskiHarabasz: x },
        ...{ released: true, ari: x, ami: x, fmi: x },
      };
      const layers = [[{ id: 0, name: "a", size: x, parent: null, outlier: false }]];
      const round = sampleRound(1, {
        cohort: x,
        survivors: x,
        dropped: x,
        epsilon: x,
        observerEpsilon: x,
        loss: x,
        silhouette: x,
        ms: ms as ReturnType<typeof sampleRound>["ms"],
        clientMs: { train: x, encode: x, crypto: x },
        bytesUpPerClient: x,
        bytesDownPerClient: x,
      });
      expectClean(
        renderReport(
          sampleResult({
            rounds: [round, { ...round, round: 2 }, sampleRound(3)],
            metrics: {
              before: quality,
              after: quality,
              popularity: quality,
              centralised: quality,
              noiseCohort: { cohort: x, quality, epsilon: x, clusters, layers },
              silhouette: { before: x, after: x },
              ari: x,
              clusters: { before: clusters, after: clusters, groups: "known" },
              users: x,
            },
            epsilon: { coordinator: x, observer: x, delta: x, promised: x },
            noise: { multiplier: x, perCoordinate: x, signalToNoise: x },
            learning: [
              { round: 0, ndcg10: x },
              { round: 1, ndcg10: 0.1 },
            ],
            clusters: [
              { name: "a", size: x, x, y: 0 },
              { name: "b", size: 1, x: 1, y: x },
              { name: "c", size: 1, x: 1, y: 1 },
            ],
            layers,
            vector: { length: x, padded: x, bits: x },
            durationMs: x,
          }),
        ),
      );
    }
  });

  it("is the same for the same result", () => {
    expect(renderReport(sampleResult())).toBe(renderReport(sampleResult()));
  });
});
