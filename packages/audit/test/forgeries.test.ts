import {
  appendEntry,
  type LedgerBody,
  type LedgerEntry,
  type LedgerSigner,
  LedgerTree,
  ledgerHead,
  type SignedLedgerHead,
  type Spending,
} from "@kindred/privacy";
import { hexToBytes, planDigest, sha256Bytes } from "@kindred/protocol";
import { nodeSuite } from "@kindred/secagg/node";
import { describe, expect, it } from "vitest";
import { coordinatorSigner } from "../../engine/test/test-task.ts";
import { type AuditRule, type LedgerAudit, verifyLedger } from "../src/verify/index.ts";
import { type FORGERIES, forge } from "./forger.ts";
import { type SimulatedLedger, simulateLedger } from "./simulated-ledger.ts";

const suite = nodeSuite();
const honest = simulateLedger();
const audit: LedgerAudit = {
  verify: suite.verify,
  key: coordinatorSigner.publicKey,
  heads: [ledgerHead(honest.entries.slice(0, 4)), ledgerHead(honest.entries)],
  models: honest.models,
};
const strangerKeys = suite.signingKeyPair(sha256Bytes("stranger"));
const stranger: LedgerSigner = {
  publicKey: strangerKeys.publicKey,
  sign: (message) => suite.sign(message, strangerKeys.secretKey),
};
const rulesOf = (entries: readonly unknown[], options: Partial<LedgerAudit> = {}) =>
  new Set(verifyLedger(entries, { ...audit, ...options }).violations.map(({ rule }) => rule));

describe("the ledger of an honest coordinator", () => {
  it("passes, with ε recomputed by both accountants, under its key, its heads and its models", () => {
    const verdict = verifyLedger(honest.entries, audit);
    expect(verdict.violations).toEqual([]);
    expect(verdict).toMatchObject({ entries: 9, keyPinned: true, head: { size: 9 } });
    const [task] = verdict.tasks;
    expect(task).toMatchObject({ task: "test", promised: { epsilon: 6 }, minSurvivors: 4 });
    expect(task!.rounds.map(({ outcome, survivors }) => [outcome, survivors])).toEqual([
      ["released", 6],
      ["released", 6],
      ["released", 5],
    ]);
    expect(task!.models).toHaveLength(4);
    expect(task!.promoted).toBe(task!.models[2]!.hash);
    for (const { claimed, proven } of task!.rounds) {
      expect(proven!.rdp).toBeCloseTo(claimed.coordinator!, 9);
      expect(proven!.pld).toBeLessThan(proven!.rdp);
      expect(proven!.pld).toBeGreaterThan(0.8 * proven!.rdp);
    }
  });

  it("passes after JSON, and after it went on from the heads that were seen", () => {
    const copy = JSON.parse(JSON.stringify(honest.entries)) as unknown[];
    expect(verifyLedger(copy, audit).violations).toEqual([]);
    const early = verifyLedger(copy.slice(0, 4), { verify: suite.verify });
    expect(rulesOf(copy, { heads: [early.head] })).toEqual(new Set());
  });

  it("passes without noise, where nothing is claimed", () => {
    const { entries, models } = simulateLedger({ noise: false });
    const verdict = verifyLedger(entries, { verify: suite.verify, models });
    expect(verdict.violations).toEqual([]);
    expect(verdict.tasks[0]).toMatchObject({ promised: { epsilon: null }, proven: null });
  });
});

interface Caught {
  readonly named: AuditRule;
  /** What may be named besides, as it follows from the forgery. */
  readonly also?: readonly AuditRule[];
  /** Whether only somebody who remembers a tree head can see it. */
  readonly byHead?: true;
}

const CAUGHT_BY: Record<keyof typeof FORGERIES, Caught> = {
  "edited entry": {
    named: "hash",
    also: ["plan", "rounds", "cohort", "operator", "over-promise", "epsilon"],
  },
  "removed entry": {
    named: "previous",
    also: ["index", "lineage", "round-not-started", "spending", "epsilon", "operator", "model-swapped"],
  },
  "reordered entries": {
    named: "previous",
    also: ["index", "time", "lineage", "round-not-started", "spending", "operator", "round-repeated"],
  },
  "wrong key": { named: "signature" },
  "overspent ε": { named: "over-budget" },
  "cohort under minimum": { named: "minimum-survivors" },
  "swapped model": { named: "model-swapped" },
  "truncated tail": { named: "truncated", byHead: true },
  "forked history": { named: "forked", byHead: true },
  "backdated promotion": { named: "time" },
  "promotion before the release": { named: "promotion" },
  "understated ε": { named: "epsilon" },
  "weaker noise": { named: "noise" },
  "plan with weaker noise": { named: "plan", also: ["epsilon"] },
  "another plan under the digest": { named: "plan" },
  "terms beside the plan": { named: "plan" },
};

