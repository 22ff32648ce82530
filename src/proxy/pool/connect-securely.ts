import { type ConnectCallbacks, connect, type PendingConnect } from "#net/connect.ts";
import { dispatch } from "#net/raw-connection.ts";
import type { Host } from "../cluster/host.ts";
import type { PoolSettings } from "./http-pool.ts";

/** Connect to a host as the cluster's transport sockets say. */
export function connectSecurely(
  host: Host,
  settings: PoolSettings,
  callbacks: ConnectCallbacks,
  preamble?: Uint8Array,
): PendingConnect {
  const tls = settings.transport?.settingsFor(host);
  if (tls === "not-ready") return notReady(callbacks);
  return connect(host.address, settings.connect, callbacks, { tls, preamble });
}

function notReady(callbacks: ConnectCallbacks): PendingConnect {
  const timer = setImmediate(() =>
    dispatch(() => callbacks.onError("TLS_error:Secret_is_not_supplied_by_SDS")),
  );
  return { cancel: () => clearImmediate(timer) };
}
