import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ClientOptions } from "../../packages/client/src/index.ts";
import type { RoundRecord } from "../../packages/engine/src/index.ts";
import {
  bytesToHex,
  type ClientMessage,
  type Plan,
  planSigningText,
  type ServerMessage,
  type SignedPlan,
  sha256Bytes,
  utf8ToBytes,
} from "../../packages/protocol/src/index.ts";
import {
  catalogue,
  cleanUp,
  type Device,
  onCleanUp,
  openDevice,
  planDocument,
  startWorld,
  suite,
  type Tap,
  TRIAL_FLOORS,
  type World,
} from "./harness.ts";

/** One coordinator for all tests, and a task for each. */
let world: World;
let tasks = 0;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(cleanUp);

async function newTask(changes: Parameters<typeof planDocument>[0] = {}): Promise<string> {
  const task = `films-${++tasks}`;
  await world.coordinator.createTask({ plan: planDocument({ ...changes, task }), catalogue });
  return task;
}

/** A fetch whose answers of a path are replaced. */
function alteredFetch(path: RegExp, alter: (body: Uint8Array) => Uint8Array): typeof fetch {
  return async (...request) => {
    const response = await fetch(...request);
    if (!path.test(String(request[0])) || !response.ok) return response;
    return new Response(alter(new Uint8Array(await response.arrayBuffer())) as Uint8Array<ArrayBuffer>);
  };
}

/** Somebody else's coordinator key, and a plan signed with it. */
const impostor = suite.signingKeyPair(sha256Bytes("impostor"));
function signedByImpostor(plan: Plan): SignedPlan {
  const own = { ...plan, resolved: { ...plan.resolved, coordinatorKey: bytesToHex(impostor.publicKey) } };
  const signature = suite.sign(utf8ToBytes(planSigningText(own)), impostor.secretKey);
  return { plan: own, signature: bytesToHex(signature) };
}

describe("a plan that the device does not accept", () => {
  /** What a device says to a plan that was changed on its way, and how often it connected. */
  async function refusalOf(
    task: string,
    alter: (signed: SignedPlan) => SignedPlan,
    changes: Partial<ClientOptions> = {},
  ) {
    let connections = 0;
    const device = await openDevice(0, {
      url: world.url,
      task,
      fetch: alteredFetch(/\/plan$/, (body) =>
        utf8ToBytes(JSON.stringify(alter(JSON.parse(new TextDecoder().decode(body)) as SignedPlan))),
      ),
      transport: async () => {
        connections++;
        throw new Error("nobody must connect");
      },
      ...changes,
    });
    onCleanUp(() => device.client.stop());
    await expect(device.client.start()).rejects.toThrow();
    const { phase, reason } = device.client.status();
    expect(phase).toBe("stopped");
    expect(device.client.traffic().sent).toBe(0);
    expect(connections).toBe(0);
    expect(world.coordinator.connectedDevices(task)).toBe(0);
    return reason;
  }

  it("is refused with a reason, and nothing is sent", async () => {
    const privacy = { mechanism: "distributed-discrete-gaussian", epsilon: 8, modulusBits: 24 };
    const task = await newTask({ privacy });
    const floors = { maximumEpsilon: 8, minimumSurvivors: 4 };
    const forged = await refusalOf(task, (signed) => ({ ...signed, signature: "0".repeat(128) }), {
      floors,
    });
    expect(forged).toMatchObject({ code: "signature-invalid", field: "signedPlan.signature" });

    const edited = await refusalOf(
      task,
      ({ plan, signature }) => ({ plan: { ...plan, rounds: 3 }, signature }),
      {
        floors,
      },
    );
    expect(edited).toMatchObject({ code: "signature-invalid" });

    const pinned = { ...floors, coordinatorKey: world.coordinator.publicKey };
    const impostors = await refusalOf(task, ({ plan }) => signedByImpostor(plan), { floors: pinned });
    expect(impostors).toMatchObject({ code: "signature-invalid", field: "plan.resolved.coordinatorKey" });

    // Signed well, but with half of the noise that the promise takes.
    const weakened = await refusalOf(
      task,
      ({ plan }) => {
        const { mechanism } = plan.resolved;
        const quiet = {
          ...mechanism,
          localDeviation: Math.ceil(mechanism.localDeviation / 2),
          noiseMultiplier: mechanism.noiseMultiplier / 2,
        };
        return signedByImpostor({ ...plan, resolved: { ...plan.resolved, mechanism: quiet } });
      },
      { floors },
    );
    expect(weakened).toMatchObject({ code: "plan-invalid", field: "plan.resolved.mechanism" });

    const unchanged = (signed: SignedPlan) => signed;
    expect(await refusalOf(task, unchanged, { floors: { ...floors, maximumEpsilon: 7.9 } })).toMatchObject({
      code: "privacy-floor",
      field: "plan.privacy.epsilon",
    });
    expect(await refusalOf(task, unchanged, { floors: { ...floors, minimumSurvivors: 5 } })).toMatchObject({
      code: "privacy-floor",
      field: "plan.cohort.minSurvivors",
    });
    expect(await refusalOf(task, unchanged, { floors: { ...floors, maximumDelta: 1e-7 } })).toMatchObject({
      code: "privacy-floor",
      field: "plan.privacy.delta",
    });
  });

  it("is refused by the default floors where noise is off or few survive", async () => {
    const task = await newTask();
    expect(await refusalOf(task, (signed) => signed, { floors: {} })).toMatchObject({
      code: "privacy-floor",
      field: "plan.cohort.minSurvivors",
    });
    const manyButSilent = { ...TRIAL_FLOORS, maximumEpsilon: 1e9 };
    expect(await refusalOf(task, (signed) => signed, { floors: manyButSilent })).toMatchObject({
      code: "privacy-floor",
      field: "plan.privacy.epsilon",
      rule: expect.stringContaining("noise is off"),
    });
  });
});

