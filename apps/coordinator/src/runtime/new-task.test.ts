import { KindredError } from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { prepareTask } from "./new-task.ts";

const catalogue = {
  schema: "kindred.catalogue/1",
  items: Array.from({ length: 6 }, (_, i) => ({
    id: `${i}`,
    title: `Item ${i}`,
    tags: [i % 2 === 0 ? "health" : "sport"],
  })),
};

function prepare(clustering: object) {
  const cohort = { minimum: 8, target: 10, maximum: 12, minSurvivors: 6 };
  const plan = { task: "x", title: "X", cohort, clustering: { clusters: 2, ...clustering } };
  return prepareTask({ plan, catalogue }, "a".repeat(64));
}

/** The rejection that the documents meet. */
function rejectionOf(clustering: object) {
  try {
    prepare(clustering);
  } catch (error) {
    if (error instanceof KindredError) return error.rejection;
  }
  throw new Error("expected a rejection");
}

describe("a new task", () => {
  it("takes sensitive tags that items bear", () => {
    expect(prepare({ sensitive: ["health"] }).plan.clustering.sensitive).toEqual(["health"]);
  });

  it("refuses one that none bears: it would protect nobody", () => {
    expect(rejectionOf({ sensitive: ["health", "Health"] })).toMatchObject({
      code: "plan-invalid",
      field: "plan.clustering.sensitive[1]",
      rule: 'must be a tag of the catalogue, found "Health"',
    });
  });

  it("refuses more clusters than items", () => {
    expect(rejectionOf({ clusters: 7 })).toMatchObject({ field: "plan.clustering.clusters" });
  });
});
