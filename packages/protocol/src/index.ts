export * from "./canonical.ts";
export * from "./catalogue.ts";
export * from "./codec.ts";
export * from "./errors.ts";
export * from "./messages.ts";
export * from "./model-file.ts";
export * from "./plan.ts";
export * from "./signing.ts";