describe("a coordinator that is not the same to everyone", () => {
  /** Runs two rounds in which the first device hears what `swap` says; the others hear the truth. */
  async function deceive(
    swap: (message: ServerMessage) => ServerMessage,
    changes: Partial<ClientOptions> = {},
    overhear: (message: ClientMessage) => void = () => undefined,
  ): Promise<{ round: (number: number) => Promise<RoundRecord>; victim: Device }> {
    const task = await newTask();
    const tap: Tap = {
      swaps: swap,
      sends: (message) => {
        overhear(message);
        return true;
      },
    };
    const [victim] = await world.join(1, { ...changes, task, tap });
    await world.join(5, { task });
    return { round: (number) => world.round(number, task), victim: victim! };
  }

  async function refusalOf(victim: Device) {
    const event = await victim.events.until(({ type }) => type === "refused");
    if (event.type !== "refused") throw new Error("the timeline gave another entry than was asked for");
    return event;
  }

  it("names another plan: the device leaves the round, which the others finish", async () => {
    const other = new Uint8Array(32).fill(7);
    const { round, victim } = await deceive((message) =>
      message.type === "selected" ? { ...message, planDigest: other } : message,
    );
    expect(await refusalOf(victim)).toMatchObject({
      round: 1,
      rejection: { code: "plan-invalid", field: "selected.planDigest" },
    });
    expect(await round(1)).toMatchObject({ status: "published", survivors: 5 });
    expect(victim.client.privacy().entries).toEqual([]);
  });

  it("has another plan since: the device stops and says why", async () => {
    const { victim } = await deceive((message) =>
      message.type === "welcome" ? { ...message, planDigest: new Uint8Array(32) } : message,
    );
    expect(await victim.events.until(({ type }) => type === "stopped")).toMatchObject({
      rejection: { code: "plan-invalid", field: "welcome.planDigest" },
    });
    expect(victim.client.status()).toMatchObject({ phase: "stopped", reason: { code: "plan-invalid" } });
  });

  it("gives one device an older model than the ledger says: the device refuses the round", async () => {
    let first: Uint8Array | undefined;
    const { round, victim } = await deceive((message) => {
      if (message.type !== "selected") return message;
      first ??= message.modelHash;
      return { ...message, modelHash: first };
    });
    expect(await round(1)).toMatchObject({ status: "published", survivors: 6 });
    expect(await refusalOf(victim)).toMatchObject({
      round: 2,
      rejection: { code: "ledger-invalid", field: "selected.ledger.started" },
    });
    expect(await round(2)).toMatchObject({ status: "published", survivors: 5 });
    // Its vector never left: the ledger of the device has the first round only.
    expect(victim.client.privacy().entries.map(({ round }) => round)).toEqual([1]);
  });

  it("hides a member from one device: its signature does not fit, it leaves, the others go on without waiting", async () => {
    let others: number[] = [];
    let own = "";
    const { round, victim } = await deceive(
      (message) => {
        if (!("round" in message) || message.round !== 1) return message;
        if (message.type === "roster")
          others = message.entries.flatMap(({ device }, i) => (bytesToHex(device) === own ? [] : [i]));
        return message.type === "survivors"
          ? { ...message, members: Uint8Array.of(message.members[0]! & ~(1 << others[0]!)) }
          : message;
      },
      {},
      (message) => {
        if (message.type === "advertise") own = bytesToHex(message.advertisement.device);
      },
    );
    expect(await victim.events.until(({ type }) => type === "round-failed")).toMatchObject({
      round: 1,
      rejection: { code: "signature-invalid" },
    });
    // Its vector was in the sum already; that it does not unmask is covered by the others.
    const { times, ...record } = await round(1);
    expect(record).toMatchObject({ status: "published", cohort: 6, survivors: 6 });
    expect(times.finished! - times.consistency!).toBeLessThan(30_000);
  });

  it("serves a model file that is not the one it named", async () => {
    const damage = (file: Uint8Array): Uint8Array => {
      const copy = file.slice();
      copy[copy.length - 5]! ^= 1;
      return copy;
    };
    const first = { seen: 0 };
    const { round, victim } = await deceive((message) => message, {
      // The initial model is taken as it is; later ones are damaged.
      fetch: alteredFetch(/\/v1\/blobs\//, (file) => (++first.seen > 2 ? damage(file) : file)),
    });
    expect(await refusalOf(victim)).toMatchObject({ round: 2, rejection: { code: "model-invalid" } });
    expect(await round(2)).toMatchObject({ status: "published", survivors: 5 });
  });
});
