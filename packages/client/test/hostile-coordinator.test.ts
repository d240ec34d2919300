/** A coordinator that lies, as the embedding app sees it: every refusal of the client arrives as a typed reason. */
import {
  ERROR_CODES,
  encodeFrame,
  encodeMemberSet,
  type ServerMessage,
  sealedColumns,
  sealedShares,
} from "@kindred/protocol";
import { describe, expect, it } from "vitest";
import { createWorld, itemsOf, type World } from "./world.ts";

const PEOPLE = 6;
const cohort = { minimum: 4, target: PEOPLE, maximum: PEOPLE };

/** A world whose coordinator tells one device something else than the truth. */
async function deceived(
  graph: string,
  lie: (message: ServerMessage) => ServerMessage | undefined,
): Promise<{ world: World; device: string }> {
  const world = await createWorld({
    people: PEOPLE,
    plan: { rounds: 2, cohort, secureAggregation: { graph } },
  });
  const { coordinator, people, clock } = world;
  let device = "";
  const isFirst = (message: ServerMessage) => "round" in message && message.round === 1;
  const honest = coordinator.push.bind(coordinator);
  coordinator.push = (to, message) =>
    honest(to, (to === device && isFirst(message) ? lie(message) : undefined) ?? message);
  // The first to start has its identity before anybody checks in.
  coordinator.delay = async ({ message }) => {
    if (message.type === "check-in") device ||= await people[0]!.device();
  };
  await world.begin();
  // Only the first round is lied about.
  await world.reach("finished", 2);
  await clock.settle();
  return { world, device };
}

type Lie = [string, (message: ServerMessage) => ServerMessage | undefined, object];

/** In the complete graph only: who leaves at the selection is no member, and five are too few for a regular one. */
const LEDGER_LIES: Lie[] = [
  [
    "a tree head that the coordinator did not sign",
    (message) =>
      message.type === "selected"
        ? { ...message, ledger: { ...message.ledger, signature: new Uint8Array(64) } }
        : undefined,
    { code: "signature-invalid", field: "selected.ledger.signature" },
  ],
  [
    "a round whose start is not in the ledger",
    (message) =>
      message.type === "selected"
        ? {
            ...message,
            ledger: { ...message.ledger, started: message.ledger.started.replace("films", "books") },
          }
        : undefined,
    { code: "ledger-invalid", field: "selected.ledger.inclusion" },
  ],
  [
    "another beacon than the ledger's",
    (message) =>
      message.type === "selected" ? { ...message, beacon: new Uint8Array(32).fill(1) } : undefined,
    { code: "ledger-invalid", field: "selected.ledger.started" },
  ],
];

describe.each(["complete", "regular"])("what the client refuses reaches the app, %s graph", (graph) => {
  const zeros = new Uint8Array(64);
  it.each<Lie>([
    ...(graph === "complete" ? LEDGER_LIES : []),
    [
      "a forged key directory",
      (message) =>
        message.type === "roster" || message.type === "neighbourhood"
          ? { ...message, signature: zeros }
          : undefined,
      {
        code: "signature-invalid",
        field: graph === "complete" ? "roster.signature" : "neighbourhood.signature",
      },
    ],
    [
      "a box withheld",
      (message) =>
        message.type === "inbox"
          ? { ...message, ...sealedColumns(sealedShares(message).slice(1)) }
          : undefined,
      { code: "share-invalid", field: "inbox.shares" },
    ],
    [
      "a U3 of nobody else",
      (message) =>
        message.type === "survivors" ? { ...message, members: encodeMemberSet([], PEOPLE) } : undefined,
      { code: "message-invalid", field: "survivors.members" },
    ],
    [
      "a certificate with its signatures stripped",
      (message) =>
        message.type === "unmask"
          ? { ...message, signers: encodeMemberSet([1], PEOPLE), signatures: message.signatures.slice(0, 64) }
          : undefined,
      { code: "signature-invalid", field: "unmask.signatures" },
    ],
  ])("%s", async (_, lie, expected) => {
    const { world, device } = await deceived(graph, lie);
    const [victim, ...others] = world.people;
    const refused = victim!.events.filter((event) => event.type === "refused");
    expect(refused).toEqual([{ type: "refused", round: 1, rejection: expect.objectContaining(expected) }]);
    const { rejection } = refused[0]!;
    expect(ERROR_CODES).toContain(rejection.code);
    for (const text of [rejection.rule, rejection.fix]) expect(text).toMatch(/\w/);
    // The coordinator hears no more than the code, and the others go on.
    const left = world.coordinator.received.filter(
      (entry) => entry.device === device && entry.message.type === "leave",
    );
    expect(left.map(({ message }) => message)).toEqual([{ type: "leave", round: 1, code: rejection.code }]);
    expect(world.coordinator.records.map(({ round, status }) => [round, status])).toEqual(
      expect.arrayContaining([
        [1, "published"],
        [2, "published"],
      ]),
    );
    for (const { events } of others) expect(events.map(({ type }) => type)).not.toContain("refused");
  });
});

it("counts, losses or metrics in clear: frames are the same in kind and length whatever a person did", async () => {
  const world = await createWorld({ people: PEOPLE - 1, plan: { rounds: 1, cohort } });
  const idle = await world.add();
  await world.begin();
  await world.reach("finished");
  expect(idle.encoder.trainedFrom).toEqual([]);
  expect(world.people[0]!.encoder.trainedFrom).toHaveLength(1);
  expect(itemsOf(0)).toHaveLength(3);
  const shapes = await Promise.all(
    world.people.map(async (person) => {
      const device = await person.device();
      return world.coordinator.received
        .filter((entry) => entry.device === device)
        .map(
          ({ message }) => `${message.type} ${encodeFrame(message).length} ${Object.keys(message).sort()}`,
        );
    }),
  );
  expect(shapes[0]).toEqual(expect.arrayContaining([expect.stringContaining("masked-input")]));
  for (const shape of shapes) expect(shape).toEqual(shapes[0]);
});
