/**
 * A seeded forger: what somebody with a copy of a ledger, or the coordinator itself, can do to it. Where the
 * coordinator's key is what the forger has, the chain is made anew behind the change and signed with it.
 */
import {
  AesCtrRandom,
  appendEntry,
  type LedgerBody,
  type LedgerEntry,
  type LedgerSigner,
  ledgerHash,
} from "@kindred/privacy";
import { bytesToHex, hexToBytes, planDigest, sha256Bytes } from "@kindred/protocol";
import type { ModelFile } from "../src/verify/index.ts";

/** What is forged, and with what. */
export interface Original {
  readonly entries: readonly LedgerEntry[];
  readonly models: readonly ModelFile[];
}

/** What the forger hands out. */
export interface Forgery extends Original {}

interface Tools {
  /** A whole number below `limit`. */
  readonly pick: (limit: number) => number;
  readonly coordinator: LedgerSigner;
  readonly stranger: LedgerSigner;
}

type Forge = (original: Original, tools: Tools) => Forgery;
type Body<Kind extends LedgerBody["kind"]> = Extract<LedgerBody, { kind: Kind }>;

/** A chain over bodies with their times, signed anew; times are taken as they are. */
function chained(
  contents: readonly { readonly body: LedgerBody; readonly time: string }[],
  signer: LedgerSigner,
): LedgerEntry[] {
  const entries: LedgerEntry[] = [];
  for (const { body, time } of contents) {
    const made = appendEntry({ tail: entries.at(-1), body, time, signer });
    const content = { ...made, time };
    const hash = ledgerHash(content);
    entries.push({ ...content, hash, signature: bytesToHex(signer.sign(hexToBytes(hash))) });
  }
  return entries;
}

/** Changes one body of a kind, chosen by the seed, and signs everything behind it anew. */
function changed<Kind extends LedgerBody["kind"]>(
  { entries, models }: Original,
  { pick, coordinator }: Tools,
  { kind, change }: { kind: Kind; change: (body: Body<Kind>) => LedgerBody },
): Forgery {
  const places = entries.flatMap(({ body }, i) => (body.kind === kind ? [i] : []));
  const at = places[pick(places.length)]!;
  const contents = entries.map((entry, i) =>
    i === at ? { time: entry.time, body: change(entry.body as Body<Kind>) } : entry,
  );
  return { entries: chained(contents, coordinator), models };
}

