/** What the suite asks of the platform, in a browser. */
export { webMaskStream as platformMaskStream, webSuite as platformSuite } from "../../web/index.ts";

/** A value as a log would show it. A browser's console has no hook for redaction: what is logged there is JSON. */
export function show(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner instanceof Map || inner instanceof Set ? [...inner] : inner,
  );
}
