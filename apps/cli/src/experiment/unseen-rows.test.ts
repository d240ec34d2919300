import { type Backend, InterestEncoder, loadBackend, seededRandom } from "@kindred/encoder";
import { parsePlanInput } from "@kindred/protocol";
import { beforeAll, describe, expect, it } from "vitest";
import { grownWeights } from "./unseen-rows.ts";

const plan = parsePlanInput({
  task: "test",
  encoder: { layers: 1, dimension: 8, heads: 1, feedForward: 8, sequenceLength: 5, itemDeltaRank: 2 },
});
const features = Float32Array.from({ length: 6 * 8 }, (_, i) => Math.sin(1 + i * i));
let backend: Backend;
beforeAll(async () => {
  backend = await loadBackend();
});

function encoderFor(positions: readonly number[]): InterestEncoder {
  const own = Float32Array.from(positions.flatMap((at) => [...features.subarray(at * 8, (at + 1) * 8)]));
  const { encoder: shape, training } = plan;
  return InterestEncoder.create({ backend, shape, training, features: own, itemCount: positions.length });
}

describe("weights for a larger catalogue", () => {
  it("score the trained items as before, and a new one by its text and the mean bias", () => {
    const visible = [0, 2, 3, 5];
    const trained = encoderFor(visible);
    const whole = encoderFor([0, 1, 2, 3, 4, 5]);
    const random = seededRandom(3);
    trained.setWeights(trained.getWeights().map((weight) => weight + 0.3 * (random() - 0.5)));
    whole.setWeights(grownWeights(trained, { whole, visible }));

    const sequence = (items: number[]) => ({
      items,
      actions: items.map(() => 0),
      times: items.map((_, t) => t),
    });
    const [before] = trained.scoresForMany([sequence([1, 3, 2])]);
    const [after] = whole.scoresForMany([sequence([2, 5, 3])]);
    visible.forEach((position, item) => {
      expect(after![position]).toBeCloseTo(before![item]!, 4);
    });

    const tensor = (name: string) => {
      const { offset, length } = whole.layout.tensors.find((own) => own.name === name)!;
      return whole.getWeights().subarray(offset, offset + length);
    };
    const bias = tensor("item.bias");
    const mean = visible.reduce((sum, position) => sum + bias[position]! / visible.length, 0);
    for (const unseen of [1, 4]) {
      expect(bias[unseen]).toBeCloseTo(mean, 6);
      expect(tensor("item.delta")[unseen]).toBe(0);
      expect(tensor("item.delta")[6 + unseen]).toBe(0);
    }
    trained.dispose();
    whole.dispose();
  });
});
