/** The code against the vectors of conversations, graphs, certificates and sets, as another implementation would. */
import { bytesToHex, decodeMemberSet, encodeMemberSet, hexToBytes, sha256Hex } from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { sampleSize } from "../src/certificate.ts";
import { fewestInTwoWindows } from "../src/certified-graph.ts";
import { clientSessionId } from "../src/client-state.ts";
import { chooseGraph, drawGraph, type GraphOptions } from "../src/graph.ts";
import { suite } from "./cohort.ts";
import { Conversation } from "./conversation.ts";
import vectors from "./vectors/conversations.json" with { type: "json" };
import graphs from "./vectors/graphs.json" with { type: "json" };

describe.each(vectors.conversations)("a client in the $name", (vector) => {
  test("answers every frame with these very bytes", () => {
    const conversation = new Conversation(vector, suite);
    for (const { receive, send } of vector.steps as { receive?: string; send: string }[])
      expect(conversation.receive(receive)).toBe(send);
    expect(bytesToHex(clientSessionId(conversation.state)!)).toBe(vector.sid);
    expect(conversation.state.phase).toBe("ended");
  });

  test.each(vector.refused)("refuses $name", ({ step, receive, code, field }) => {
    const conversation = new Conversation(vector, suite);
    for (const { receive: before } of vector.steps.slice(0, step) as { receive?: string }[])
      expect(conversation.receive(before)).toBeTypeOf("string");
    expect(conversation.receive(receive)).toMatchObject({ code, field });
  });
});

describe("graphs", () => {
  test("parameters", () => {
    for (const { chosen, code, ...options } of graphs.parameters as (GraphOptions & {
      chosen?: object;
      code?: string;
    })[]) {
      const result = chooseGraph(options);
      expect(result.ok ? { chosen: result.value } : { code: result.rejection.code }).toEqual(
        chosen ? { chosen } : { code },
      );
    }
  });

  test.each(graphs.rings)("ring of $n", ({ n, degree, seed, ring, neighbours }) => {
    const drawn = drawGraph({ n, degree, kind: "regular", seed: hexToBytes(seed) });
    expect([...drawn.ring]).toEqual(ring);
    expect(ring.map((_, member) => drawn.neighbours(member))).toEqual(neighbours);
  });

  test("a ring of ten thousand", () => {
    const { n, degree, seed, sha256 } = graphs.longRing;
    const { ring } = drawGraph({ n, degree, kind: "regular", seed: hexToBytes(seed) });
    const words = new DataView(new ArrayBuffer(4 * n));
    ring.forEach((member, i) => {
      words.setUint32(4 * i, member);
    });
    expect(sha256Hex(new Uint8Array(words.buffer))).toBe(sha256);
  });

  test.each(graphs.windows)("two windows of $width", ({ ring, survivors, width, fewest }) => {
    expect(fewestInTwoWindows(Uint32Array.from(ring), { survivors, width })).toBe(fewest);
  });
});

test.each(graphs.samples)("$drawn signatures of $others are drawn", ({ others, quorum, size, drawn }) => {
  expect(sampleSize({ claimed: others, quorum: quorum - 1, size })).toBe(drawn);
});

describe("sets of members", () => {
  test.each(graphs.sets)("$members of $size", ({ size, members, set }) => {
    expect(bytesToHex(encodeMemberSet(members, size))).toBe(set);
    expect(decodeMemberSet(hexToBytes(set), { size, field: "set" })).toEqual({ ok: true, value: members });
  });

  test.each(graphs.refusedSets)("$set is none of $size", ({ size, set, code }) => {
    expect(decodeMemberSet(hexToBytes(set), { size, field: "set" })).toMatchObject({ rejection: { code } });
  });
});