describe.each(Object.entries(CAUGHT_BY) as [keyof typeof FORGERIES, Caught][])(
  "%s",
  (kind, { named, also = [], byHead }) => {
    it.each([1, 2, 3, 4])("is caught, and nothing is named that it did not break (seed %i)", (seed) => {
      const signers = { coordinator: coordinatorSigner, stranger };
      const forged = forge(kind, honest, { seed: `${kind} ${seed}`, ...signers });
      const { entries, models } = forged;
      const rules = rulesOf(entries, { models, heads: byHead ? audit.heads! : [] });
      expect(rules).toContain(named);
      expect([...rules].filter((rule) => rule !== named && !also.includes(rule))).toEqual([]);
      if (byHead) expect(rulesOf(entries, { models, heads: [] })).toEqual(new Set());
    });
  },
);

describe("an account with several devices", () => {
  const two = simulateLedger({ devices: 2 });
  const options = { models: two.models, heads: [] };

  it("is covered by noise and ε of an honest ledger", () => {
    expect(rulesOf(two.entries, options)).toEqual(new Set());
    const { tasks } = verifyLedger(two.entries, audit);
    expect(tasks[0]).toMatchObject({ devices: 2, claimed: { coordinator: tasks[0]!.proven!.rdp } });
  });

  it("is caught where ε is that of one of them", () => {
    const ignored = (spending: Spending): Spending => {
      const share = (epsilon: number | null) => (epsilon === null ? null : epsilon / 2);
      return { coordinator: share(spending.coordinator), observer: share(spending.observer) };
    };
    const bodies = two.entries.map(({ body }): LedgerBody => {
      if (body.kind === "round-started") return { ...body, promised: ignored(body.promised) };
      if (body.kind !== "round-released") return body;
      return { ...body, spent: { before: ignored(body.spent.before), after: ignored(body.spent.after) } };
    });
    expect(rulesOf(resigned(two.entries, bodies), options)).toEqual(new Set(["epsilon"]));
  });

  it("is caught where the plan lets more of them in than its noise covers", () => {
    const bodies = two.entries.map(({ body }): LedgerBody => {
      if (body.kind !== "plan-accepted") return body;
      const { plan } = body;
      const more = { ...plan, participation: { ...plan.participation, devices: 3 } };
      return { ...body, plan: more, planDigest: planDigest(more) };
    });
    expect(rulesOf(resigned(two.entries, bodies), options)).toContain("plan");
  });
});

describe("a roll-back", () => {
  const back = (change: Partial<Extract<LedgerBody, { kind: "model-rolled-back" }>> = {}): LedgerBody => ({
    kind: "model-rolled-back",
    task: "test",
    fromModelHash: hashes[3]!,
    toModelHash: hashes[1]!,
    reason: "worse than before",
    operator: "ada",
    ...change,
  });
  const hashes = verifyLedger(honest.entries, audit).tasks[0]!.models.map(({ hash }) => hash);
  const withBody = (body: LedgerBody, at = honest.entries.length) => {
    const bodies = honest.entries.map((entry) => entry.body);
    const times = honest.entries.map(({ time }) => ({ time }));
    bodies.splice(at, 0, body);
    times.splice(at, 0, { time: honest.entries[at - 1]!.time });
    return resigned(times, bodies);
  };

  it("by an operator passes, and the model that it goes back to is the one in use", () => {
    const verdict = verifyLedger(withBody(back()), { ...audit, heads: [] });
    expect(verdict.violations).toEqual([]);
    expect(verdict.tasks[0]).toMatchObject({
      promoted: hashes[1],
      rollBacks: [{ entry: 9, from: hashes[3], to: hashes[1], operator: "ada", reason: "worse than before" }],
    });
  });

  it.each([
    ["by somebody without a role", back({ operator: "eve" }), "operator"],
    ["by nobody", back({ operator: null }), "operator"],
    ["to a model that was never released", back({ toModelHash: "e".repeat(64) }), "promotion"],
    ["from a model that was not in use", back({ fromModelHash: hashes[2]! }), "lineage"],
  ] as const)("%s is caught", (_, body, rule) => {
    expect(rulesOf(withBody(body), { heads: [] })).toEqual(new Set([rule]));
  });

  it("while a round is under way is caught", () => {
    const started = honest.entries.map(({ body }) => body.kind).lastIndexOf("round-started");
    const body = back({ fromModelHash: hashes[2]! });
    expect(rulesOf(withBody(body, started + 1), { heads: [] })).toContain("lineage");
  });
});