/** By what is done: the ten forgeries that an auditor is promised to find, and more. */
export const FORGERIES = {
  "edited entry": ({ entries, models }, { pick }) => {
    const at = pick(entries.length);
    const copy = structuredClone(entries) as unknown as { body: Record<string, unknown> }[];
    const body = copy[at]!.body;
    if ("survivors" in body) body["survivors"] = (body["survivors"] as number) + 1;
    else if ("promised" in body) body["promised"] = { coordinator: 0, observer: 0 };
    else if ("rounds" in body) body["rounds"] = (body["rounds"] as number) + 1;
    else if ("role" in body) body["role"] = "viewer";
    else body["operator"] = null;
    return { entries: copy as unknown as LedgerEntry[], models };
  },
  "removed entry": ({ entries, models }, { pick }) => {
    const at = 1 + pick(entries.length - 2);
    return { entries: entries.filter((_, i) => i !== at), models };
  },
  "reordered entries": ({ entries, models }, { pick }) => {
    const at = 1 + pick(entries.length - 2);
    const copy = [...entries];
    [copy[at], copy[at + 1]] = [copy[at + 1]!, copy[at]!];
    return { entries: copy, models };
  },
  "wrong key": ({ entries, models }, { stranger }) => ({ entries: chained(entries, stranger), models }),
  "overspent ε": ({ entries, models }, { pick, coordinator }) => {
    const excess = 1 + pick(5);
    const raise = ({
      coordinator: a,
      observer: b,
    }: {
      coordinator: number | null;
      observer: number | null;
    }) => ({
      coordinator: a! + excess,
      observer: b! + excess,
    });
    const last = entries.filter(({ body }) => body.kind === "round-released").at(-1)!;
    const { round } = last.body as Body<"round-released">;
    const contents = entries.map(({ body, time }) => {
      if (body.kind === "round-started" && body.round === round)
        return { time, body: { ...body, promised: raise(body.promised) } };
      if (body.kind === "round-released" && body.round === round)
        return { time, body: { ...body, spent: { ...body.spent, after: raise(body.spent.after) } } };
      return { body, time };
    });
    return { entries: chained(contents, coordinator), models };
  },
  "cohort under minimum": (original, tools) =>
    changed(original, tools, {
      kind: "round-released",
      change: (body) => ({ ...body, survivors: 1 + tools.pick(3) }),
    }),
  "swapped model": ({ entries, models }, { pick }) => {
    const at = pick(models.length);
    const hash = bytesToHex(sha256Bytes(`another model ${pick(1000)}`));
    return { entries, models: models.map((file, i) => (i === at ? { ...file, hash } : file)) };
  },
  "truncated tail": ({ entries, models }, { pick }) => ({
    entries: entries.slice(0, 1 + pick(entries.length - 1)),
    models,
  }),
  "forked history": ({ entries, models }, { pick, coordinator }) => {
    const at = pick(entries.length);
    const contents = entries.map(({ body, time }, i) => {
      const later = new Date(Date.parse(time) + (i >= at ? 1 + pick(1000) : 0));
      return { body, time: later.toISOString() };
    });
    const ordered = contents.map(({ body }, i) => ({
      body,
      time: contents
        .slice(0, i + 1)
        .map((c) => c.time)
        .sort()
        .at(-1)!,
    }));
    return { entries: chained(ordered, coordinator), models };
  },
  "backdated promotion": ({ entries, models }, { pick, coordinator }) => {
    const releases = entries.filter(({ body }) => body.kind === "round-released");
    const { body, time } = releases[pick(releases.length)]!;
    const { task, round, modelHash } = body as Body<"round-released">;
    const earlier = new Date(Date.parse(time) - 1000 * (1 + pick(3600))).toISOString();
    const promotion: LedgerBody = { kind: "model-promoted", task, round, modelHash, operator: null };
    return { entries: chained([...entries, { body: promotion, time: earlier }], coordinator), models };
  },
  "promotion before the release": ({ entries, models }, { pick, coordinator }) => {
    const places = entries.flatMap(({ body }, i) => (body.kind === "round-released" ? [i] : []));
    const at = places[pick(places.length)]!;
    const { task, round, modelHash } = entries[at]!.body as Body<"round-released">;
    const body: LedgerBody = { kind: "model-promoted", task, round, modelHash, operator: null };
    const contents = [...entries.slice(0, at), { body, time: entries[at - 1]!.time }, ...entries.slice(at)];
    return { entries: chained(contents, coordinator), models };
  },
  "understated ε": ({ entries, models }, { pick, coordinator }) => {
    const share = (80 - pick(60)) / 100;
    const lower = ({
      coordinator: a,
      observer: b,
    }: {
      coordinator: number | null;
      observer: number | null;
    }) => ({
      coordinator: a! * share,
      observer: b! * share,
    });
    const contents = entries.map(({ body, time }) => {
      if (body.kind === "round-started") return { time, body: { ...body, promised: lower(body.promised) } };
      if (body.kind !== "round-released") return { body, time };
      return {
        time,
        body: { ...body, spent: { before: lower(body.spent.before), after: lower(body.spent.after) } },
      };
    });
    return { entries: chained(contents, coordinator), models };
  },
  "weaker noise": (original, tools) =>
    changed(original, tools, {
      kind: "round-released",
      change: (body) => ({
        ...body,
        noise: { ...body.noise, localDeviation: body.noise.localDeviation - 1 - tools.pick(1000) },
      }),
    }),
  "plan with weaker noise": ({ entries, models }, { pick, coordinator }) => {
    const weaken = (deviation: number) => Math.floor(deviation * (0.4 + pick(50) / 100));
    const { plan } = entries[0]!.body as Body<"plan-accepted">;
    const { mechanism } = plan.resolved;
    const localDeviation = weaken(mechanism.localDeviation);
    const weak = { ...plan, resolved: { ...plan.resolved, mechanism: { ...mechanism, localDeviation } } };
    const digest = planDigest(weak);
    const contents = entries.map(({ body, time }) => {
      if (body.kind === "plan-accepted") return { time, body: { ...body, plan: weak, planDigest: digest } };
      if (body.kind === "round-started") return { time, body: { ...body, planDigest: digest } };
      if (body.kind !== "round-released") return { body, time };
      return { time, body: { ...body, noise: { ...body.noise, localDeviation } } };
    });
    return { entries: chained(contents, coordinator), models };
  },
  "another plan under the digest": (original, tools) =>
    changed(original, tools, {
      kind: "plan-accepted",
      change: (body) => ({ ...body, plan: { ...body.plan, title: `edition ${tools.pick(1000)}` } }),
    }),
  "terms beside the plan": (original, tools) =>
    changed(original, tools, {
      kind: "plan-accepted",
      change: (body) => ({ ...body, epsilon: body.epsilon! + 1 + tools.pick(10) }),
    }),
} satisfies Record<string, Forge>;

/** Forges a ledger. */
export function forge(
  kind: keyof typeof FORGERIES,
  original: Original,
  { seed, ...signers }: { seed: string; coordinator: LedgerSigner; stranger: LedgerSigner },
): Forgery {
  const random = new AesCtrRandom(sha256Bytes(`forger ${seed}`));
  const pick = (limit: number): number => {
    const bytes = new Uint8Array(4);
    random.fill(bytes);
    return new DataView(bytes.buffer).getUint32(0) % limit;
  };
  return FORGERIES[kind](original, { pick, ...signers });
}
