import { type ConnectCallbacks, connect, type PendingConnect } from "#net/connect.ts";
import { dispatch } from "#net/raw-connection.ts";
import type { Host } from "../cluster/host.ts";
import type { HttpOffer } from "../tls/upstream.ts";
import type { PoolSettings } from "./http-pool.ts";

export interface ConnectionKind {
  /** Offered by ALPN unless the cluster's TLS context says what is; undefined: it is not HTTP. */
  readonly offer?: HttpOffer | undefined;
  readonly preamble?: Uint8Array | undefined;
}

/** Connect to a host as the cluster's transport sockets say. */
export function connectSecurely(
  host: Host,
  settings: PoolSettings,
  callbacks: ConnectCallbacks,
  { offer, preamble }: ConnectionKind,
): PendingConnect {
  const tls = settings.transport?.settingsFor(host, offer, settings.requested);
  if (tls === "not-ready") return notReady(callbacks);
  return connect(host.address, settings.connect, callbacks, { tls, preamble });
}

function notReady(callbacks: ConnectCallbacks): PendingConnect {
  const timer = setImmediate(() =>
    dispatch(() => callbacks.onError("TLS_error: Secret is not supplied by SDS")),
  );
  return { cancel: () => clearImmediate(timer) };
}
