import { bytesToHex, hexToBytes, type Plan } from "@kindred/protocol";
import nacl from "tweetnacl";
import { describe, expect, it } from "vitest";
import {
  appendEntry,
  LEDGER_ROOT,
  type LedgerBody,
  type LedgerEntry,
  type LedgerSigner,
  ledgerHash,
  type OperatorRole,
  type Spending,
} from "./ledger.ts";
import { type BudgetState, checkBudget, foldLedger } from "./ledger-budget.ts";
import { isLedgerEntry } from "./ledger-shape.ts";
import { type LedgerRule, verifyLedgerChain } from "./ledger-verify.ts";

/** The chain's own rules do not look into plans. */
const plan = {} as Plan;
const keys = nacl.sign.keyPair.fromSeed(new Uint8Array(32).fill(1));
const otherKeys = nacl.sign.keyPair.fromSeed(new Uint8Array(32).fill(2));
const signerOf = (pair: nacl.SignKeyPair): LedgerSigner => ({
  publicKey: pair.publicKey,
  sign: (message) => nacl.sign.detached(message, pair.secretKey),
});
const verification = {
  verify: (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) =>
    nacl.sign.detached.verify(message, signature, publicKey),
  publicKey: keys.publicKey,
};

const spending = (coordinator: number | null, observer: number | null = coordinator): Spending => ({
  coordinator,
  observer,
});
const accepted = (epsilon: number | null = 4): LedgerBody => ({
  kind: "plan-accepted",
  task: "films",
  planDigest: "plan-1",
  plan,
  epsilon,
  delta: 1e-6,
  participations: 4,
  rounds: 8,
  catalogueHash: "catalogue-1",
  modelHash: "model-0",
});
const started = (round: number, promised: Spending, from = round - 1): LedgerBody => ({
  kind: "round-started",
  task: "films",
  round,
  planDigest: "plan-1",
  modelHash: `model-${from}`,
  beacon: "be".repeat(32),
  promised,
});
const released = (
  round: number,
  spent: { before: Spending; after: Spending; from?: number },
): LedgerBody => ({
  kind: "round-released",
  task: "films",
  round,
  cohort: 64,
  survivors: 60,
  noise: { localDeviation: 100, honest: 40, scale: 250.5 },
  spent: { before: spent.before, after: spent.after },
  modelHash: `model-${round}`,
  parentModelHash: `model-${spent.from ?? round - 1}`,
});
const releasedBody = (round: number, before: Spending, after: Spending): LedgerBody =>
  released(round, { before, after });
const failed = (round: number, before: Spending, after = before): LedgerBody => ({
  kind: "round-failed",
  task: "films",
  round,
  reason: "too-few-survivors",
  spent: { before, after },
});

const promoted = (round: number, operatorName: string | null = null): LedgerBody => ({
  kind: "model-promoted",
  task: "films",
  round,
  modelHash: `model-${round}`,
  operator: operatorName,
});
const rolledBack = (from: number, to: number): LedgerBody => ({
  kind: "model-rolled-back",
  task: "films",
  fromModelHash: `model-${from}`,
  toModelHash: `model-${to}`,
  reason: "worse on held-out people",
  operator: "ada",
});
const operator = (name: string, role: OperatorRole | null): LedgerBody => ({
  kind: "operator-changed",
  operator: name,
  role,
  credentialHash: role === null ? null : "d".repeat(64),
});
const configuration = (name: string | null): LedgerBody => ({
  kind: "configuration-changed",
  setting: "rate-limit",
  before: null,
  after: "20",
  operator: name,
});

const sound: readonly LedgerBody[] = [
  accepted(),
  started(1, spending(1, 0.5)),
  releasedBody(1, spending(0), spending(1, 0.5)),
  started(2, spending(2, 1)),
  failed(2, spending(1, 0.5)),
  started(3, spending(2, 1), 1),
  released(3, { before: spending(1, 0.5), after: spending(2, 1), from: 1 }),
];

