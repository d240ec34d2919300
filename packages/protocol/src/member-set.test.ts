import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeMemberSet, encodeMemberSet } from "./member-set.ts";

const decode = (bytes: Uint8Array, size: number) => decodeMemberSet(bytes, { size, field: "inbox.sharing" });

describe("sets of members", () => {
  it("come back in increasing order, from as many bytes as the cohort needs", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.array(fc.nat()), (size, drawn) => {
        const members = [...new Set(drawn.map((value) => value % size))];
        const bytes = encodeMemberSet(members, size);
        expect(bytes).toHaveLength(Math.ceil(size / 8));
        expect(decode(bytes, size)).toEqual({ ok: true, value: members.sort((a, b) => a - b) });
      }),
    );
  });

  it("start with the least significant bit", () => {
    expect(encodeMemberSet([0, 3, 9], 10)).toEqual(Uint8Array.of(0b1001, 0b10));
    expect(encodeMemberSet([], 8)).toEqual(Uint8Array.of(0));
  });

  it.each([
    ["one byte short", Uint8Array.of(1), 9],
    ["one byte long", Uint8Array.of(1, 0), 8],
    ["empty", new Uint8Array(0), 1],
    ["a member beyond the cohort", Uint8Array.of(0, 0b100), 10],
  ])("%s: refused, for a set has one encoding", (_, bytes, size) => {
    expect(decode(bytes, size)).toMatchObject({
      ok: false,
      rejection: {
        code: "message-invalid",
        field: "inbox.sharing",
        rule: expect.stringContaining(`${size}`),
      },
    });
  });

  it.each([-1, 10, 0.5, Number.NaN])("%d is no member of ten", (member) => {
    expect(() => encodeMemberSet([member], 10)).toThrow(RangeError);
  });
});
