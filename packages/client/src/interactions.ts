/** What a person did, as the app records it and as the encoder reads it. Never leaves the device. */
import { ACTIONS, type Action, type Sequence } from "@kindred/encoder";
import { KindredError } from "@kindred/protocol";

export { ACTIONS, type Action };

/** One recorded interaction. */
export interface Interaction {
  /** Catalogue id. */
  readonly item: string;
  readonly action: Action;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Share of the best possible rating, 0 to 1. */
  readonly rating?: number;
  /** Free text that goes with it, such as a review. */
  readonly text?: string;
}

/** An interaction as the app hands it over; without a time it happens now. */
export type InteractionInput = Omit<Interaction, "time"> & { readonly time?: number };

const FIELDS = new Set(["item", "action", "time", "rating", "text"]);
const MAX_ITEM_LENGTH = 128;
const MAX_TEXT_LENGTH = 10_000;

/** Refuses without repeating the value: an error may end in a log, and the value is personal. */
function refuse(field: string, rule: string, fix: string): never {
  throw new KindredError({ code: "option-invalid", field: `interaction.${field}`, rule, fix });
}

/**
 * Checks and normalises an interaction.
 * @param isKnown whether the catalogue holds an id; `undefined` while the catalogue is not known
 * @throws KindredError `option-invalid` naming field, rule and fix
 */
export function checkInteraction(
  input: InteractionInput,
  { now, isKnown }: { now: number; isKnown: ((item: string) => boolean) | undefined },
): Interaction {
  if (typeof input !== "object" || input === null)
    throw new KindredError({
      code: "option-invalid",
      field: "interaction",
      rule: "must be an object",
      fix: 'pass { item: "…", action: "view" }',
    });
  if (Object.keys(input).some((key) => !FIELDS.has(key)))
    throw new KindredError({
      code: "option-invalid",
      field: "interaction",
      rule: `must have no other fields than ${[...FIELDS].join(", ")}`,
      fix: "remove the others, or check the spelling",
    });
  const { item, action, time = now, rating, text } = input;
  if (typeof item !== "string" || item.length === 0 || item.length > MAX_ITEM_LENGTH)
    refuse("item", `must be a text of 1 to ${MAX_ITEM_LENGTH} characters`, "pass the item's catalogue id");
  if (isKnown !== undefined && !isKnown(item))
    refuse("item", "must be the id of a catalogue item", "record only items of the task's catalogue");
  if (!ACTIONS.includes(action))
    refuse("action", `must be one of ${ACTIONS.join(", ")}`, "map the app's action to the nearest of these");
  if (typeof time !== "number" || !Number.isFinite(time) || time < 0)
    refuse("time", "must be a number of milliseconds since the epoch", "pass Date.now(), or leave it out");
  if (rating !== undefined && !(typeof rating === "number" && rating >= 0 && rating <= 1))
    refuse("rating", "must lie between 0 and 1", "divide the rating by the best possible one");
  if (action === "rate" && rating === undefined)
    refuse("rating", 'must be there when the action is "rate"', "add the rating, between 0 and 1");
  if (text !== undefined && (typeof text !== "string" || text.length > MAX_TEXT_LENGTH))
    refuse("text", `must be a text of at most ${MAX_TEXT_LENGTH} characters`, "shorten it or leave it out");
  return {
    item,
    action,
    time,
    ...(rating === undefined ? {} : { rating }),
    ...(text === undefined ? {} : { text }),
  };
}

/** The interactions of one person: append-only, without duplicates. */
export class InteractionLog {
  readonly #entries: Interaction[] = [];
  readonly #keys = new Set<string>();

  constructor(entries: readonly Interaction[] = []) {
    for (const entry of entries) this.add(entry);
  }

  get entries(): readonly Interaction[] {
    return this.#entries;
  }

  /** @returns false for a duplicate: same item, action and time */
  add(entry: Interaction): boolean {
    const key = JSON.stringify([entry.item, entry.action, entry.time]);
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    this.#entries.push(entry);
    return true;
  }

  /** Takes the entry back whose writing failed. */
  remove(entry: Interaction): void {
    const at = this.#entries.lastIndexOf(entry);
    if (at < 0) return;
    this.#entries.splice(at, 1);
    this.#keys.delete(JSON.stringify([entry.item, entry.action, entry.time]));
  }

  clear(): void {
    this.#entries.length = 0;
    this.#keys.clear();
  }

  /** What the encoder reads: the interactions with catalogue items, oldest first. */
  sequence(index: ReadonlyMap<string, number>): Sequence {
    const known = this.#entries.filter((entry) => index.has(entry.item)).sort((a, b) => a.time - b.time || 0);
    return {
      items: known.map((entry) => index.get(entry.item)!),
      actions: known.map((entry) => ACTIONS.indexOf(entry.action)),
      times: known.map((entry) => entry.time),
      ratings: known.map((entry) => entry.rating ?? Number.NaN),
    };
  }
}