function chain(bodies: readonly LedgerBody[], signer: LedgerSigner = signerOf(keys)): LedgerEntry[] {
  const entries: LedgerEntry[] = [];
  for (const [i, body] of bodies.entries()) {
    const time = new Date(Date.UTC(2025, 0, 1, 0, i)).toISOString();
    entries.push(appendEntry({ tail: entries.at(-1), body, time, signer }));
  }
  return entries;
}

const soundChain: readonly LedgerEntry[] = chain(sound);

const broken = (entries: readonly unknown[]): [number, LedgerRule][] =>
  verifyLedgerChain(entries, verification).map(({ entry, rule }) => [entry, rule]);

/** Replaces entry `at` by a changed copy whose hash and signature are made anew: only the chain can tell. */
function reforged(entries: readonly LedgerEntry[], at: number, change: Partial<LedgerEntry>): LedgerEntry[] {
  return entries.map((entry, i) => {
    if (i !== at) return entry;
    const content = { ...entry, ...change };
    const tail = entries[at - 1];
    const made = appendEntry({ tail, body: content.body, time: content.time, signer: signerOf(keys) });
    return { ...made, ...change };
  });
}

describe("appendEntry and verifyLedgerChain", () => {
  it("accepts a sound ledger, also after JSON", () => {
    const entries = soundChain;
    expect(entries[0]).toMatchObject({ index: 0, previous: LEDGER_ROOT });
    expect(entries[3]!.previous).toBe(entries[2]!.hash);
    expect(verifyLedgerChain(JSON.parse(JSON.stringify(entries)), verification)).toEqual([]);
    expect(verifyLedgerChain([], verification)).toEqual([]);
  });

  it("hashes canonical JSON: the order of keys does not matter, every value does", () => {
    const entry = soundChain[2]!;
    const { kind, ...rest } = entry.body;
    const shuffled = { ...rest, kind } as LedgerBody;
    expect(ledgerHash({ ...entry, body: shuffled })).toBe(entry.hash);
    expect(ledgerHash({ ...entry, time: "2025-01-01T00:00:00.000Z" })).not.toBe(entry.hash);
    expect(ledgerHash({ ...entry, index: 7 })).not.toBe(entry.hash);
    expect(ledgerHash({ ...entry, previous: LEDGER_ROOT })).not.toBe(entry.hash);
  });

  it("refuses to hash what JSON cannot hold", () => {
    const signer = signerOf(keys);
    const append = (epsilon: number) =>
      appendEntry({ tail: undefined, body: accepted(epsilon), time: "2025-01-01T00:00:00.000Z", signer });
    expect(() => append(Number.NaN)).toThrow();
    expect(() => append(Infinity)).toThrow();
  });

  it("names an edited entry", () => {
    const entries = soundChain;
    const edited = entries.map((entry, i) =>
      i === 2 ? { ...entry, body: { ...entry.body, survivors: 61 } as LedgerBody } : entry,
    );
    expect(broken(edited)).toEqual([[2, "hash"]]);
  });

  it("names an edited entry that was signed again, by the broken link behind it", () => {
    const entries = soundChain;
    const forged = reforged(entries, 1, { body: started(1, spending(1.5, 0.5)) });
    expect(broken(forged)).toEqual([[2, "previous"]]);
  });

  it("names a removed entry", () => {
    expect(broken(soundChain.filter((_, i) => i !== 4))).toEqual([
      [4, "index"],
      [4, "previous"],
      [5, "index"],
    ]);
  });

  it("names reordered entries", () => {
    const entries = soundChain;
    const swapped = [...entries];
    [swapped[4], swapped[3]] = [entries[3]!, entries[4]!];
    const rules = broken(swapped);
    for (const at of [3, 4]) {
      expect(rules).toContainEqual([at, "index"]);
      expect(rules).toContainEqual([at, "previous"]);
    }
  });

  it("names every entry that another key signed", () => {
    const entries = chain(sound, signerOf(otherKeys));
    expect(broken(entries)).toEqual(sound.map((_, i) => [i, "signature"]));
    const flipped = soundChain.map((entry, i) =>
      i === 5 ? { ...entry, signature: `${entry.signature.slice(0, -2)}00` } : entry,
    );
    expect(broken(flipped)).toEqual([[5, "signature"]]);
  });

  it("names a time before that of the entry before, which appending never makes", () => {
    const [first, second] = soundChain as [LedgerEntry, LedgerEntry];
    const time = "2024-12-31T00:00:00.000Z";
    const appended = appendEntry({ tail: first, body: second.body, time, signer: signerOf(keys) });
    expect(appended.time).toBe(first.time);
    const content = { index: 1, previous: first.hash, time, body: second.body };
    const hash = ledgerHash(content);
    const signature = bytesToHex(signerOf(keys).sign(hexToBytes(hash)));
    expect(broken([first, { ...content, hash, signature }])).toEqual([[1, "time"]]);
  });

  it.each([
    ["null", null],
    ["a number", 7],
    ["an empty object", {}],
    ["an unknown kind", { ...soundChain[0]!, body: { kind: "__proto__", task: "films" } }],
    ["a field beside the body", { ...soundChain[0]!, note: "not covered by the hash" }],
    ["a field in the body", { ...soundChain[0]!, body: { ...accepted(), note: "x" } }],
    ["an ε as text", { ...soundChain[0]!, body: { ...accepted(), epsilon: "4" } }],
    ["a negative ε", { ...soundChain[0]!, body: accepted(-1) }],
    ["a hash in capitals", { ...soundChain[0]!, hash: "A".repeat(64) }],
    ["a signature too short", { ...soundChain[0]!, signature: "00" }],
    ["a time that is no time", { ...soundChain[0]!, time: "yesterday" }],
    ["a time in another zone", { ...soundChain[0]!, time: "2025-01-01T00:00:00+02:00" }],
  ])("calls %s malformed", (_, entry) => {
    expect(isLedgerEntry(entry)).toBe(false);
    expect(broken([entry])).toEqual([[0, "malformed"]]);
  });
});

