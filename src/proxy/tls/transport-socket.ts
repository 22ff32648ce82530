import type {
  ClusterJson,
  Cluster_TransportSocketMatchJson as TransportSocketMatchJson,
} from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { TransportSocketJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { ProxyProtocolUpstreamTransportJson } from "#gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.js";
import type {
  DownstreamTlsContextJson,
  UpstreamTlsContextJson,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type { TlsSettings } from "#net/tls-connection.ts";
import type { Host } from "../cluster/host.ts";
import { compilePreamble, type Preamble, type PreambleFor } from "../proxy-protocol/upstream.ts";
import type { Json, StreamInfo } from "../stream-info.ts";
import type { RequestedName } from "./auto-sni.ts";
import type { TlsFactoryContext } from "./common.ts";
import { DownstreamTls } from "./downstream.ts";
import { type HttpOffer, UpstreamTls } from "./upstream.ts";

const rawBuffer = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
const downstreamTls = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const upstreamTls = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const upstreamProxy =
  "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport";
const downstreamStartTls = "envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig";
const upstreamStartTls = "envoy.extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig";
const matchNamespace = "envoy.transport_socket_match";

function typeOf(config: TransportSocketJson): string {
  const typed = config.typedConfig as { readonly "@type"?: string } | undefined;
  return typed?.["@type"]?.split("/").pop() ?? "";
}

/** A filter chain's; undefined: bytes as they are. Throws ConfigError. */
export function compileDownstreamTransport(
  config: TransportSocketJson | undefined,
  context: TlsFactoryContext,
): DownstreamTls | undefined {
  if (config === undefined) return undefined;
  const type = typeOf(config);
  if (type === rawBuffer) return undefined;
  if (type === downstreamStartTls) {
    const inner = startTlsOf<DownstreamTlsContextJson>(config);
    within(
      "transport_socket.typed_config.tls_socket_config",
      () => new DownstreamTls(inner, context),
    );
    return undefined;
  }
  if (type !== downstreamTls)
    throw refuse("transport_socket", `${type} is not supported in a listener`);
  return within(
    "transport_socket.typed_config",
    // Proof: its @type, which the reader checked.
    () => new DownstreamTls(config.typedConfig as unknown as DownstreamTlsContextJson, context),
  );
}

/**
 * Clear text until a filter asks for TLS. Envoy's own filters never do (its contrib filters for PostgreSQL and SMTP are not here), so all
 * that is left of TLS is that its context must be good, and that /certs shows it.
 */
function startTlsOf<TlsContextJson>(config: TransportSocketJson): TlsContextJson {
  // Proof: its @type, which the reader checked.
  const { tlsSocketConfig } = config.typedConfig as unknown as { tlsSocketConfig?: TlsContextJson };
  if (tlsSocketConfig === undefined)
    throw refuse("transport_socket.typed_config.tls_socket_config", "value is required");
  return tlsSocketConfig;
}

/** How connections to a cluster's hosts are secured. */
export interface UpstreamTransport {
  /** Undefined: not at all. "not-ready": a secret has not come yet. */
  settingsFor(
    host: Host,
    offer?: HttpOffer,
    requested?: RequestedName,
  ): TlsSettings | "not-ready" | undefined;
  /** Connections to it are TLS. */
  secures(host: Host): boolean;
  /** Absent: no host wants a PROXY header. */
  preambleFor?: ((host: Host, info: StreamInfo) => Preamble | undefined) | undefined;
}

/** One transport socket; TLS may be inside a PROXY header's. */
interface UpstreamSocket {
  readonly tls: UpstreamTls | undefined;
  readonly preambleFor: PreambleFor | undefined;
}

/** Undefined: every host is reached as it is. Throws ConfigError. */
export function compileUpstreamTransport(
  config: ClusterJson,
  context: TlsFactoryContext,
): UpstreamTransport | undefined {
  const usual = within("transport_socket", () => compileUpstream(config.transportSocket, context));
  const matches = compileEach("transport_socket_matches", config.transportSocketMatches, (item) =>
    compileMatch(item, context),
  );
  const counter = context.scope.counter("default.total_match_count");
  if (matches.length === 0) {
    if (usual === undefined) return undefined;
    const { tls, preambleFor } = usual;
    return {
      settingsFor: (host, offer, requested) => {
        counter.inc();
        return settingsOf(tls, host, { offer, requested });
      },
      secures: () => tls !== undefined,
      preambleFor: preambleFor === undefined ? undefined : (_host, info) => preambleFor(info),
    };
  }
  const matchFor = (host: Host) =>
    matches.find(({ wanted }) => fits(wanted, host.metadata?.[matchNamespace]));
  const socketFor = (host: Host) => {
    const match = matchFor(host);
    return match === undefined ? usual : match.socket;
  };
  const sockets = [usual, ...matches.map(({ socket }) => socket)];
  return {
    settingsFor: (host, offer, requested) => {
      const match = matchFor(host);
      (match?.counter ?? counter).inc();
      return settingsOf((match === undefined ? usual : match.socket)?.tls, host, {
        offer,
        requested,
      });
    },
    secures: (host) => socketFor(host)?.tls !== undefined,
    preambleFor: sockets.every((socket) => socket?.preambleFor === undefined)
      ? undefined
      : (host, info) => socketFor(host)?.preambleFor?.(info),
  };
}

function settingsOf(
  tls: UpstreamTls | undefined,
  host: Host,
  {
    offer,
    requested,
  }: { readonly offer: HttpOffer | undefined; readonly requested: RequestedName | undefined },
): TlsSettings | "not-ready" | undefined {
  if (tls === undefined) return undefined;
  return tls.settingsFor(host.hostname, offer, requested) ?? "not-ready";
}

function compileUpstream(
  config: TransportSocketJson | undefined,
  context: TlsFactoryContext,
): UpstreamSocket | undefined {
  if (config === undefined) return undefined;
  const type = typeOf(config);
  if (type === rawBuffer) return undefined;
  if (type === upstreamProxy)
    return within("typed_config", () =>
      // Proof: its @type, which the reader checked.
      compileProxy(config.typedConfig as unknown as ProxyProtocolUpstreamTransportJson, context),
    );
  if (type === upstreamStartTls) {
    const inner = startTlsOf<UpstreamTlsContextJson>(config);
    within("typed_config.tls_socket_config", () => new UpstreamTls(inner, context));
    return undefined;
  }
  if (type !== upstreamTls) throw refuse("", `${type} is not supported in a cluster`);
  const tls = within(
    "typed_config",
    // Proof: its @type, which the reader checked.
    () => new UpstreamTls(config.typedConfig as unknown as UpstreamTlsContextJson, context),
  );
  return { tls, preambleFor: undefined };
}

function compileProxy(
  config: ProxyProtocolUpstreamTransportJson,
  context: TlsFactoryContext,
): UpstreamSocket {
  const inner = within("transport_socket", () => compileUpstream(config.transportSocket, context));
  if (inner?.preambleFor !== undefined)
    throw refuse("transport_socket", "a PROXY header inside a PROXY header is not supported");
  return { tls: inner?.tls, preambleFor: compilePreamble(config) };
}

function compileMatch(config: TransportSocketMatchJson, context: TlsFactoryContext) {
  const name = config.name ?? "";
  if (name === "") throw refuse("name", "is required");
  return {
    // Proof: a Struct is an object of JSON values.
    wanted: Object.entries((config.match ?? {}) as Readonly<Record<string, Json>>),
    socket: within("transport_socket", () => compileUpstream(config.transportSocket, context)),
    counter: context.scope.counter(`${name}.total_match_count`),
  };
}

/** Every key of the match has the same value in the endpoint's metadata; an empty match fits all. */
function fits(
  wanted: readonly (readonly [string, Json])[],
  metadata: { readonly [key: string]: Json } | undefined,
): boolean {
  return wanted.every(
    ([key, value]) =>
      metadata?.[key] !== undefined && JSON.stringify(metadata[key]) === JSON.stringify(value),
  );
}
