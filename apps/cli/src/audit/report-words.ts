/** The audit report in sentences for somebody who answers for data protection and knows no cryptography. */
import type { LedgerVerdict, TaskAccount } from "@kindred/audit/verify";
import {
  formatCount,
  formatDelta,
  formatEpsilon,
  formatNumber,
  formatPercent,
  plural,
} from "../report/format.ts";
import type { Banner } from "../report/layout.ts";
import { attackHeadline, reconstructionInWords, releasedInWords } from "./attack-text.ts";
import { type AttackFindings, isContradicted } from "./findings.ts";

/** Everything a report is made of. */
export interface AuditResult {
  /** File or address of the ledger. */
  readonly source: string;
  /** ISO 8601, of the audit. */
  readonly time: string;
  readonly verdict: LedgerVerdict;
  /** Null where no attack was run. */
  readonly attack: AttackFindings | null;
  /** Tree heads and model files that the ledger was compared with; null where none were asked for. */
  readonly heads: number;
  readonly models: number | null;
}

/** Above this ε the promise says little about any one person. */
const WEAK_EPSILON = 10;

/** Whether everything that was looked at holds. */
export function holds({ verdict, attack }: AuditResult): boolean {
  return verdict.violations.length === 0 && (attack === null || !isContradicted(attack));
}

/** What to know first. */
export function auditBanner(result: AuditResult): Banner {
  const { verdict, attack } = result;
  const broken = verdict.violations.length;
  if (broken > 0)
    return {
      tone: "bad",
      title: `The ledger does not hold: ${plural(broken, "rule was broken", "rules were broken")}`,
      text: "What was promised to people was not kept, or cannot be shown to have been kept. The entries are listed below.",
    };
  if (attack !== null && isContradicted(attack))
    return {
      tone: "bad",
      title: "The attacks contradict what the ledger proves",
      text: attackHeadline(attack),
    };
  const untested = attack === null ? " No attack was run." : "";
  const silent = verdict.tasks.some(({ promised }) => promised.epsilon === null);
  if (silent)
    return {
      tone: "warn",
      title: "The ledger holds, but a task promised no noise",
      text: `Without noise, nobody can say how much a result shows about one person; only that no single input was read.${untested}`,
    };
  return {
    tone: "good",
    title:
      attack === null
        ? "The ledger holds"
        : "The ledger holds, and attacks found nothing that contradicts it",
    text: `Every rule was checked without trusting the operator, and none is broken.${untested}`,
  };
}

/** " with up to 2 devices" where a person may have several. */
export function withDevices(devices: number | null): string {
  return devices === null || devices === 1 ? "" : ` with up to ${plural(devices, "device")}`;
}

/** What a task promised, in a sentence. */
export function promiseInWords({ promised, participations, devices, minSurvivors }: TaskAccount): string {
  const people = minSurvivors === null ? "several" : `at least ${formatCount(minSurvivors)}`;
  const alone = `No person's contribution can be read alone: only the sum over ${people} people.`;
  if (promised.epsilon === null)
    return `${alone} No noise was promised, and so no bound for what the sums show.`;
  const factor =
    promised.epsilon <= WEAK_EPSILON
      ? `: whatever anybody concludes from them about a person becomes at most ${formatNumber(Math.exp(promised.epsilon))} times as likely by that person having taken part, but for a chance of ${formatDelta(promised.delta)}`
      : ", a bound so weak that it says little about any one person";
  return `${alone} Noise in the sums bounds what all results together show about one person, who takes part in at most ${plural(participations, "round")}${withDevices(devices)}, to ε = ${formatEpsilon(promised.epsilon)} at δ = ${formatDelta(promised.delta)}${factor}.`;
}

/** What the ledger proves of a task. */
export function proofInWords(account: TaskAccount): string {
  const { rounds, plannedRounds, promised, claimed, proven, models } = account;
  const released = rounds.filter(({ outcome }) => outcome === "released");
  const survivors = released.flatMap((round) => (round.survivors === null ? [] : [round.survivors]));
  const smallest =
    survivors.length === 0
      ? ""
      : ` The smallest result is over ${plural(Math.min(...survivors), "person", "people")}.`;
  const spent =
    promised.epsilon === null
      ? ""
      : ` The ledger says that ε = ${formatEpsilon(claimed.coordinator)} is spent${
          proven === null
            ? "; it cannot be recomputed from this plan."
            : `. Recomputed from the noise by two methods that do not use the ledger's numbers, it is ${formatEpsilon(proven.rdp)} and ${formatEpsilon(proven.pld)}, of ${formatEpsilon(promised.epsilon)} promised.`
        }`;
  return `${formatCount(released.length)} of ${plural(plannedRounds, "planned round")} were published.${smallest}${spent} ${plural(models.length, "model version")} follow one from the other.`;
}

/** What the attacks found. */
export function attackInWords(attack: AttackFindings | null): string {
  if (attack === null) return "No attack was run, so this report rests on the proof alone.";
  const { membership } = attack;
  const rate = membership.rates[0];
  const found =
    rate === undefined
      ? ""
      : ` Asked whether a given person took part, the best attack finds ${formatPercent(rate.truePositiveRate)} of those who did when it accuses ${formatPercent(rate.falsePositiveRate)} of the others wrongly.`;
  return `${attackHeadline(attack)}${found} From the one message that a device sends in a round, the attack reads ${reconstructionInWords(attack).text}. ${releasedInWords(attack.released)}`;
}

/** What the report does not show. */
export function limitsInWords({ verdict, attack, heads, models }: AuditResult): string[] {
  return [
    ...(verdict.keyPinned
      ? []
      : [
          "The signing key was taken from the ledger itself: the ledger is consistent, but whose it is was not checked.",
        ]),
    ...(heads > 0
      ? []
      : [
          "No earlier tree head was compared: a ledger that was rewritten as a whole, or cut at its end, would not be noticed.",
        ]),
    ...(models === null ? ["Model files were not compared with the ledger."] : []),
    "A ledger cannot show that the people in a cohort are real: an operator who invents most of a cohort knows their part of the noise.",
    ...(attack === null
      ? []
      : [
          "Attacks prove from below: what they do not find may still be there. They run on the code of this version, not on people's devices.",
        ]),
  ];
}

/** Words of the report. */
export const AUDIT_WORDS = [
  {
    term: "Ledger",
    meaning:
      "A public list of everything an operator promised and published. Each entry seals all before it and is signed, so nothing can be changed later without it showing.",
  },
  {
    term: "ε (epsilon) and δ (delta)",
    meaning:
      "How much more likely any conclusion about a person can become because they took part: by at most a factor of e^ε, but for a chance of δ. Smaller is safer.",
  },
  {
    term: "Proven bound, and what an attack shows",
    meaning:
      "Mathematics bounds ε from above: it cannot be more. An attack bounds it from below: it cannot be less. An honest system has the second below the first.",
  },
  {
    term: "Round, cohort, survivors",
    meaning:
      "In a round, a cohort of devices contributes. Survivors are those that stay to the end; a result is over them, and never over fewer than promised.",
  },
  {
    term: "Tree head",
    meaning:
      "A short fingerprint of the whole ledger. Who remembers one notices if somebody is later shown another history.",
  },
] as const;
