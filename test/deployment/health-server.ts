/** Runs a health check command against a server of known health. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Serves `/healthz` with a status, anything else with 404, while `use` runs. */
export async function withHealth(status: number, use: (port: number) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => {
    response.writeHead(request.url === "/healthz" ? status : 404).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Exit code of a health check, `node` being this Node. */
export async function exitCodeOfHealthCheck(
  [program, ...rest]: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<number | null> {
  if (program !== "node") throw new Error(`expected node, found ${program}`);
  const child = spawn(process.execPath, rest, { env: environment, stdio: "ignore" });
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}
