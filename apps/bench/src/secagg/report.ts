/** The bench's tables, beside the published figures. */
import type { SecaggResult } from "./bench-secagg.ts";

/**
 * Bonawitz et al. (2017), prototype in Java, d = 100,000: milliseconds of a client without dropouts, and of the server
 * by share of dropouts; key sharing, masked input, unmasking, total.
 */
const PUBLISHED_CLIENT: Readonly<Record<number, readonly [number, number, number, number]>> = {
  500: [154, 694, 1, 849],
  1000: [336, 1357, 5, 1699],
};
const PUBLISHED_SERVER: Readonly<Record<string, readonly [number, number, number, number]>> = {
  "500/0": [26, 723, 1268, 2018],
  "500/0.1": [29, 623, 61586, 62239],
  "500/0.3": [28, 514, 142847, 143389],
  "1000/0": [148, 1481, 3253, 4887],
  "1000/0.1": [143, 1406, 179320, 180875],
  "1000/0.3": [143, 1169, 412446, 413767],
};

/** Writes what a person reads. */
export function writeTables(result: SecaggResult, out: NodeJS.WritableStream): void {
  const { clients, length, dropout, graph, k, t, bits, clientMs, serverMs, serverCpuMs } = result;
  const published = length === 100_000;
  const client = published ? PUBLISHED_CLIENT[clients] : undefined;
  const server = published ? PUBLISHED_SERVER[`${clients}/${dropout}`] : undefined;
  const rows: readonly (readonly string[])[] = [
    ["", "client CPU", "published", "server", "server CPU", "published"],
    row("keys and shares (R0, R1)", [
      clientMs.enrolling + clientMs.sharing,
      client?.[0],
      serverMs.enrolling + serverMs.sharing,
      serverCpuMs.enrolling + serverCpuMs.sharing,
      server?.[0],
    ]),
    row("masked input (R2)", [
      clientMs.masking,
      client?.[1],
      serverMs.masking,
      serverCpuMs.masking,
      server?.[1],
    ]),
    row("consistency (R3)", [
      clientMs.consistency,
      undefined,
      serverMs.consistency,
      serverCpuMs.consistency,
      undefined,
    ]),
    row("unmasking (R4)", [
      clientMs.unmasking,
      client?.[2],
      serverMs.unmasking + serverMs.recovery,
      serverCpuMs.unmasking + serverCpuMs.recovery,
      server?.[2],
    ]),
    row("total", [clientMs.total, client?.[3], serverMs.total, serverCpuMs.total, server?.[3]]),
  ];
  const ratio = result.floorRatio.toFixed(2);
  const packed = ((100 * result.packedBytes) / (4 * length)).toFixed(0);
  out.write(
    [
      `${clients} clients, ${length} entries of ${bits} bits, ${100 * dropout} % dropout, ${graph} graph: k = ${k}, t = ${t}`,
      "",
      ...table(rows),
      "",
      "Milliseconds. Server: CPU of the event loop in the message phases, and wall of the recovery, which runs on worker",
      `threads; server CPU: all threads, with compilation and garbage. Smaller rounds before it: ${result.warmUps}, to warm the code up.`,
      "Published: Bonawitz et al. 2017; client without dropouts; the protocol against an honest server, without R3.",
      "",
      `recovery        ${result.masks} masks on ${result.workers} threads in ${ms(serverMs.recovery)} ms (${span(result.recoveryRunsMs)}); expanding and adding alone`,
      `                ${ms(result.floorMs)} ms (${span(result.floorRunsMs)}): ${ratio} times the floor`,
      `/healthz        ${result.health.p50Ms.toFixed(1)} ms at the median, ${result.health.p99Ms.toFixed(1)} ms at the 99th percentile of ${result.health.answers} answers in that time`,
      `event loop      ${result.loopDelayMs.toFixed(1)} ms delay at the 99th percentile while the sum is recovered`,
      `up, per client  ${bytes(result.bytesUp)}: ${result.expansion.toFixed(2)} times the ${bytes(4 * length)} of plain 4-byte numbers; the packed vector alone is ${packed} % of them`,
      `down            ${bytes(result.bytesDown)}`,
      `server memory   ${result.peakRssMb.toFixed(0)} MB at most, ${result.idleRssMb.toFixed(0)} MB before the round, ${result.freshRssMb.toFixed(0)} MB before those that warm up`,
      ...(result.stolen === undefined
        ? []
        : [
            `machine         ${(100 * result.stolen).toFixed(0)} % of the processors' time went to other guests of its host`,
          ]),
      `sum             ${result.exact ? "exact" : "WRONG: not the sum of the survivors' vectors"}`,
      "",
    ].join("\n"),
  );
}

function row(name: string, values: readonly (number | undefined)[]): string[] {
  return [name, ...values.map((value) => (value === undefined ? "–" : ms(value)))];
}

function span(values: readonly number[]): string {
  return `${ms(Math.min(...values))} to ${ms(Math.max(...values))}`;
}

function ms(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 });
}

function bytes(value: number): string {
  return `${(value / 1_000).toLocaleString("en", { maximumFractionDigits: 1 })} kB`;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  "),
  );
}
