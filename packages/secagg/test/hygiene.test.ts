/** No secret of a round shows itself in a log, and none is left in memory once it has been used. */
import { bytesToHex, revealedShares } from "@kindred/protocol";
import { describe, expect, test } from "vitest";
import { show } from "#platform";
import { type ClientOutput, startClient, stepClient } from "../src/client.ts";
import type { CryptoSuite } from "../src/crypto.ts";
import { wipeMasks } from "../src/masks.ts";
import { type RunOptions, run } from "../src/run.ts";
import { Secret } from "../src/secret.ts";
import { startServer, stepServer } from "../src/server.ts";
import { Cohort, randomFrom, suite } from "./cohort.ts";

const cohorts = [
  { name: "complete graph", graph: "complete", n: 5, dropout: 0.2, surplus: [] },
  { name: "regular graph", graph: "regular", n: 10, dropout: 0.1, surplus: [] },
  // One member is lost, so two components are removed and one stays.
  {
    name: "surplus noise",
    graph: "complete",
    n: 5,
    dropout: 0.2,
    surplus: [3, 4, 5].map((survivors) => ({ survivors, deviation: 10 })),
  },
] as const;

/** The ways in which the bytes could appear in a text: by a run of them, long enough to be no coincidence. */
function appears(secret: Uint8Array, text: string): boolean {
  const run = [...secret.subarray(0, 6)];
  const forms = [
    bytesToHex(secret.subarray(0, 6)),
    run.join(","),
    run.join(", "),
    run.map((byte, i) => `"${i}":${byte}`).join(","),
  ];
  const flat = text.replaceAll(/\s+/g, " ");
  return forms.some((form) => flat.includes(form));
}

/** What a log could hold of a value. */
function logged(value: unknown): string {
  return `${JSON.stringify(value)}\n${show(value)}`;
}

/** A suite that keeps a reference to every secret array that goes through it, and a copy of what was in it. */
function watching(inner: CryptoSuite): {
  suite: CryptoSuite;
  seen: { bytes: Uint8Array; copy: Uint8Array; what: string }[];
} {
  const seen: { bytes: Uint8Array; copy: Uint8Array; what: string }[] = [];
  const watch = (bytes: Uint8Array, what: string): void => {
    if (!seen.some((other) => other.bytes === bytes)) seen.push({ bytes, copy: bytes.slice(), what });
  };
  return {
    seen,
    suite: {
      ...inner,
      agreementKeyPair(seed) {
        const pair = inner.agreementKeyPair(seed);
        watch(seed, "seed of a key pair");
        watch(pair.secretKey, "secret key");
        return pair;
      },
      agree(secretKey, publicKey) {
        const shared = inner.agree(secretKey, publicKey);
        // The coordinator tries keys with a scalar that everybody knows.
        const isProbe = secretKey.every((byte) => byte === 1);
        if (shared !== undefined && !isProbe) watch(shared, "agreement");
        return shared;
      },
      deriveKey(key, binding) {
        const derived = inner.deriveKey(key, binding);
        watch(key, "key material");
        watch(derived, "derived key");
        return derived;
      },
      seal(plaintext, key, nonce) {
        watch(plaintext, "plaintext of a box");
        watch(key, "key of a box");
        return inner.seal(plaintext, key, nonce);
      },
      open(box, key, nonce) {
        watch(key, "key of a box");
        const plaintext = inner.open(box, key, nonce);
        if (plaintext !== undefined) watch(plaintext, "plaintext of a box");
        return plaintext;
      },
      sign(message, secretKey) {
        watch(secretKey, "identity");
        return inner.sign(message, secretKey);
      },
      addMasks(target, keys, entryBytes) {
        const all = [...keys];
        for (const key of all) watch(key, "key of a mask");
        inner.addMasks(target, all, entryBytes);
      },
    },
  };
}

/** Every secret that a state holds, wherever. */
function secretsIn(value: unknown): Secret[] {
  if (value instanceof Secret) return [value];
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  const inner = value instanceof Map ? [...value.values()] : Object.values(value);
  return inner.flatMap(secretsIn);
}

