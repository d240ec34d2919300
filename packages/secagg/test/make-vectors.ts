/**
 * Builds `conversations.json`, `graphs.json`, `noise.json` and `transcripts.json`. Written with
 * `npx tsx packages/secagg/test/make-vectors.ts`; a test holds the code to them byte for byte. They change only
 * together with PROTOCOL_VERSION.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { AesCtrRandom, sampleDiscreteGaussian } from "@kindred/privacy";
import { bytesToHex, decodeMemberSet, encodeMemberSet, sha256Bytes, sha256Hex } from "@kindred/protocol";
import { sampleSize } from "../src/certificate.ts";
import { fewestInTwoWindows } from "../src/certified-graph.ts";
import { chooseGraph, drawGraph } from "../src/graph.ts";
import { noiseKey } from "../src/keys.ts";
import { drawNoiseSeeds, noiseSecret } from "../src/surplus-seeds.ts";
import { suite } from "./cohort.ts";
import { completeConversation, regularConversation, surplusConversation } from "./conversation-vectors.ts";
import { replayTranscript, type TranscriptOptions } from "./transcript.ts";

function graphs() {
  const sizes = [2, 3, 10, 16, 40, 100, 256, 257, 300, 500, 1000, 5000, 10_000];
  const rates = [
    { corruption: 0, dropout: 0.1 },
    { corruption: 0.05, dropout: 0.1 },
    { corruption: 0.1, dropout: 0.2 },
    { corruption: 0.33, dropout: 0.3 },
    { corruption: 0.5, dropout: 0.45 },
  ];
  const parameters = sizes.flatMap((n) =>
    rates.flatMap(({ corruption, dropout }) =>
      (["auto", "complete", "regular"] as const).map((graph) => {
        const options = { n, corruption, dropout, graph };
        const chosen = chooseGraph(options);
        return { ...options, ...(chosen.ok ? { chosen: chosen.value } : { code: chosen.rejection.code }) };
      }),
    ),
  );
  const rings = [
    { n: 5, degree: 2 },
    { n: 12, degree: 4 },
    { n: 40, degree: 10 },
  ].map(({ n, degree }) => {
    const seed = sha256Bytes(`ring ${n}`);
    const { ring, neighbours } = drawGraph({ n, degree, kind: "regular", seed });
    const members = Array.from({ length: n }, (_, member) => [...neighbours(member)]);
    return { n, degree, seed: bytesToHex(seed), ring: [...ring], neighbours: members };
  });
  const seed = sha256Bytes("long ring");
  const long = drawGraph({ n: 10_000, degree: 90, kind: "regular", seed });
  const words = new Uint8Array(4 * long.ring.length);
  long.ring.forEach((member, i) => {
    new DataView(words.buffer).setUint32(4 * i, member);
  });
  const windows = [
    { ring: [0, 1, 2, 3, 4, 5, 6, 7], survivors: [0, 1, 2, 3, 4, 5, 6, 7], width: 2 },
    { ring: [0, 1, 2, 3, 4, 5, 6, 7], survivors: [2, 3, 6, 7], width: 2 },
    { ring: [3, 1, 4, 0, 5, 2], survivors: [0, 3], width: 2 },
    { ring: [3, 1, 4, 0, 5, 2], survivors: [0, 2, 3], width: 1 },
  ].map((window) => ({
    ...window,
    fewest: fewestInTwoWindows(Uint32Array.from(window.ring), window),
  }));
  const samples = [
    { others: 999, quorum: 526, size: 1000 },
    { others: 899, quorum: 526, size: 1000 },
    { others: 699, quorum: 526, size: 1000 },
    { others: 530, quorum: 526, size: 1000 },
    { others: 8999, quorum: 5251, size: 10_000 },
    { others: 9, quorum: 6, size: 10 },
  ].map((sample) => ({
    ...sample,
    drawn: sampleSize({ claimed: sample.others, quorum: sample.quorum - 1, size: sample.size }),
  }));
  const sets = [
    { size: 3, members: [] },
    { size: 8, members: [0, 7] },
    { size: 9, members: [0, 3, 8] },
    { size: 20, members: [1, 2, 15, 16, 19] },
  ].map(({ size, members }) => ({ size, members, set: bytesToHex(encodeMemberSet(members, size)) }));
  const refusedSets = [
    { size: 9, set: "01" },
    { size: 8, set: "0100" },
    { size: 9, set: "0102" },
    { size: 3, set: "08" },
  ].map((entry) => {
    const decoded = decodeMemberSet(
      Uint8Array.from(entry.set.match(/../g)!, (byte) => Number.parseInt(byte, 16)),
      {
        size: entry.size,
        field: "set",
      },
    );
    if (decoded.ok) throw new Error("a refused set decodes");
    return { ...entry, code: decoded.rejection.code };
  });
  return {
    description:
      "PROTOCOL.md section 9: parameters (chosen, or the code of the rejection); rings and neighbours from the graph's seed; the long ring as SHA-256 of its members as u32; fewest survivors in two disjoint windows; signatures drawn of a certificate (others: l). Section 4: sets of members.",
    parameters,
    rings,
    longRing: { n: 10_000, degree: 90, seed: bytesToHex(seed), sha256: sha256Hex(words) },
    windows,
    samples,
    sets,
    refusedSets,
  };
}

/** SHA-256 of a long run of noise, in which the rare cases of the sampler occur too. */
function noiseDigest(key: Uint8Array, sigma: number): string {
  const samples = sampleDiscreteGaussian({ sigma, length: 20_000, random: new AesCtrRandom(key) });
  const words = new DataView(new ArrayBuffer(4 * samples.length));
  samples.forEach((sample, i) => {
    words.setInt32(4 * i, sample);
  });
  return sha256Hex(new Uint8Array(words.buffer));
}

