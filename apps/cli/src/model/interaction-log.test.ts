import { describe, expect, it } from "vitest";
import { leaveLastOut, readInteractionLog } from "./interaction-log.ts";

const catalogue = { items: ["a", "b", "c"].map((id) => ({ id, title: id, tags: [] })) };
const read = (...lines: string[]) =>
  readInteractionLog(["user,item,time,action,rating", ...lines].join("\n"), { name: "log.csv", catalogue });

describe("a log of interactions", () => {
  it("becomes one sequence per person, oldest first, without items of no catalogue", () => {
    const { sequences, unknownItems } = read(
      "x,b,2000,like,",
      "y,a,1970-01-01T00:00:05Z,,",
      "x,a,1000,rate,0.8",
      "x,lost,1500,,",
    );
    expect(unknownItems).toBe(1);
    expect(sequences).toEqual([
      { items: [0, 1], actions: [4, 1], times: [1000, 2000], ratings: [0.8, Number.NaN] },
      { items: [0], actions: [0], times: [5000], ratings: [Number.NaN] },
    ]);
  });

  it.each([
    ["x,a,soon,,", "log.csv:2 time"],
    ["x,a,1,steal,", "log.csv:2 action"],
    ["x,a,1,,5", "log.csv:2 rating"],
    [" ,a,1,,", "log.csv:2 user"],
  ])("is refused with %s", (line, field) => {
    expect(() => read(line)).toThrow(field);
  });

  it("keeps the last item of each person back, where it is new to them", () => {
    const { sequences } = read("x,a,1,,", "x,b,2,,", "y,a,1,,", "z,a,1,,", "z,b,2,,", "z,a,3,,");
    expect(leaveLastOut(sequences)).toEqual([
      {
        sequence: { items: [0], actions: [0], times: [1], ratings: [Number.NaN] },
        target: 1,
        seen: [0],
      },
    ]);
  });
});