describe.each(cohorts)("$name", ({ graph, n, dropout, surplus }) => {
  const length = 3;
  const vectors = Array.from({ length: n }, (_, i) => new Uint32Array(length).fill(i));
  const options = {
    vectors,
    bits: 16,
    seed: Uint8Array.of(1, 2, 3),
    graph,
    dropout,
    surplus,
    // A masked input that gets lost: the member's mask key is recovered.
    intercept: (delivery) =>
      delivery.message.type === "masked-input" && delivery.from === 1 ? [] : [delivery],
  } satisfies Omit<RunOptions, "suite">;

  test("no state, output, event, job or error shows a secret", () => {
    const cohort = new Cohort(n, { graph, dropout, length, surplus });
    const survivors = cohort.everyone.filter((member) => member !== 1);
    const { suite: watched, seen } = watching(suite);
    const randoms: Uint8Array[] = [];
    const logs: string[] = [];
    const log = (value: unknown): void => {
      logs.push(logged(value));
    };
    // One client is watched from its start; the cohort answers for the others and for the coordinator.
    const random = randomFrom("client 0");
    const env = {
      suite: watched,
      random: (count: number) => {
        const bytes = random(count);
        randoms.push(bytes.slice());
        return bytes;
      },
    };
    const device = cohort.devices[0]!;
    let state = startClient({ ...cohort.binding, coordinatorKey: cohort.coordinator.publicKey, device });
    const step = (event: Parameters<typeof stepClient>[1]): readonly ClientOutput[] => {
      log({ state, event });
      const next = stepClient(state, event, env);
      state = next.state;
      log(next);
      return next.outputs;
    };
    step({ type: "enrol" });
    const directory = cohort.directory(0);
    const inboxes = cohort.share();
    step(directory);
    const mask = step(cohort.inbox(inboxes[0]!))[0];
    if (mask?.type !== "mask") throw new Error("expected masks");
    const keys = mask.job.terms.map(({ key }) => key.slice());
    for (const member of cohort.everyone.slice(1)) cohort.step(member, cohort.inbox(inboxes[member]!));
    step(cohort.survivors(0, survivors));
    const revealed = step(
      cohort.certificate(survivors.map((member) => cohort.consistency(member, survivors))),
    )[0];
    if (revealed?.type !== "send" || revealed.message.type !== "reveal") throw new Error("expected shares");
    const shares = revealedShares(revealed.message).map(({ share }) => share);
    expect(shares.length).toBeGreaterThan(2);
    // c, s and b_u, then nonce and the draws of the shares.
    const secrets = [...randoms.slice(0, 3), ...randoms.slice(4), ...keys, ...shares, device.secretKey];
    for (const { copy } of seen) secrets.push(copy);
    // What is looked for would be found: a log of the bare bytes shows every one of them.
    for (const secret of secrets) expect(appears(secret, logged({ secret }))).toBe(true);
    expect(logs.length).toBe(10);
    for (const text of logs)
      for (const secret of secrets) if (appears(secret, text)) throw new Error(`shown in ${text}`);
  });

  test("neither do the coordinator's states, job and outcome", () => {
    const cohort = new Cohort(n, { graph, dropout, length, surplus });
    const { coordinator, devices, states } = cohort;
    let state = startServer({ ...cohort.binding, signRoster: (sid) => cohort.signRoster(sid) });
    const logs: string[] = [];
    const secrets: Uint8Array[] = [coordinator.secretKey, ...devices.map(({ secretKey }) => secretKey)];
    const indexOf = new Map(devices.map(({ publicKey }, i) => [bytesToHex(publicKey), i]));
    const queue: Parameters<typeof stepServer>[1][] = [
      ...cohort.advertisements.map((advertisement) => ({ type: "advertise", advertisement }) as const),
      { type: "close" },
    ];
    let jobs = 0;
    for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
      const next = stepServer(state, event, { suite });
      state = next.state;
      logs.push(logged(next));
      for (const output of next.outputs) {
        if (output.type === "unmask") {
          jobs++;
          for (const { shares } of output.job.reveals) secrets.push(shares);
        }
        if (output.type !== "send") continue;
        const member = indexOf.get(output.to)!;
        const from = output.to;
        for (const answer of cohort.step(member, output.message as Parameters<typeof stepClient>[1])) {
          if (answer.type === "refused") throw new Error(answer.rejection.rule);
          if (answer.type === "mask") queue.push({ type: "masked-input", from, signature: answer.signature });
          if (answer.type === "send") queue.push({ ...answer.message, from } as (typeof queue)[number]);
        }
      }
    }
    expect(jobs).toBe(1);
    expect(states.every(({ phase }) => phase === "ended")).toBe(true);
    expect(secrets.length).toBeGreaterThan(2 * n);
    for (const text of logs)
      for (const secret of secrets) if (appears(secret, text)) throw new Error(`shown in ${text}`);
  });

  test("after a round every array that held a key is zero", () => {
    const { suite: watched, seen } = watching(suite);
    const result = run({ ...options, suite: watched });
    expect(result.outcome).toBe("released");
    // The device's identity and the coordinator's key outlive the round; run() keeps them, the machines copies.
    const kinds = new Set(seen.map(({ what }) => what));
    expect([...kinds].sort()).toEqual([
      "agreement",
      "derived key",
      "identity",
      "key material",
      "plaintext of a box",
      "secret key",
      "seed of a key pair",
    ]);
    // Each held something when it was used.
    for (const { copy } of seen) expect(copy.some((byte) => byte !== 0)).toBe(true);
    const left = seen.filter(({ what, bytes }) => what !== "identity" && bytes.some((byte) => byte !== 0));
    expect(left.map(({ what }) => what)).toEqual([]);
    const identities = seen.filter(
      ({ what, bytes }) => what === "identity" && bytes.some((byte) => byte !== 0),
    );
    // The machine that waits for an answer to its lost message still has its identity; the coordinator has its own.
    expect(identities).toHaveLength(2);
  });

  test("a refusal leaves nothing either, whatever the phase", () => {
    const cohort = new Cohort(n, { graph, dropout, length, surplus });
    const { suite: watched, seen } = watching(suite);
    const device = cohort.devices[0]!;
    const config = { ...cohort.binding, coordinatorKey: cohort.coordinator.publicKey, device };
    const directory = cohort.directory(0);
    const inbox = cohort.inbox(cohort.share()[0]!);
    const course = [{ type: "enrol" } as const, directory, inbox, cohort.survivors(0, cohort.everyone)];
    const cut = { ...inbox, boxes: inbox.boxes.slice(0, -inbox.peers.length) };
    const endings = course.map((_, i) => [i + 1, { type: "enrol" }, "message-unexpected"] as const);
    for (const [steps, refused, code] of [...endings, [2, cut, "share-invalid"] as const]) {
      seen.length = 0;
      const drawn: Uint8Array[] = [];
      const draw = randomFrom("client 0");
      const random = (count: number) => {
        const bytes = draw(count);
        drawn.push(bytes);
        return bytes;
      };
      const env = { suite: watched, random };
      let state = startClient(config);
      for (const event of course.slice(0, steps)) {
        const next = stepClient(state, event, env);
        state = next.state;
        for (const output of next.outputs) {
          if (output.type === "refused") throw new Error(output.rejection.rule);
          if (output.type === "mask") wipeMasks(output.job);
        }
      }
      const held = secretsIn(state);
      const { outputs } = stepClient(state, refused, env);
      expect(outputs).toMatchObject([{ type: "refused", rejection: { code } }]);
      expect(seen.length).toBeGreaterThan(2);
      for (const { bytes, what } of seen)
        if (bytes.some((byte) => byte !== 0)) throw new Error(`${what} is left`);
      expect(held.length).toBeGreaterThan(0);
      for (const secret of held) expect(() => secret.expose()).toThrow("wiped");
      // Of what was drawn the nonce alone is public.
      const left = drawn.filter((bytes) => bytes.some((byte) => byte !== 0));
      expect(left).toEqual([cohort.advertisements[0]!.nonce]);
    }
  });
});