describe("verifyLedgerChain: what was promised was done", () => {
  it.each([
    ["a round without a plan", [started(1, spending(1))], [[0, "plan-missing"]]],
    [
      "a round under another plan",
      [accepted(), { ...started(1, spending(1)), planDigest: "plan-2" }],
      [[1, "plan-mismatch"]],
    ],
    [
      "a release that was never started",
      [accepted(), releasedBody(1, spending(0), spending(1))],
      [[1, "round-not-started"]],
    ],
    [
      "a second release of a round",
      [...sound, releasedBody(3, spending(2, 1), spending(3, 2))],
      [[7, "round-not-started"]],
    ],
    [
      "a round started twice",
      [accepted(), started(1, spending(1)), started(1, spending(1))],
      [[2, "round-repeated"]],
    ],
    [
      "spending that does not go on from the release before",
      [...sound, started(4, spending(3)), releasedBody(4, spending(1.5, 1), spending(3))],
      [[8, "spending"]],
    ],
    [
      "spending that falls",
      [...sound, started(4, spending(3)), releasedBody(4, spending(2, 1), spending(1.9, 1))],
      [[8, "spending"]],
    ],
    [
      "a failed round whose spending is forgotten",
      [
        ...sound,
        started(4, spending(3)),
        failed(4, spending(2, 1), spending(3)),
        started(5, spending(3), 3),
        released(5, { before: spending(2, 1), after: spending(3), from: 3 }),
      ],
      [
        [10, "spending"],
        [10, "spending"],
      ],
    ],
    [
      "a failed round that spent more than it promised, and one that spent without having started",
      [
        accepted(),
        started(1, spending(1)),
        failed(1, spending(0), spending(2)),
        failed(2, spending(2), spending(3)),
      ],
      [
        [2, "over-promise"],
        [2, "over-promise"],
        [3, "round-not-started"],
      ],
    ],
    ["a second plan", [...sound, accepted(9)], [[7, "plan-repeated"]]],
    ["a round after a later one", [...sound, started(2, spending(3), 3)], [[7, "round-repeated"]]],
    ["a start from a model that was not the last", [...sound, started(4, spending(3), 1)], [[7, "lineage"]]],
    [
      "a release that names another parent",
      [
        ...sound,
        started(4, spending(3)),
        released(4, { before: spending(2, 1), after: spending(3), from: 1 }),
      ],
      [[8, "lineage"]],
    ],
    [
      "a promotion before the release, and one under another round",
      [...sound, promoted(4), { ...promoted(3), round: 1 }],
      [
        [7, "promotion"],
        [8, "promotion"],
      ],
    ],
    [
      "a roll-back to a model that never was, from one that is not the last",
      [...sound, operator("ada", "operator"), rolledBack(3, 7), rolledBack(1, 0)],
      [
        [8, "promotion"],
        [9, "lineage"],
      ],
    ],
    [
      "an action by nobody, by a viewer, and after the role was revoked",
      [
        ...sound,
        promoted(3, "ada"),
        operator("ada", "viewer"),
        promoted(3, "ada"),
        operator("ada", "operator"),
        promoted(3, "ada"),
        operator("ada", null),
        configuration("ada"),
      ],
      [
        [7, "operator"],
        [9, "operator"],
        [13, "operator"],
      ],
    ],
    [
      "a guarantee that comes back",
      [
        accepted(null),
        started(1, spending(null)),
        releasedBody(1, spending(0), spending(null)),
        started(2, spending(3)),
        releasedBody(2, spending(null), spending(3)),
      ],
      [
        [4, "spending"],
        [4, "spending"],
      ],
    ],
    [
      "a release beyond its promise",
      [accepted(), started(1, spending(1)), releasedBody(1, spending(0), spending(1.1, 1))],
      [[2, "over-promise"]],
    ],
    [
      "a lost guarantee",
      [accepted(), started(1, spending(1)), releasedBody(1, spending(0), spending(null, 1))],
      [
        [2, "over-budget"],
        [2, "over-promise"],
      ],
    ],
    [
      "a promise and a release beyond the plan",
      [accepted(1), started(1, spending(1.01)), releasedBody(1, spending(0), spending(1.01))],
      [
        [1, "over-budget"],
        [2, "over-budget"],
      ],
    ],
  ] as [string, LedgerBody[], [number, LedgerRule][]][])("names %s", (_, bodies, expected) => {
    expect(broken(chain(bodies))).toEqual(expected);
  });

  it("accepts promotion, roll-back and training from there, by those who may", () => {
    const bodies = [
      ...sound,
      operator("ada", "operator"),
      promoted(3, "ada"),
      promoted(0),
      rolledBack(3, 1),
      started(4, spending(3), 1),
      released(4, { before: spending(2, 1), after: spending(3), from: 1 }),
      configuration("ada"),
    ];
    expect(broken(chain(bodies))).toEqual([]);
    const state = foldLedger(chain(bodies));
    expect(state.tasks.get("films")).toMatchObject({ promotedHash: "model-0", modelHash: "model-4" });
    expect([...state.operators]).toEqual([["ada", "operator"]]);
  });

  it("accepts spending exactly the budget, and a plan without noise", () => {
    const exact = [accepted(1), started(1, spending(1)), releasedBody(1, spending(0), spending(1))];
    expect(broken(chain(exact))).toEqual([]);
    for (const before of [spending(0), spending(null)]) {
      const silent = [
        accepted(null),
        started(1, spending(null)),
        releasedBody(1, before, spending(null)),
        started(2, spending(null)),
        releasedBody(2, spending(null), spending(null)),
      ];
      expect(broken(chain(silent))).toEqual([]);
    }
    expect(broken(chain([accepted(1), failed(1, spending(0))]))).toEqual([]); // the budget let it not start
  });
});

