export * from "./backend.ts";
export * from "./encoder.ts";
export * from "./evaluate.ts";
export * from "./features.ts";
export * from "./layout.ts";
export { seededRandom } from "./random.ts";
export * from "./sequence.ts";
export * from "./train-centralised.ts";
export * from "./train-local.ts";
