import { describe, expect, it } from "vitest";
import { displayWidth, isRich, pad, printable, renderSpans, truncate, wrap } from "./text.ts";

describe("displayWidth", () => {
  it("counts columns, not code units", () => {
    expect(["abc", "ε → –", "映画", "e\u0301", "👩‍👩‍👧", "🇩🇪", "▕█░▏", ""].map(displayWidth)).toEqual([
      3, 5, 4, 1, 2, 2, 4, 0,
    ]);
  });
});

describe("truncate, pad, wrap", () => {
  it("keep within the width", () => {
    expect(truncate("abcdef", 4)).toBe("abc…");
    expect(truncate("映画館", 4)).toBe("映…");
    expect(truncate("abc", 0)).toBe("");
    expect(pad("映画", 6)).toBe("映画  ");
    expect(pad("1", 3, "right")).toBe("  1");
    expect(wrap("a quiet sentence about 映画 and more", 12)).toEqual([
      "a quiet",
      "sentence",
      "about 映画",
      "and more",
    ]);
    expect(wrap("unbreakable", 4)).toEqual(["unbr", "eaka", "ble"]);
    expect(wrap("", 4)).toEqual([""]);
  });

  it("cuts spans as if they were one text, at every width", () => {
    const spans = [{ text: "round 1" }, { text: "  映画  ", look: "bold" as const }, { text: "end" }];
    const whole = "round 1  映画  end";
    for (let width = 0; width <= 20; width++) {
      expect(renderSpans(spans, { width, color: false })).toBe(truncate(whole, width));
    }
    expect(renderSpans(spans, { width: 20, color: true })).toBe("round 1\u001B[1m  映画  \u001B[0mend");
  });
});

describe("printable", () => {
  it("takes away what a terminal would obey", () => {
    expect(printable("a\u001B[31mb\r\nc\u202Ed")).toBe("a [31mb c d");
  });
});

describe("isRich", () => {
  it("needs a terminal and no objection", () => {
    expect(isRich(true, {})).toBe(true);
    expect(isRich(true, { NO_COLOR: "" })).toBe(true);
    expect(isRich(false, {})).toBe(false);
    expect(isRich(undefined, {})).toBe(false);
    for (const env of [{ NO_COLOR: "1" }, { CI: "true" }, { TERM: "dumb" }])
      expect(isRich(true, env)).toBe(false);
  });
});
