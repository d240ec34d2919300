/** A log of interactions that an operator may train on: of people who agreed to it, or of testers. */
import { ACTIONS, type EvaluationUser, type Sequence } from "@kindred/encoder";
import type { Catalogue } from "@kindred/protocol";
import { csvRecords, refuse } from "../catalogue/csv.ts";

interface Event {
  readonly item: number;
  readonly action: number;
  readonly time: number;
  readonly rating: number;
}

/**
 * Reads CSV with the columns `user`, `item`, `time` (milliseconds since 1970, or an ISO date) and optionally `action` and `rating`
 * (0 to 1). Lines of items outside the catalogue are left out and counted.
 *
 * @param name the file's name, for errors
 * @returns one sequence per user, oldest first, events of one time in the file's order
 * @throws KindredError `catalogue-invalid` naming file, line and field
 */
export function readInteractionLog(
  content: string,
  { name, catalogue }: { readonly name: string; readonly catalogue: Pick<Catalogue, "items"> },
): { readonly sequences: Sequence[]; readonly unknownItems: number } {
  const index = new Map(catalogue.items.map(({ id }, position) => [id, position]));
  const people = new Map<string, Event[]>();
  let unknownItems = 0;
  for (const { line, fields } of csvRecords(content, { name, columns: ["user", "item", "time"] })) {
    const text = (field: string): string => String(fields[field] ?? "").trim();
    const at = (field: string): string => `${name}:${line} ${field}`;
    const item = index.get(text("item"));
    if (item === undefined) {
      unknownItems++;
      continue;
    }
    if (text("user") === "") refuse(at("user"), "must be there", "name the person, by any id");
    const event = {
      item,
      action: actionOf(text("action"), at),
      time: timeOf(text("time"), at),
      rating: ratingOf(text("rating"), at),
    };
    const known = people.get(text("user"));
    if (known === undefined) people.set(text("user"), [event]);
    else known.push(event);
  }
  const sequences = [...people.values()].map((events) => {
    events.sort((a, b) => a.time - b.time);
    return {
      items: events.map(({ item }) => item),
      actions: events.map(({ action }) => action),
      times: events.map(({ time }) => time),
      ratings: events.map(({ rating }) => rating),
    };
  });
  return { sequences, unknownItems };
}

type At = (field: string) => string;

function actionOf(text: string, at: At): number {
  const action = (ACTIONS as readonly string[]).indexOf(text === "" ? "view" : text);
  if (action < 0) refuse(at("action"), `must be one of ${ACTIONS.join(", ")}`, "leave it empty for view");
  return action;
}

function timeOf(text: string, at: At): number {
  const time = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isFinite(time))
    refuse(at("time"), "must be milliseconds or an ISO date", "such as 2026-01-31T12:00:00Z");
  return time;
}

function ratingOf(text: string, at: At): number {
  if (text === "") return Number.NaN;
  const rating = Number(text);
  if (!(rating >= 0 && rating <= 1))
    refuse(at("rating"), "must be from 0 to 1", "divide by the best rating there is");
  return rating;
}

/** The last item of each sequence to be predicted from those before it, where it is a new one and two are left. */
export function leaveLastOut(sequences: readonly Sequence[]): EvaluationUser[] {
  return sequences.flatMap((sequence) => {
    const length = sequence.items.length - 1;
    const items = Array.from(sequence.items).slice(0, length);
    const target = sequence.items[length];
    if (length < 1 || target === undefined || items.includes(target)) return [];
    return [{ sequence: shortened(sequence, length), target, seen: items }];
  });
}

function shortened({ items, actions, times, ratings }: Sequence, length: number): Sequence {
  const cut = (values: ArrayLike<number>): number[] => Array.from(values).slice(0, length);
  return {
    items: cut(items),
    actions: cut(actions),
    times: cut(times),
    ...(ratings && { ratings: cut(ratings) }),
  };
}