/** The entries with other bodies, chained and signed anew by the coordinator. */
function resigned(
  entries: readonly Pick<LedgerEntry, "time">[],
  bodies: readonly LedgerBody[],
): LedgerEntry[] {
  const made: LedgerEntry[] = [];
  for (const [i, body] of bodies.entries())
    made.push(appendEntry({ tail: made.at(-1), body, time: entries[i]!.time, signer: coordinatorSigner }));
  return made;
}

describe("verifyLedger", () => {
  it("takes the key of the plan where none is pinned, and then says so", () => {
    const verdict = verifyLedger(honest.entries, { verify: suite.verify });
    expect(verdict).toMatchObject({
      violations: [],
      keyPinned: false,
      key: Buffer.from(coordinatorSigner.publicKey).toString("hex"),
    });
    const forged = forge("wrong key", honest, { seed: "1", coordinator: coordinatorSigner, stranger });
    expect(rulesOf(forged.entries, { heads: [] })).toEqual(new Set(["signature"]));
  });

  it("accepts no signature where neither caller nor ledger names a key", () => {
    const verdict = verifyLedger(honest.entries.slice(7, 8), { verify: () => true });
    expect(verdict.key).toBeNull();
    expect(verdict.violations.map(({ rule }) => rule)).toContain("signature");
  });

  it("names a key that the plan does not", () => {
    const { violations } = verifyLedger(honest.entries, { verify: () => true, key: stranger.publicKey });
    expect(violations).toMatchObject([{ entry: 0, rule: "plan", found: expect.stringContaining("key") }]);
  });

  it("says where a history forks at the first head that differs, and survives what is no entry", () => {
    const root = "0".repeat(64);
    const { violations } = verifyLedger(honest.entries, { ...audit, heads: [{ size: 3, root }] });
    expect(violations).toMatchObject([{ entry: 2, rule: "forked", expected: `${root}, as seen earlier` }]);
    const broken = [null, 7, {}, ...honest.entries.slice(3)];
    expect(rulesOf(broken)).toContain("malformed");
    expect(hexToBytes(verifyLedger(broken, audit).head.root)).toHaveLength(32);
  });

  it("names models that are missing, that are no models, and that were made from others", () => {
    const [initial, first, second, third] = honest.models;
    const rules = (models: typeof honest.models) =>
      verifyLedger(honest.entries, { ...audit, models }).violations.map(({ entry, rule }) => [entry, rule]);
    expect(rules([initial!, first!, third!])).toEqual([[4, "model-missing"]]);
    expect(rules([initial!, first!, { ...second!, model: null }, third!])).toEqual([[4, "model-lineage"]]);
    const adopted = { ...second!.model!, parent: third!.hash };
    expect(rules([initial!, first!, { ...second!, model: adopted }, third!])).toEqual([[4, "model-lineage"]]);
    expect(rules([initial!, first!, { ...second!, hash: "9".repeat(64), model: null }, third!])).toEqual([
      [4, "model-swapped"],
    ]);
  });
});

type Released = Extract<LedgerBody, { kind: "round-released" }>;

/** The ledger with its first release changed, signed anew from there on. */
function withRelease(
  entries: SimulatedLedger["entries"],
  change: (body: Released) => Released,
): readonly LedgerEntry[] {
  let tail: LedgerEntry | undefined;
  let changed = false;
  return entries.map(({ body, time }) => {
    const first = body.kind === "round-released" && !changed;
    changed ||= first;
    tail = appendEntry({ tail, body: first ? change(body) : body, time, signer: coordinatorSigner });
    return tail;
  });
}

describe("removed surplus noise", () => {
  const removing = simulateLedger({ removing: true });
  const rules = (change: (body: Released) => Released) =>
    verifyLedger(withRelease(removing.entries, change), {
      ...audit,
      heads: [],
      models: removing.models,
    }).violations.map(({ rule }) => rule);

  it("passes where it is what the survivors warrant, with ε of what remains", () => {
    expect(rules((body) => body)).toEqual([]);
    const [task] = verifyLedger(removing.entries, { ...audit, heads: [], models: removing.models }).tasks;
    for (const { claimed, proven } of task!.rounds) {
      expect(proven!.rdp).toBeCloseTo(claimed.coordinator!, 9);
      expect(proven!.pld).toBeLessThan(proven!.rdp);
    }
  });

  it("is caught where more or less was removed, of more than survived, or nothing is said", () => {
    const removed = (change: Partial<NonNullable<Released["removed"]>>) =>
      rules((body) => ({ ...body, removed: { ...body.removed!, ...change } }));
    expect(removed({ components: 2 })).toEqual(["noise"]);
    expect(removed({ components: 0 })).toEqual(["noise"]);
    expect(removed({ kept: 7 })).toEqual(["noise"]);
    expect(removed({ kept: 1 })).toEqual([]);
    expect(rules(({ removed: _, ...body }) => body)).toEqual(["noise"]);
    const { entries, models } = honest;
    const claimed = withRelease(entries, (body) => ({ ...body, removed: { components: 1, kept: 0 } }));
    const { violations } = verifyLedger(claimed, { ...audit, heads: [], models });
    expect(violations.map(({ rule }) => rule)).toEqual(["noise"]);
  });
});

