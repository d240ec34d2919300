import { describe, expect, it } from "vitest";
import { sampleModel } from "../test/samples.ts";
import { decodeModel, encodeModel, modelHash } from "./model-file.ts";
import type { ModelSignals } from "./model-signals.ts";

const released = {
  round: 2,
  people: 40,
  deviation: 1.5,
  entries: Uint32Array.of(0, 7, 0xffff_ffff),
  counts: Float32Array.of(3.5, 12, 1e-7),
};

describe("the signals of a model file", () => {
  it.each<[string, ModelSignals]>([
    ["none yet", {}],
    ["transitions", { transitions: { ...released, items: Uint32Array.of(9, 4, 300) } }],
    [
      "both",
      {
        transitions: { ...released, items: Uint32Array.of(1) },
        popularity: { ...released, round: 1, clusters: [4, 0] },
      },
    ],
  ])("are given back, bit for bit: %s", (_, signals) => {
    const file = encodeModel({ ...sampleModel, signals });
    expect(decodeModel(file, modelHash(file))).toEqual({ ok: true, value: { ...sampleModel, signals } });
  });

  it.each([0, -3, Number.NaN, Number.POSITIVE_INFINITY])("are refused with a count of %d", (count) => {
    const popularity = { ...released, counts: Float32Array.of(1, count, 2), clusters: [] };
    const file = encodeModel({ ...sampleModel, signals: { popularity } });
    expect(decodeModel(file, modelHash(file))).toMatchObject({
      ok: false,
      rejection: { code: "model-invalid", field: "model.signals.popularity.counts" },
    });
  });

  it("leave a file without them as it was", () => {
    expect(Object.keys(sampleModel)).not.toContain("signals");
    expect(new TextDecoder().decode(encodeModel(sampleModel))).not.toContain("signals");
  });
});
