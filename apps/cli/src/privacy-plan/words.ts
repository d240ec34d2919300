/** What a plan promises, in words that need no training in statistics. */
import {
  formatCount,
  formatDelta,
  formatEpsilon,
  formatNumber,
  formatPercent,
  plural,
} from "../report/format.ts";
import type { PlanFigures } from "./figures.ts";

/** ε above this is, in the field's common reading, a weak guarantee. */
const WEAK_EPSILON = 10;

/** The promise to a person, one sentence a line of thought. */
export function promise(figures: PlanFigures): string {
  const { participations, devices, cohort, detection } = figures;
  const person =
    devices === 1 ? "Somebody who takes part" : `Somebody who takes part with ${plural(devices, "device")}`;
  const { falsePositiveRate, truePositiveRate } = detection;
  return (
    `${person} in ${plural(participations, "round")} stays hidden in the noise of ${plural(cohort.honest, "other")}: ` +
    `whoever holds everything the coordinator sees, and accuses ${share(falsePositiveRate)} of those who did not ` +
    `take part, finds at most ${formatPercent(truePositiveRate)} of those who did, whatever else they know.`
  );
}

function share(rate: number): string {
  return `one in ${formatCount(1 / rate)}`;
}

/** What the evaluation block holds. */
export function evaluationEntries({ evaluation: { entries, heldOut } }: PlanFigures): string {
  return heldOut === 0
    ? `${formatCount(entries)}: loss and silhouette`
    : `${formatCount(entries)}, of which ${formatCount(heldOut)} say how well held-out interactions were foreseen`;
}

/** What the evaluation block costs the blocks beside it, and what holding interactions out costs the loss. */
export function evaluationCost({ evaluation: { heldOut, costOthers, costLoss } }: PlanFigures): string {
  const others = `${excess(costOthers)} noise on every other block, at the same ε`;
  return heldOut === 0
    ? others
    : `${others}; held-out interactions: ${excess(costLoss)} on loss and silhouette`;
}

/** What the table of signals means. */
export function signalNote({ signals, cohort }: PlanFigures): string {
  const wholes = signals.map(({ name, whole }) => `${formatCount(whole)} of ${name}`).join(", ");
  const fewest = signals.map(({ keptFrom }) => formatCount(keptFrom.fewest)).join(" and ");
  return (
    `noise: deviation of one count when all ${formatCount(cohort.maximum)} survive, in people; kept from: so many people must ` +
    `have done it for its count to stand ${signals.map(({ significance }) => formatNumber(significance)).join(" and ")} ` +
    `deviations out (with ${formatCount(cohort.minSurvivors)} survivors ${fewest}). A person with more counts than fill the ` +
    `clip norm (${wholes}) adds less than one to each. These rounds train nothing and cost the same ε as the others.`
  );
}

/** What carrying on comes to, for each signal that the plan carries on. */
export function carriedNotes({ signals, cohort }: PlanFigures): string[] {
  return signals.flatMap(({ name, carried, deviation }) => {
    if (carried === undefined) return [];
    const { rounds, people, perPerson } = carried;
    return (
      `Carried on, ${name} is after ${plural(rounds, "round")} a sum over ${formatCount(people.cohort)} people with noise of ` +
      `deviation ${formatNumber(carried.deviation.cohort)}: ${formatNumber(perPerson.cohort)} for each of them, in place of ` +
      `${formatNumber(deviation.cohort / cohort.maximum)} in one round. A count is then kept from ` +
      `${formatCount(carried.keptFrom.cohort)} people on (${formatCount(carried.keptFrom.fewest)} of ` +
      `${formatCount(people.fewest)} with the fewest survivors), if no round fails and all count the same.`
    );
  });
}

/** 1.026 as "+2.6 %". */
export function excess(ratio: number): string {
  return `+${(100 * (ratio - 1)).toFixed(1)} %`;
}

/** What the operator should think about before running the plan; none where there is nothing. */
export function cautions(figures: PlanFigures): string[] {
  const { guarantees, promised, blocks, overflow, cohort } = figures;
  const found: string[] = [];
  const spent = guarantees.coordinator.rdp;
  if (spent > WEAK_EPSILON)
    found.push(`ε ${formatEpsilon(spent)} is a weak guarantee; ${WEAK_EPSILON} is the usual upper end.`);
  const drowned = blocks.filter(({ signalToNoise }) => signalToNoise < 1).map(({ name }) => name);
  if (drowned.length > 0)
    found.push(
      `Even updates that all agree are weaker than the noise on ${drowned.join(", ")}: a larger cohort, a shorter ` +
        `vector or fewer participations help.`,
    );
  if (promised.delta * cohort.maximum > 0.1)
    found.push(
      `δ ${formatDelta(promised.delta)} is large for a cohort of ${formatCount(cohort.maximum)}: choose it well ` +
        `under one over the number of people.`,
    );
  if (overflow.perRound > 0.01)
    found.push(
      `${formatPercent(overflow.perRound)} of a coordinate wraps in a round when all updates agree: raise --modulus-bits.`,
    );
  return found;
}

/** What the numbers rest on. */
export function assumptions({ cohort, minimumSeparation, devices }: PlanFigures): string[] {
  return [
    `Up to ${formatPercent(cohort.corruption)} of a cohort may collude with the coordinator; a coordinator that ` +
      `invents members is not covered (docs/threat-model.md).`,
    `The unit is a person with ${plural(devices, "device")}, against the same rounds without them; every ` +
      `participation counts for the coordinator, also in rounds that fail. ${
        devices === 1 ? "A second device" : "Each further device"
      } of theirs is not covered: a coordinator that knows accounts turns it away (docs/deployment.md).`,
    `RDP is what the plan promises and devices check; PLD is the tighter second opinion. Both are upper bounds.`,
    ...(minimumSeparation > 1
      ? [`A device rests until ${plural(minimumSeparation, "round")} after it took part.`]
      : []),
  ];
}
