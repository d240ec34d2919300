/** A coordinator and a handful of clients in one process, on one virtual clock. */
import { bytesToHex } from "@kindred/protocol";
import type { ParticipationActivity } from "../src/activity.ts";
import { createClient, type KindredClient } from "../src/client.ts";
import type { ClientOptions } from "../src/client-options.ts";
import { type ClientStore, memoryStore } from "../src/store.ts";
import { type StubEncoder, stubEncoder } from "./stub-encoder.ts";
import { TestCoordinator } from "./test-coordinator.ts";
import { catalogue, DIMENSION, ITEMS, testRandom } from "./test-task.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface Person {
  readonly client: KindredClient;
  readonly store: ClientStore;
  readonly events: ParticipationActivity[];
  readonly encoder: StubEncoder;
  /** What answers this person's downloads. */
  readonly fetch: { handler: typeof fetch };
  /** Hexadecimal public key, once the client has one. */
  device(): Promise<string>;
}

export interface World {
  readonly clock: VirtualClock;
  readonly coordinator: TestCoordinator;
  readonly people: readonly Person[];
  /** Opens another client. */
  add(changes?: Partial<ClientOptions>): Promise<Person>;
  /** Grants everybody's consent, starts them and the first round. */
  begin(): Promise<void>;
  /** Until the coordinator's round is in this phase. */
  reach(phase: string, round?: number): Promise<void>;
}

/** Floors that take the small plan without noise. */
export const TRIAL_FLOORS = { maximumEpsilon: Number.POSITIVE_INFINITY, minimumSurvivors: 3 };

/** Person p has recorded items p, p + 1 and p + 2 (modulo the catalogue), one a minute. */
export function itemsOf(person: number): number[] {
  return [person, person + 1, person + 2].map((item) => item % ITEMS);
}

export async function createWorld(options: {
  readonly people: number;
  readonly plan?: Readonly<Record<string, unknown>>;
}): Promise<World> {
  const clock = new VirtualClock();
  const coordinator = new TestCoordinator({ clock, ...(options.plan && { plan: options.plan }) });
  const people: Person[] = [];
  const add = async (changes: Partial<ClientOptions> = {}): Promise<Person> => {
    const store = changes.store ?? memoryStore();
    const events: ParticipationActivity[] = [];
    const encoder = stubEncoder({
      items: ITEMS,
      dimension: DIMENSION,
      modelLength: coordinator.plan.resolved.blocks[0]!.length,
    });
    const downloads = { handler: coordinator.fetch };
    const client = await createClient({
      url: "https://kindred.test",
      task: coordinator.plan.task,
      store,
      encoder,
      suite: coordinator.suite,
      random: testRandom(`person ${people.length}`),
      clock,
      floors: TRIAL_FLOORS,
      transport: coordinator.transport,
      fetch: (...request) => downloads.handler(...request),
      onEvent: (event) => events.push(event),
      ...changes,
    });
    const person: Person = {
      client,
      store,
      events,
      encoder,
      fetch: downloads,
      async device() {
        const { identity } = await store.load();
        return bytesToHex(coordinator.suite.signingKeyPair(identity!).publicKey);
      },
    };
    people.push(person);
    return person;
  };
  for (let i = 0; i < options.people; i++) {
    const { client } = await add();
    for (const [k, item] of itemsOf(i).entries())
      await client.record({ item: catalogue.items[item]!.id, action: "view", time: 60_000 * (k + 1) });
  }
  const world: World = {
    clock,
    coordinator,
    people,
    add,
    async begin() {
      coordinator.start();
      for (const { client } of people) {
        await client.consent.grant();
        await client.start();
      }
      await clock.settle();
    },
    async reach(phase, round = 1) {
      await clock.until(
        () => coordinator.phase === phase && coordinator.state.round === round,
        `${phase} of round ${round}, but ${coordinator.phase} of ${coordinator.state.round}`,
      );
    },
  };
  return world;
}
