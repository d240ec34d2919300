/** Encryption at rest: records sealed with AES-256-GCM to the place where they are stored, and the keys for it. */
export {
  discardKeyFile,
  finishRotation,
  loadKeyFile,
  parseStorageKey,
  startRotation,
} from "./key-file.ts";
export { isSealed, KeyRing, type Opened, type UnsealedRecords } from "./key-ring.ts";
export { parseSecret, readSecretFile, writeSecretFile } from "./secret-file.ts";
