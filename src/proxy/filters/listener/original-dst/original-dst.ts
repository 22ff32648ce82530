import { originalDestination } from "#net/original-destination.ts";
import type { RawConnection } from "#net/raw-connection.ts";
import type { AcceptedSocket, ListenerFilter, ListenerVerdict } from "../filter.ts";

const done: ListenerVerdict = { verdict: "done", consumed: 0 };

/** Restores the destination that iptables REDIRECT replaced. Without state: one object serves all connections. */
export const originalDst: ListenerFilter = {
  bytesMax: 0,
  onAccept(socket: AcceptedSocket): ListenerVerdict {
    // Accepted sockets are raw: TLS begins after the listener filters.
    const { fileDescriptor } = socket.connection as RawConnection;
    const destination = originalDestination(fileDescriptor, socket.connection.local.family);
    if (destination === undefined) return done;
    const { local } = socket.connection;
    if (destination.ip === local.ip && destination.port === local.port) return done;
    socket.local = destination;
    socket.localRestored = true;
    return done;
  },
  onData: () => done,
};
