import {
  type ClientMessage,
  encodeFrame,
  packedLength,
  revealedColumns,
  sealedColumns,
} from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { prepareTask } from "../runtime/new-task.ts";
import { largestFrame } from "./frame-limit.ts";

const items = Array.from({ length: 4 }, (_, i) => ({ id: `${i}`, title: `item ${i}`, tags: [] }));

/** A small model, so that lists of members are the longest messages. */
function planOf(levels: number) {
  const plan = {
    task: "t",
    encoder: {
      dimension: 4,
      heads: 1,
      layers: 1,
      feedForward: 4,
      sequenceLength: 2,
      itemDeltaRank: 0,
      textBuckets: 256,
    },
    clustering: { clusters: 2, microClusters: 0, layers: [] },
    privacy: {
      modulusBits: 16,
      ...(levels === 0 ? {} : { noise: { design: "add-then-remove", levels } }),
    },
    cohort: { minimum: 100, target: 150, maximum: 200, minSurvivors: 100 },
    secureAggregation: { graph: "complete" },
  };
  return prepareTask({ plan, catalogue: { schema: "kindred.catalogue/1", items } }, "0".repeat(64)).plan;
}

describe.each([0, 4, 16])("with %i components of surplus noise", (levels) => {
  const plan = planOf(levels);
  const { surplus = [], paddedLength, modulusBits } = plan.resolved.mechanism;
  const others = Array.from({ length: plan.cohort.maximum - 1 }, (_, i) => i);
  const longest: ClientMessage[] = [
    {
      type: "shares",
      round: 0xffffffff,
      // PROTOCOL.md, section 9: two shares of 36 bytes, one for each component, 16 of authentication.
      ...sealedColumns(others.map((peer) => ({ peer, box: new Uint8Array(88 + 36 * surplus.length) }))),
    },
    {
      type: "reveal",
      round: 0xffffffff,
      ...revealedColumns(
        [...others, plan.cohort.maximum].map((owner) => ({
          owner,
          kind: "self-mask",
          share: new Uint8Array(surplus.length === 0 ? 36 : 72),
        })),
      ),
    },
    {
      type: "masked-input",
      round: 0xffffffff,
      vector: new Uint8Array(packedLength(paddedLength, modulusBits)),
      signature: new Uint8Array(64),
    },
  ];

  it.each(longest.map((message) => [message.type, message] as const))("lets %s through", (_, message) => {
    expect(surplus).toHaveLength(levels);
    expect(encodeFrame(message).length).toBeLessThanOrEqual(largestFrame(plan));
  });
});
