// Workers do not inherit tsx's loader on every supported Node, so it is registered here before the TypeScript starts.
import { register } from "tsx/esm/api";

register();
await import("./recovery-worker.ts");
