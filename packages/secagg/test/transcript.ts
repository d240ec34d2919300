/** A whole round of `run()` from few options, as the transcript vectors have it. */
import { bytesToHex, utf8ToBytes } from "@kindred/protocol";
import { type RunOptions, run } from "../src/run.ts";
import { suite } from "./cohort.ts";

/** Entry j of client i is (17 i + 5 j) mod 2^bits. */
export type TranscriptOptions = Omit<RunOptions, "vectors" | "seed" | "suite"> & {
  readonly n: number;
  readonly length: number;
  readonly seed: string;
};

export function replayTranscript(options: TranscriptOptions, withSuite = suite) {
  const { n, length, seed, ...rest } = options;
  const vectors = Array.from({ length: n }, (_, i) =>
    Uint32Array.from({ length }, (_, j) => (17 * i + 5 * j) % 2 ** rest.bits),
  );
  const { sum, sid, ...result } = run({ vectors, seed: utf8ToBytes(seed), suite: withSuite, ...rest });
  return {
    outcome: result.outcome === "released" ? "released" : result.outcome.code,
    ...(sid && { sid: bytesToHex(sid) }),
    ...(sum && { sum: [...sum] }),
    survivors: result.survivors,
    transcript: result.transcript.map(({ from, to, type, digest }) => `${from} > ${to} ${type} ${digest}`),
  };
}
