/** The HTTP server under routes and sockets: listens, and closes in bounded time whatever its peers do. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { KindredError } from "@kindred/protocol";

/** Milliseconds that answers under way get before their connections are cut. */
const CLOSE_GRACE_MS = 1_000;

export class Listener {
  readonly server: Server;
  readonly #open = new Set<Socket>();

  constructor(handler: RequestListener, logger: { error(fields: object, message: string): void }) {
    this.server = createServer(handler);
    this.server.on("error", (error) => logger.error({ error }, "the server failed"));
    this.server.on("connection", (socket: Socket) => {
      this.#open.add(socket);
      socket.once("close", () => this.#open.delete(socket));
    });
  }

  /** Base URL; any address of this machine stands for all of them. */
  get url(): string {
    const { address, port, family } = this.server.address() as AddressInfo;
    const any = address === "::" || address === "0.0.0.0";
    return `http://${any ? "127.0.0.1" : family === "IPv6" ? `[${address}]` : address}:${port}`;
  }

  /** @throws KindredError `option-invalid` if the port is in use */
  listen(port: number, host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = (error: NodeJS.ErrnoException): void => {
        reject(
          error.code !== "EADDRINUSE"
            ? error
            : new KindredError({
                code: "option-invalid",
                field: "port",
                rule: `${port} is in use`,
                fix: "choose another port, or 0 for any",
              }),
        );
      };
      this.server.once("error", refuse);
      this.server.listen(port, host, () => {
        this.server.off("error", refuse);
        resolve();
      });
    });
  }

  /**
   * Ends every connection.
   * @param goodbye stops what runs on the server; resolves when the last connection is closed
   */
  async close(goodbye: () => Promise<void>): Promise<void> {
    const closed = goodbye();
    this.server.closeIdleConnections();
    // A peer that never answers would keep the server open.
    const cut = setTimeout(() => {
      for (const socket of this.#open) socket.destroy();
    }, CLOSE_GRACE_MS);
    try {
      await closed;
    } finally {
      clearTimeout(cut);
    }
  }
}
