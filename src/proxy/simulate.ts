/** What would happen to a call, said by the proxy's own matchers: no socket is opened. */
import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { FilterChainJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { RouteJson, VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { TcpProxyJson } from "#gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import type { DownstreamTlsContextJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import type { RouteContext } from "./route/compile.ts";
import type { Answer, Call, CallError, SentRequest } from "./simulated-call.ts";
import { chainOf, listenerOf } from "./simulation/listeners.ts";
import { answerOf, requestOf, sentRequest } from "./simulation/request.ts";
import { RouteSimulation } from "./simulation/routes.ts";
import { idleServices } from "./simulation/services.ts";

/** A proxy's whole configuration, as it came over xDS: canonical ProtoJSON. */
export interface SimulatedConfiguration {
  readonly listeners: readonly ListenerJson[];
  readonly routes: readonly RouteConfigurationJson[];
  readonly clusters: readonly ClusterJson[];
}

export interface WeightedDestination {
  readonly cluster: string;
  readonly weight: number;
}

/** What matched, in its order; what comes after an error is undefined. The objects are those of the configuration. */
export interface CallOutcome {
  readonly listener?: ListenerJson;
  readonly filterChain?: FilterChainJson;
  /** Asked for by name (RDS); undefined: it is part of the listener. */
  readonly routeConfigName?: string;
  readonly routeConfig?: RouteConfigurationJson;
  readonly virtualHost?: VirtualHostJson;
  readonly route?: RouteJson;
  /** Where the call goes to; undefined when several share the calls, or none gets them. */
  readonly clusterName?: string;
  /** Undefined: there is none of the name, and the call is answered 503. */
  readonly cluster?: ClusterJson;
  /** All that share the calls, and those that get none of them. */
  readonly destinations?: readonly WeightedDestination[];
  /** The proxy answers by itself: a redirect, a fixed response. */
  readonly answer?: Answer;
  /** The request as it goes on, rewritten. */
  readonly sent?: SentRequest;
  readonly error?: CallError;
}

export class Simulation {
  readonly #listeners: readonly ListenerJson[];
  readonly #routes: ReadonlyMap<string, RouteConfigurationJson>;
  readonly #clusters: ReadonlyMap<string, ClusterJson>;
  readonly #context: RouteContext = { services: idleServices(), filters: [] };
  readonly #tables: Map<RouteConfigurationJson, RouteSimulation> = new Map();

  constructor({ listeners, routes, clusters }: SimulatedConfiguration) {
    this.#listeners = listeners;
    this.#routes = new Map(routes.map((config) => [config.name ?? "", config]));
    this.#clusters = new Map(clusters.map((cluster) => [cluster.name ?? "", cluster]));
  }

  /** Throws ConfigError for configuration that the proxy would refuse. */
  run(call: Call): CallOutcome {
    const listener = listenerOf(this.#listeners, call);
    if (listener === undefined) return { error: "NoListener" };
    const choice = chainOf(listener, call);
    if ("error" in choice) return { listener, error: choice.error };
    const { chain } = choice;
    const before = { listener, filterChain: chain };
    const refusal = tlsRefusal(chain, call);
    if (refusal !== undefined) return { ...before, error: refusal };
    const manager = configOf<HttpConnectionManagerJson>(chain, managerType);
    if (manager !== undefined) return { ...before, ...this.#http(manager, chain, call) };
    const tcp = configOf<TcpProxyJson>(chain, tcpProxyType);
    return { ...before, ...this.#destination(tcp?.cluster, tcp?.weightedClusters?.clusters) };
  }

  #http(manager: HttpConnectionManagerJson, chain: FilterChainJson, call: Call): CallOutcome {
    if (call.tls !== "plaintext" && chain.transportSocket === undefined) {
      return { error: "ProtocolError" };
    }
    if (call.protocol === "tcp") return { error: "ProtocolError" };
    const named = manager.rds?.routeConfigName;
    const routeConfig = manager.routeConfig ?? this.#routes.get(named ?? "");
    const config = {
      ...(named === undefined ? {} : { routeConfigName: named }),
      ...(routeConfig === undefined ? {} : { routeConfig }),
    };
    if (routeConfig === undefined) return { ...config, error: "NoVirtualHost" };
    const table = this.#tableOf(routeConfig);
    const input = requestOf(call);
    const virtualHost = table.virtualHost(input);
    if (virtualHost === undefined) return { ...config, error: "NoVirtualHost" };
    const host = { ...config, virtualHost };
    const { requireTls = "NONE" } = virtualHost;
    if (requireTls !== "NONE" && call.tls === "plaintext") return { ...host, error: "TLSRedirect" };
    const matched = table.route(virtualHost, input);
    if (matched === undefined) return { ...host, error: "NoRoute" };
    const { route } = matched.config;
    return {
      ...host,
      route: matched.config,
      ...this.#destination(route?.cluster, route?.weightedClusters?.clusters),
      ...answerOf(matched.route, input),
      ...sentRequest(matched.route, input),
    };
  }

  #tableOf(config: RouteConfigurationJson): RouteSimulation {
    let table = this.#tables.get(config);
    if (table === undefined) {
      table = new RouteSimulation(config, this.#context);
      this.#tables.set(config, table);
    }
    return table;
  }

  #destination(
    only: string | undefined,
    weighted: readonly { readonly name?: string; readonly weight?: number }[] = [],
  ): Pick<CallOutcome, "clusterName" | "cluster" | "destinations"> {
    const destinations =
      only === undefined || only === ""
        ? weighted.map(({ name = "", weight = 0 }) => ({ cluster: name, weight }))
        : [{ cluster: only, weight: 1 }];
    const taking = destinations.filter(({ weight }) => weight > 0);
    const [first, ...others] = taking;
    if (first === undefined || others.length > 0) return { destinations };
    const cluster = this.#clusters.get(first.cluster);
    return {
      destinations,
      clusterName: first.cluster,
      ...(cluster === undefined ? {} : { cluster }),
    };
  }
}

const managerType =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const tcpProxyType = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const downstreamTlsType =
  "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";

function configOf<T extends object>(
  { filters = [] }: FilterChainJson,
  type: string,
): T | undefined {
  const found = filters.find(({ typedConfig }) => typedConfig?.["@type"] === type);
  return found && messageOf<T>(found.typedConfig, type);
}

/** An Any's message, if it is of this type. */
function messageOf<T extends object>(any: AnyJson | undefined, type: string): T | undefined {
  // Proof: the configuration is canonical ProtoJSON, so that an Any of this type is the type's message.
  return any?.["@type"] === type ? (any as T) : undefined;
}

/** What the handshake of the chain makes of the call. */
function tlsRefusal({ transportSocket }: FilterChainJson, call: Call): CallError | undefined {
  const tls = messageOf<DownstreamTlsContextJson>(transportSocket?.typedConfig, downstreamTlsType);
  if (tls === undefined) return undefined;
  if (call.tls === "plaintext") return "TLSError";
  const presents = call.tls === "mtls";
  if (tls.requireClientCertificate === true) return presents ? undefined : "MTLSError";
  // A chain that asks for a certificate without insisting takes both.
  return presents && !asksForCertificate(tls) ? "MTLSError" : undefined;
}

function asksForCertificate({ commonTlsContext = {} }: DownstreamTlsContextJson): boolean {
  const { validationContext, validationContextSdsSecretConfig, combinedValidationContext } =
    commonTlsContext;
  return (
    (validationContext ?? validationContextSdsSecretConfig ?? combinedValidationContext) !==
    undefined
  );
}
