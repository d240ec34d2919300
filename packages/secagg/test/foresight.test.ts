/** A member whose curve operations are all WebCrypto's: every one that its steps ask for was foreseen. */
import { sealedColumns, sealedShares } from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { type ClientEvent, stepClient } from "../src/client.ts";
import type { CryptoSuite } from "../src/crypto.ts";
import { type ForeseenOperation, foreseenOperations } from "../src/foresight.ts";
import type { RoundBinding } from "../src/session.ts";
import { foresee, nativeSupport } from "../web/native.ts";
import { Cohort, randomFrom, suite } from "./cohort.ts";

const { subtle } = globalThis.crypto;
const MEMBER = 7;
const GRAPHS: Record<string, { n: number; changes: Partial<RoundBinding> }> = {
  complete: { n: 9, changes: { corruption: 0.05, dropout: 0.1 } },
  regular: {
    n: 20,
    changes: { graph: "regular", minimumCohort: 10, minSurvivors: 10, corruption: 0.05, dropout: 0.1 },
  },
};

/** Knows no curve: it seals, signs and makes keys, but what it agrees on or verifies must have been foreseen. */
const curveless: CryptoSuite = {
  ...suite,
  agree() {
    throw new Error("an agreement was not foreseen");
  },
  verify() {
    throw new Error("a verification was not foreseen");
  },
};

class Foreseeing {
  readonly cohort: Cohort;
  readonly #random = randomFrom("foreseeing");

  constructor({ n, changes }: { n: number; changes: Partial<RoundBinding> }) {
    this.cohort = new Cohort(n, changes);
  }

  /** One step of the member on results of WebCrypto. */
  async step(event: ClientEvent) {
    const { states } = this.cohort;
    const drawn: Uint8Array[] = [];
    const operations = foreseenOperations(states[MEMBER]!, event, (length) => {
      const bytes = this.#random(length);
      drawn.push(bytes.slice());
      return bytes;
    });
    const foreseen = await foresee(curveless, operations, { subtle, support: await nativeSupport(subtle) });
    const { state, outputs } = stepClient(states[MEMBER]!, event, {
      suite: foreseen.suite,
      random: (length) => drawn.shift() ?? this.#random(length),
    });
    states[MEMBER] = state;
    return { outputs, operations };
  }

  /** Boxes of the others for the member. */
  boxes() {
    const { cohort } = this;
    return cohort.everyone
      .filter((sender) => sender !== MEMBER)
      .flatMap((sender) =>
        sealedShares(cohort.send(sender, cohort.directory(sender), "shares"))
          .filter(({ peer }) => peer === MEMBER)
          .map(({ box }) => ({ peer: sender, box })),
      );
  }
}

const count = (operations: readonly ForeseenOperation[], kind: ForeseenOperation["kind"]): number =>
  operations.filter((operation) => operation.kind === kind).length;

describe.each(Object.entries(GRAPHS))("in the %s graph", (kind, graph) => {
  test("a round needs no curve of its own", async () => {
    const foreseeing = new Foreseeing(graph);
    const { cohort } = foreseeing;
    const { degree, quorum } = cohort.session();
    const everyone = cohort.everyone;

    const shared = await foreseeing.step(cohort.directory(MEMBER));
    expect(shared.outputs).toMatchObject([{ type: "send", message: { type: "shares" } }]);
    expect(count(shared.operations, "agree")).toBe(degree);
    // The neighbours' signatures and the coordinator's.
    expect(count(shared.operations, "verify")).toBe(degree + 1);

    const masked = await foreseeing.step(cohort.inbox(foreseeing.boxes()));
    expect(masked.outputs).toMatchObject([{ type: "mask" }]);
    expect(count(masked.operations, "agree")).toBe(degree);

    const confirmed = await foreseeing.step(cohort.survivors(MEMBER, everyone));
    expect(confirmed.outputs).toMatchObject([{ type: "send", message: { type: "consistency" } }]);
    expect(count(confirmed.operations, "verify")).toBe(kind === "regular" ? degree : 0);

    const signatures = everyone.map((index) => cohort.consistency(index, everyone));
    const revealed = await foreseeing.step(cohort.certificate(signatures));
    expect(revealed.outputs).toMatchObject([
      { type: "send", message: { type: "reveal" } },
      { type: "finished" },
    ]);
    expect(count(revealed.operations, "verify")).toBeGreaterThanOrEqual(quorum - 1);
  });

  test("a forged signature is found forged", async () => {
    const foreseeing = new Foreseeing(graph);
    const { cohort } = foreseeing;
    const directory = cohort.directory(MEMBER);
    const signature = directory.signature.map((byte, i) => (i === 5 ? byte ^ 1 : byte));
    const { outputs } = await foreseeing.step({ ...directory, signature });
    expect(outputs).toMatchObject([{ type: "refused", rejection: { code: "signature-invalid" } }]);
  });
});

test("a message of another phase is met with no work", () => {
  const cohort = new Cohort(5);
  const event = { type: "inbox", sharing: Uint8Array.of(31), ...sealedColumns([]) } as const;
  expect(foreseenOperations(cohort.states[0]!, event, randomFrom("none"))).toEqual([]);
});