describe("foldLedger", () => {
  it("adds up by task", () => {
    const task = foldLedger(chain([...sound, started(4, spending(3, 2))])).tasks.get("films");
    expect(task).toEqual({
      planDigest: "plan-1",
      epsilonLimit: 4,
      delta: 1e-6,
      participations: 4,
      rounds: 8,
      roundsReleased: 2,
      roundsFailed: 1,
      open: new Map([[4, { promised: spending(3, 2), modelHash: "model-3" }]]),
      lastRound: 4,
      spent: spending(2, 1),
      modelHash: "model-3",
      models: new Map([
        ["model-0", 0],
        ["model-1", 1],
        ["model-3", 3],
      ]),
      promotedHash: undefined,
    });
  });

  it("counts what a failed round may have shown the coordinator", () => {
    const bodies = [accepted(), started(1, spending(1)), failed(1, spending(0), spending(1, 0))];
    expect(broken(chain(bodies))).toEqual([]);
    expect(foldLedger(chain(bodies)).tasks.get("films")).toMatchObject({
      roundsReleased: 0,
      roundsFailed: 1,
      spent: spending(1, 0),
    });
  });

  it("keeps tasks apart and ignores rounds without a plan", () => {
    const books = { ...accepted(7), task: "books" } as LedgerBody;
    const state = foldLedger(
      chain([...sound, books, { ...failed(1, spending(0)), task: "music" } as LedgerBody]),
    );
    expect([...state.tasks.keys()]).toEqual(["films", "books"]);
    expect(state.tasks.get("films")).toMatchObject({
      epsilonLimit: 4,
      spent: spending(2, 1),
      roundsReleased: 2,
    });
    expect(state.tasks.get("books")).toMatchObject({
      epsilonLimit: 7,
      spent: spending(0),
      modelHash: "model-0",
    });
  });
});