function noise() {
  const sid = sha256Bytes("noise session");
  const owner = 5;
  const selfMaskSeed = sha256Bytes("noise self mask");
  const shape = { bits: 20, length: 12 };
  const deviations = [4, 37, 1000, 2 ** 15];
  let drawn = sha256Bytes("noise seed").slice(0, 16);
  const seeds = drawNoiseSeeds(deviations.length, { sid, owner, random: () => drawn, suite });
  drawn = new Uint8Array(0);
  const keys = seeds.map((seed, component) => noiseKey(seed, { sid, owner, component, shape }, suite));
  return {
    description:
      "PROTOCOL.md section 9, surplus noise, of one member: seeds a_0 … a_{L-1}; the secrets that shares are dealt of; the keys of the components; the noise that each key gives at its deviation, entry by entry; and SHA-256 of the first 20,000 integers of each as signed 32-bit words, big-endian, among them some from every part of the distribution.",
    sid: bytesToHex(sid),
    owner,
    selfMaskSeed: bytesToHex(selfMaskSeed),
    shape,
    deviations,
    seeds: seeds.map(bytesToHex),
    secrets: seeds.map((seed, component) =>
      bytesToHex(noiseSecret(seed, { sid, owner, component, selfMaskSeed }, suite)),
    ),
    keys: keys.map(bytesToHex),
    digests: keys.map((key, component) => noiseDigest(key, deviations[component]!)),
    noise: keys.map((key, component) => [
      ...sampleDiscreteGaussian({
        sigma: deviations[component]!,
        length: shape.length,
        random: new AesCtrRandom(key),
      }),
    ]),
  };
}

function transcripts() {
  return {
    description: DESCRIPTION,
    rounds: ROUNDS.map(({ name, options }) => ({ name, options, expected: replayTranscript(options) })),
  };
}

/** File name → content. */
export function buildVectors(): Readonly<Record<string, string>> {
  const files = {
    "conversations.json": {
      description:
        "A client's round as bytes, all hexadecimal. random: what it draws, in order: the secret keys c and s, b, the nonce, where the binding has surplus noise the seed of its last component, then the words of which the coefficients of the share polynomials are made (first those of s, then those of b, then those of each component's secret; see shamir.json and noise.json), and whatever it discards. steps: the frame it receives (none in R0) and the frame it answers. refused: in place of the frame of a step, which the client must refuse with this code, in this field. Its own boxes and revealed shares may come in any order.",
      conversations: [completeConversation(), regularConversation(), surplusConversation()],
    },
    "graphs.json": graphs(),
    "noise.json": noise(),
    "transcripts.json": transcripts(),
  };
  return Object.fromEntries(
    Object.entries(files).map(([name, content]) => [name, `${JSON.stringify(content, null, 2)}\n`]),
  );
}

const DESCRIPTION =
  "Whole rounds of run(): entry j of client i is (17 i + 5 j) mod 2^bits; seed as UTF-8. Each line is sender > receiver, message type, SHA-256 of the frame.";