describe("an adaptive clip norm", () => {
  const adaptive = simulateLedger({ adaptive: true });
  const rules = (changed: SimulatedLedger["entries"], models = adaptive.models) =>
    verifyLedger(changed, { ...audit, heads: [], models }).violations.map(({ rule }) => rule);
  const withClipping = (change: (clipping: NonNullable<Released["clipping"]>) => Released["clipping"]) =>
    withRelease(adaptive.entries, ({ clipping, ...rest }) => {
      const other = change(clipping!);
      return other === undefined ? rest : { ...rest, clipping: other };
    });

  it("is followed from round to round, in the ledger and in the model files", () => {
    expect(rules(adaptive.entries)).toEqual([]);
    const [task] = verifyLedger(adaptive.entries, audit).tasks;
    const clips = task!.models.map(({ clip }) => clip);
    expect(clips[0]).toBe(0.2);
    for (const [i, clip] of clips.slice(1).entries()) expect(clip).not.toBe(clips[i]);
  });

  it("is caught when it does not follow from the published share, or is left out, or starts elsewhere", () => {
    expect(rules(withClipping((clipping) => ({ ...clipping, next: 1.5 * clipping.next })))).toContain(
      "clipping",
    );
    expect(rules(withClipping((clipping) => ({ ...clipping, fraction: 0.77 })))).toEqual(["clipping"]);
    expect(rules(withClipping(() => undefined))).toContain("clipping");
    const elsewhere = withClipping(({ norm, ...rest }) => ({ ...rest, norm: 2 * norm, next: 2 * rest.next }));
    expect(rules(elsewhere)).toContain("clipping");
  });

  it("is caught when a model file names another one than the ledger", () => {
    const { clip, ...fixed } = adaptive.models[1]!.model!;
    expect(clip).toBeGreaterThan(0);
    const models = adaptive.models.map((file, i) =>
      i === 1 ? { ...file, model: { ...fixed, clip: 7 } } : file,
    );
    expect(rules(adaptive.entries, models)).toEqual(["clipping"]);
  });
});

describe("tree heads that devices export", () => {
  const headOf = (count: number, signer: LedgerSigner, entries = honest.entries): SignedLedgerHead => {
    const tree = new LedgerTree(signer);
    for (const entry of entries.slice(0, count)) tree.append(entry);
    return tree.head();
  };
  const forked = honest.entries.map((entry, index) =>
    index === 2 ? { ...entry, time: "2030-01-01T00:00:00.000Z" } : entry,
  );

  it("of this history pass, of another or a longer one are violations, and say that they are signed", () => {
    for (let count = 1; count <= honest.entries.length; count++)
      expect(rulesOf(honest.entries, { heads: [headOf(count, coordinatorSigner)] })).toEqual(new Set());
    const heads = [headOf(4, coordinatorSigner, forked)];
    const { violations } = verifyLedger(honest.entries, { ...audit, heads });
    expect(violations).toEqual([
      expect.objectContaining({
        rule: "forked",
        expected: expect.stringContaining("signed by the coordinator"),
      }),
    ]);
    const short = honest.entries.slice(0, 3);
    const longer = { heads: [headOf(4, coordinatorSigner)] };
    expect(
      verifyLedger(short, { verify: suite.verify, ...longer }).violations.map(({ rule }) => rule),
    ).toEqual(["truncated"]);
  });

  it("by the key of somebody else say that this is another's ledger", () => {
    expect(rulesOf(honest.entries, { heads: [headOf(4, stranger)] })).toEqual(new Set(["forked"]));
  });

  it("that nobody signed are no evidence against the coordinator", () => {
    const head = headOf(4, coordinatorSigner, forked);
    for (const changed of [
      { ...head, signature: "00".repeat(64) },
      { ...head, size: 5 },
      { ...head, root: "11".repeat(32) },
    ])
      expect(() => verifyLedger(honest.entries, { ...audit, heads: [changed] })).toThrow(
        /head 1, signature must be by the coordinator's key/,
      );
  });
});