describe("checkBudget", () => {
  const state = foldLedger(soundChain); // 2 spent
  const ask = (promised: Spending, epsilonLimit: number | null = 4, from: BudgetState = state) => {
    const verdict = checkBudget(from, { task: "films", epsilonLimit, promised });
    return verdict.ok ? "ok" : verdict.reason;
  };

  it("allows exactly the limit and nothing beyond", () => {
    expect(ask(spending(3))).toBe("ok");
    expect(ask(spending(4))).toBe("ok");
    expect(ask(spending(4 + 2 ** -50))).toBe("over-budget");
    expect(ask(spending(Infinity))).toBe("over-budget");
    expect(ask(spending(2))).toBe("ok");
  });

  it("binds the coordinator's ε, which covers observers", () => {
    expect(ask(spending(3, 9))).toBe("ok");
    expect(ask(spending(9, 3))).toBe("over-budget");
  });

  it("refuses a missing guarantee, a promise below what is spent, and an unknown task", () => {
    expect(ask(spending(null))).toBe("no-guarantee");
    expect(ask(spending(Number.NaN))).toBe("no-guarantee");
    expect(ask(spending(1.99))).toBe("promise-below-spent");
    const silent = [accepted(null), started(1, spending(null)), releasedBody(1, spending(0), spending(null))];
    expect(ask(spending(1), 4, foldLedger(chain(silent)))).toBe("promise-below-spent");
    expect(checkBudget(state, { task: "music", epsilonLimit: 4, promised: spending(1) })).toMatchObject({
      ok: false,
      reason: "task-unknown",
      rejection: { code: "task-unknown", field: "task" },
    });
  });

  it("has nothing to overspend in a plan without noise, and says how to mend a refusal", () => {
    expect(ask(spending(null), null)).toBe("ok");
    const verdict = checkBudget(state, { task: "films", epsilonLimit: 4, promised: spending(5) });
    expect(verdict).toMatchObject({
      rejection: { code: "budget-exhausted", rule: "must be at most 4, got 5" },
    });
  });
});
