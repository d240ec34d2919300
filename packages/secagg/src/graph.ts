/** Who shares secrets and masks with whom, and how many shares reconstruct. */
import { accepted, hashParts, type Result, rejected } from "@kindred/protocol";
import { certifiedGraphParameters } from "./certified-graph.ts";
import { floorShare } from "./hypergeometric.ts";

/** Up to this many members `auto` takes the complete graph. */
const COMPLETE_GRAPH_LIMIT = 256;
/** σ: privacy fails with probability below 2^−40, also where … */
export const SECURITY = 40;
/** … the coordinator draws 2^40 graphs and takes the worst, by leaving members out or altering nonces of its own. */
const GRINDING = 40;
/** η: a round fails by the graph's bad luck with probability below 2^−30. */
const CORRECTNESS = 30;

export type GraphKind = "complete" | "regular";

export interface GraphOptions {
  /** n, members of the cohort. */
  readonly n: number;
  /** γ, share of the cohort that colludes with the coordinator. */
  readonly corruption: number;
  /** δ, share of the cohort that drops out. */
  readonly dropout: number;
  readonly graph: "auto" | GraphKind;
}

export interface GraphParameters {
  readonly kind: GraphKind;
  /** Neighbours of every member, itself not counted: n − 1 in the complete graph. */
  readonly degree: number;
  /**
   * t, shares that reconstruct a secret. In the complete graph every member also holds a share of its own, so n are
   * dealt; in the regular graph only the neighbours hold one, as its rule counts neighbours.
   */
  readonly threshold: number;
  /** Members that have to sign U3 before anybody reveals: no two sets U3 can both find so many. */
  readonly quorum: number;
  /** Survivors that two disjoint windows of the ring must hold (`fewestInTwoWindows`); 0 in the complete graph. */
  readonly windowFloor: number;
}

/**
 * Chooses graph, threshold and quorum. Complete graph (Bonawitz et al. 2017, malicious server): the smallest
 * t > ⌈(n + ⌊γn⌋)/2⌉, so that no two survivor sets can both gather t shares; t signatures are its quorum. Regular graph:
 * `certifiedGraphParameters` with σ = 80 (40, and 40 for grinding) and η = 30; its quorum is the least
 * q > (n + ⌊γn⌋)/2, for two sets of q members have an honest one in common, and it signs one U3. Both must leave
 * room for the dropout.
 * @returns `cohort-too-small` where n members cannot tolerate the assumed corruption and dropout
 */
export function chooseGraph(options: GraphOptions): Result<GraphParameters> {
  const { n, corruption, dropout, graph } = options;
  if (!Number.isInteger(n) || n < 2)
    return rejected("cohort-too-small", "cohort", {
      rule: `must have at least 2 members, found ${n}`,
      fix: "wait for more clients",
    });
  const isRegular = graph === "regular" || (graph === "auto" && n > COMPLETE_GRAPH_LIMIT);
  const half = (n + floorShare(corruption, n)) / 2;
  const quorum = isRegular ? Math.floor(half) + 1 : Math.ceil(half) + 1;
  const surviving = floorShare(1 - dropout, n);
  if (quorum > surviving)
    return rejected("cohort-too-small", "cohort", {
      rule: `of ${n} members needs ${quorum} survivors to unmask, more than the ${surviving} that dropout ${dropout} leaves`,
      fix: "use a larger cohort, or lower cohort.corruption or cohort.dropout",
    });
  if (!isRegular)
    return accepted({ kind: "complete", degree: n - 1, threshold: quorum, quorum, windowFloor: 0 });
  const regular = certifiedGraphParameters({
    n,
    corruption,
    dropout,
    security: SECURITY + GRINDING,
    correctness: CORRECTNESS,
  });
  return regular.ok ? accepted({ kind: "regular", quorum, ...regular.value }) : regular;
}

/**
 * The graph itself: from a member to its sorted neighbours. It is symmetric and free of loops.
 *
 * Regular: the Harary graph that joins members at most degree/2 apart on a ring; the ring is a permutation drawn from
 * `seed`, which derives from the session id and so commits to beacon and key directory: nobody chooses their neighbours.
 * A coordinator can still draw several directories by leaving members out; `chooseGraph` allows for 2^40 of them.
 */
export interface NeighbourGraph {
  readonly neighbours: (member: number) => readonly number[];
  /** Members in their order on the ring; every order is one in the complete graph. */
  readonly ring: Uint32Array;
}

/**
 * Draws the graph.
 * @param degree even and below n for `regular`; ignored for `complete`
 * @param seed 32 bytes, `graphSeed(sid)`
 */
export function drawGraph({
  n,
  degree,
  kind,
  seed,
}: {
  n: number;
  degree: number;
  kind: GraphKind;
  seed: Uint8Array;
}): NeighbourGraph {
  if (kind === "complete") {
    const everyone = Array.from({ length: n }, (_, i) => i);
    return {
      ring: Uint32Array.from(everyone),
      neighbours: (member) => everyone.filter((other) => other !== member),
    };
  }
  if (degree % 2 !== 0 || degree >= n)
    throw new RangeError(`degree must be even and below ${n}, found ${degree}`);
  const ring = permutation(n, seed);
  const place = new Uint32Array(n);
  ring.forEach((member, position) => {
    place[member] = position;
  });
  const neighbours = (member: number): readonly number[] => {
    const found: number[] = [];
    for (let step = 1; step <= degree / 2; step++) {
      found.push(ring[(place[member]! + step) % n]!, ring[(place[member]! - step + n) % n]!);
    }
    return found.sort((a, b) => a - b);
  };
  return { ring, neighbours };
}

/** A uniform permutation of 0 … n − 1 (Fisher–Yates) from a 32-byte seed. */
function permutation(n: number, seed: Uint8Array): Uint32Array {
  const draw = uniformIntegers(seed);
  const items = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = draw(i + 1);
    const kept = items[i]!;
    items[i] = items[j]!;
    items[j] = kept;
  }
  return items;
}

/** Integers uniform below a bound, from SHA-256 in counter mode; draws that would bias are thrown away. */
function uniformIntegers(seed: Uint8Array): (bound: number) => number {
  let counter = 0;
  let block: DataView = new DataView(new ArrayBuffer(0));
  let offset = 0;
  return (bound) => {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      if (offset === block.byteLength) {
        const index = new Uint8Array(4);
        new DataView(index.buffer).setUint32(0, counter++);
        block = new DataView(hashParts("kindred.graph-draw/1", [seed, index]).buffer);
        offset = 0;
      }
      const draw = block.getUint32(offset);
      offset += 4;
      if (draw < limit) return draw % bound;
    }
  };
}
