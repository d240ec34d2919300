import { register } from "tsx/esm/api";

register();
await import("./floor-worker.ts");
