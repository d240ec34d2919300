import { expect, it } from "vitest";
import { sampleResult } from "../report/sample-result.ts";
import { verdict } from "./verdict.ts";

const noise = { multiplier: 2, perCoordinate: 0.01, signalToNoise: 0.02 };

it("says what the numbers say", () => {
  const result = sampleResult();
  const text = verdict({
    ...result,
    metrics: {
      ...result.metrics,
      before: { hr10: 0.1, ndcg10: 0.02 },
      after: { hr10: 0.2, ndcg10: 0.09 },
      centralised: { hr10: 0.2, ndcg10: 0.1 },
      popularity: { hr10: 0.1, ndcg10: 0.05 },
    },
    noise: null,
  }).join(" ");
  expect(text).toContain("from 0.020 to 0.090: 90 % of the same encoder");
  expect(text).toContain("above popularity (0.050)");
  expect(text).toContain("without an (ε, δ) guarantee");
});

it("says that a population is too small for its noise exactly when the noise is the louder", () => {
  const result = sampleResult();
  expect(verdict({ ...result, noise }).join(" ")).toContain(
    "50 times as large as what the first cohort learned",
  );
  expect(verdict({ ...result, noise: { ...noise, signalToNoise: 2 } }).join(" ")).not.toContain(
    "times as large",
  );
});
