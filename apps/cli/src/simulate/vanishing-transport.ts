/** A transport whose device sometimes vanishes in the middle of a round, like a phone that enters a tunnel. */
import { type Clock, type Connection, socketIoTransport, type TransportFactory } from "@kindred/client";
import { decodeServerFrame, type ServerMessage } from "@kindred/protocol";

/** The messages before which a device may vanish; one is drawn for each round in which it does. */
const MOMENTS = [
  "selected",
  "enrol",
  "roster",
  "inbox",
  "survivors",
  "unmask",
] as const satisfies ServerMessage["type"][];

interface VanishingOptions {
  /** Draws, in [0, 1). */
  readonly random: () => number;
  /** Probability per round in which the device is selected. */
  readonly dropout: number;
  /** Milliseconds it stays away. */
  readonly absence: number;
  readonly clock: Clock;
  readonly transport?: TransportFactory;
}

/** Wraps a transport (Socket.IO by default). */
export function vanishingTransport({
  random,
  dropout,
  absence,
  clock,
  transport = socketIoTransport,
}: VanishingOptions): TransportFactory {
  let moment: (typeof MOMENTS)[number] | undefined;
  let awayUntil = 0;
  return async (url, events) => {
    if (clock.now() < awayUntil) throw new Error("the device is away");
    let connection: Connection | undefined;
    let gone = false;
    connection = await transport(url, {
      closed: events.closed,
      frame: (frame) => {
        if (gone) return;
        const decoded = decodeServerFrame(frame);
        const type = decoded.ok ? decoded.value.type : undefined;
        if (type === "selected")
          moment = random() < dropout ? MOMENTS[Math.floor(random() * MOMENTS.length)] : undefined;
        if (type !== undefined && type === moment) {
          gone = true;
          moment = undefined;
          awayUntil = clock.now() + absence;
          connection?.close();
          return;
        }
        events.frame(frame);
      },
    });
    return connection;
  };
}