const ROUNDS: { name: string; options: TranscriptOptions }[] = [
  {
    name: "complete graph of 4, one dropout in masking",
    options: {
      n: 4,
      length: 5,
      seed: "transcript 1",
      bits: 16,
      graph: "complete",
      dropout: 0.25,
      dropouts: [{ client: 1, before: "masking" }],
    },
  },
  {
    name: "complete graph of 3, everybody stays",
    options: { n: 3, length: 2, seed: "transcript 2", bits: 32, graph: "complete" },
  },
  {
    name: "complete graph of 6, a dropout in sharing and one in unmasking",
    options: {
      n: 6,
      length: 3,
      seed: "transcript 3",
      bits: 8,
      graph: "complete",
      dropout: 0.3,
      dropouts: [
        { client: 0, before: "sharing" },
        { client: 5, before: "unmasking" },
      ],
    },
  },
  {
    name: "regular graph of 12, one dropout in masking",
    options: {
      n: 12,
      length: 3,
      seed: "transcript 4",
      bits: 20,
      graph: "regular",
      dropout: 0.1,
      dropouts: [{ client: 7, before: "masking" }],
    },
  },
  {
    name: "too few enrol",
    options: {
      n: 4,
      length: 2,
      seed: "transcript 5",
      bits: 16,
      minimumCohort: 4,
      dropouts: [{ client: 3, before: "enrolling" }],
    },
  },
  {
    name: "too few survivors",
    options: {
      n: 4,
      length: 2,
      seed: "transcript 6",
      bits: 16,
      minSurvivors: 3,
      dropouts: [
        { client: 3, before: "masking" },
        { client: 2, before: "masking" },
      ],
    },
  },
  {
    name: "too few reveal",
    options: {
      n: 4,
      length: 2,
      seed: "transcript 7",
      bits: 16,
      dropouts: [
        { client: 3, before: "unmasking" },
        { client: 2, before: "unmasking" },
      ],
    },
  },
  {
    name: "complete graph of 9, dropouts in sharing, consistency and unmasking",
    options: {
      n: 9,
      length: 4,
      seed: "transcript 8",
      bits: 13,
      graph: "complete",
      dropout: 0.3,
      dropouts: [
        { client: 0, before: "sharing" },
        { client: 3, before: "consistency" },
        { client: 7, before: "unmasking" },
      ],
    },
  },
  {
    name: "regular graph of 16 with corruption, dropouts in sharing and masking",
    options: {
      n: 16,
      length: 4,
      seed: "transcript 9",
      bits: 20,
      graph: "regular",
      corruption: 0.1,
      dropout: 0.15,
      dropouts: [
        { client: 2, before: "sharing" },
        { client: 9, before: "masking" },
      ],
    },
  },
  {
    name: "complete graph of 6 with surplus noise, a dropout in masking and one in unmasking",
    options: {
      n: 6,
      length: 4,
      seed: "transcript 12",
      bits: 20,
      graph: "complete",
      dropout: 0.3,
      minSurvivors: 3,
      surplus: [
        { survivors: 4, deviation: 10 },
        { survivors: 5, deviation: 100 },
        { survivors: 6, deviation: 1000 },
      ],
      dropouts: [
        { client: 1, before: "masking" },
        { client: 4, before: "unmasking" },
      ],
    },
  },
  {
    name: "regular graph of 14, dropouts in consistency and unmasking",
    options: {
      n: 14,
      length: 4,
      seed: "transcript 10",
      bits: 1,
      graph: "regular",
      dropout: 0.2,
      dropouts: [
        { client: 4, before: "consistency" },
        { client: 5, before: "unmasking" },
      ],
    },
  },
  {
    name: "regular graph of 12, too few sign",
    options: {
      n: 12,
      length: 4,
      seed: "transcript 11",
      bits: 32,
      graph: "regular",
      dropout: 0.1,
      dropouts: [
        { client: 0, before: "consistency" },
        { client: 1, before: "consistency" },
        { client: 2, before: "consistency" },
        { client: 3, before: "consistency" },
        { client: 4, before: "consistency" },
        { client: 5, before: "consistency" },
      ],
    },
  },
];

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [name, content] of Object.entries(buildVectors()))
    writeFileSync(new URL(`./vectors/${name}`, import.meta.url), content);
