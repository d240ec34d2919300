import { register } from "tsx/esm/api";

register();
await import("./client-process.ts");
