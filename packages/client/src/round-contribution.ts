/** The contribution to the round under way: computed, kept until its masks are there, masked once, wiped however it ends. */
import type { ParticipantEvent, ParticipantOutput } from "@kindred/engine";
import { KindredError, type Rejection } from "@kindred/protocol";
import { wipeMasks } from "@kindred/secagg";
import { type WipeableContribution, wipeContribution } from "./contribution.ts";
import { maskContribution } from "./masked-contribution.ts";
import type { ParticipationOptions } from "./participation-ports.ts";

type Output<T extends ParticipantOutput["type"]> = Extract<ParticipantOutput, { type: T }>;

/** The round that is contributed to; its identity tells what is still wanted from what has been overtaken. */
interface RoundUnderWay {
  readonly round: number;
  readonly modelHash: string;
  contribution: WipeableContribution | undefined;
}

/** What comes of it, for the participant machine. Of an overtaken round nothing is told. */
interface RoundContributionEvents {
  readonly step: (event: ParticipantEvent) => void;
  /** The round cannot be gone on with. */
  readonly abandon: (round: number, rejection: Rejection) => void;
}

export class RoundContribution {
  readonly #options: ParticipationOptions;
  readonly #events: RoundContributionEvents;
  #current: RoundUnderWay | undefined;

  constructor(options: ParticipationOptions, events: RoundContributionEvents) {
    this.#options = options;
    this.#events = events;
  }

  /**
   * Trains for a round in place of the one before.
   * @param remembered resolves once the ledger's head that the round was selected under is durable
   */
  async train({ round, modelHash }: Output<"train">, remembered: Promise<void>): Promise<void> {
    this.wipe();
    const current: RoundUnderWay = { round, modelHash, contribution: undefined };
    this.#current = current;
    try {
      await remembered;
      const contribution = await this.#options.ports.contribute({ round, modelHash });
      if (this.#current !== current) return wipeContribution(contribution);
      current.contribution = contribution;
    } catch (error) {
      if (this.#current === current)
        this.#events.step({ type: "training-failed", round, rejection: reasonOf(error, "training") });
      return;
    }
    this.#events.step({ type: "trained", round });
  }

  /** Masks what was computed for the round, after which it is gone. */
  async mask(output: Output<"mask">): Promise<void> {
    const current = this.#current;
    const { round, epsilon } = output;
    const { ports } = this.#options;
    try {
      if (current?.contribution === undefined || current.round !== round)
        throw new Error("a round under way has a contribution");
      const { contribution, modelHash } = current;
      current.contribution = undefined;
      const isWanted = (): boolean => this.#current === current;
      const masked = await maskContribution(output, { ...this.#options, contribution, modelHash, isWanted });
      if (masked === undefined) return;
      ports.event({ type: "contributed", round, epsilon, encodeMs: masked.encodeMs });
      this.#events.step({ type: "masked", round, vector: masked.vector });
    } catch (error) {
      wipeMasks(output.job);
      if (this.#current === current) this.#events.abandon(round, reasonOf(error, "contribution"));
    }
  }

  /** A round is over; what belongs to another one stays. */
  forget(round: number): void {
    if (this.#current?.round === round) this.wipe();
  }

  /** Wipes what there is, and overtakes what is being computed. */
  wipe(): void {
    const contribution = this.#current?.contribution;
    if (contribution !== undefined) wipeContribution(contribution);
    this.#current = undefined;
  }
}

/** An error's own rejection; of any other error only that it happened, for its text may hold personal data. */
export function reasonOf(error: unknown, field: "training" | "contribution" | "step"): Rejection {
  if (error instanceof KindredError) return error.rejection;
  return {
    code: "internal",
    field,
    rule: "failed on this device",
    fix: "nothing to do: the device tries again in the next round",
  };
}
