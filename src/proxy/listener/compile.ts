import { isIP } from "node:net";
import type { AddressJson, PipeJson } from "#gen/envoy/config/core/v3/address_pb.js";
import type { MetadataJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { FilterChainJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { ConfigError, compileEach, refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import type { TimerList } from "#lib/timers.ts";
import { type Address, addressText, ipAddress, pipeAddress } from "#net/address.ts";
import type { SocketOption } from "#net/socket-options.ts";
import type { AccessLog } from "../access-log/access-log.ts";
import { compileAccessLogs } from "../access-log/compile.ts";
import type { ListenerFilter } from "../filters/listener/filter.ts";
import { listenerFilters } from "../filters/listener/list.ts";
import type {
  NetworkFilter,
  NetworkFilterContext,
  NetworkStream,
} from "../filters/network/filter.ts";
import { factoryFor } from "../filters/network/http-connection-manager/make-filter.ts";
import { networkFilters } from "../filters/network/list.ts";
import { type HeldContexts, Lease } from "../lease.ts";
import type { WorkerOverload } from "../overload/worker-overload.ts";
import type { Services } from "../services.ts";
import { compileSocketOptions } from "../socket-options.ts";
import type { StatsScope } from "../stats/stats.ts";
import type { Metadata } from "../stream-info.ts";
import type { DownstreamTls } from "../tls/downstream.ts";
import { compileDownstreamTransport } from "../tls/transport-socket.ts";
import { compileFilterChainMatch, type MatchInput } from "./filter-chain-match.ts";
import { compileFilterChainMatcher } from "./filter-chain-matcher.ts";
import { compilePredicate, unlessDisabled } from "./filter-disabled.ts";

export interface CompiledFilterChain {
  readonly name: string;
  readonly metadata: Metadata | undefined;
  readonly config: FilterChainJson;
  /** What it holds; ended when no listener has it any more. */
  readonly lease: Lease;
  readonly filters: readonly ((stream: NetworkStream) => NetworkFilter)[];
  readonly tls: DownstreamTls | undefined;
  /** For the handshake. */
  readonly secureTimeout: TimerList | undefined;
}

export interface CompiledSocket {
  readonly address: Address;
  readonly options: readonly SocketOption[];
  readonly ipv6Only: boolean;
  readonly mode: number | undefined;
}

/** A listener's configuration, compiled: no socket yet. */
export interface CompiledListener {
  readonly name: string;
  readonly config: ListenerJson;
  /** `addresses` again, with how each is opened. */
  readonly sockets: readonly CompiledSocket[];
  readonly addresses: readonly Address[];
  /** Undefined: when there are several workers. */
  readonly reusePort: boolean | undefined;
  readonly bindToPort: boolean;
  readonly useOriginalDst: boolean;
  readonly direction: "INBOUND" | "OUTBOUND" | undefined;
  readonly scope: StatsScope;
  readonly metadata: Metadata | undefined;
  readonly bufferLimit: number;
  readonly overload: WorkerOverload;
  readonly ignoresGlobalLimit: boolean;
  readonly filters: readonly (() => ListenerFilter)[];
  readonly filterTimeout: TimerList | undefined;
  readonly continueOnTimeout: boolean;
  readonly accessLogs: readonly AccessLog[];
  /** With the default one. */
  readonly chains: readonly CompiledFilterChain[];
  match(input: MatchInput): CompiledFilterChain | undefined;
}

const mebibyte = 1024 * 1024;
const filterTimeoutMs = 15_000;

export interface ListenerContext {
  readonly services: Services;
  readonly contexts: HeldContexts;
  /** The listener that this one takes the place of: what is the same in both is taken over, with its connections. */
  readonly before?: CompiledListener | undefined;
}

/** Throws ConfigError with every problem. */
export function compileListener(
  config: ListenerJson,
  { services: all, contexts, before }: ListenerContext,
): CompiledListener {
  const services: Services =
    config.bypassOverloadManager === true ? { ...all, overload: all.overload.bypassed() } : all;
  const address = within("address", () => compileAddress(config.address));
  const sockets = [
    compileSocket({ address, config, options: config.socketOptions }, config.address),
    ...compileEach("additional_addresses", config.additionalAddresses, (item) =>
      compileSocket(
        {
          address: compileAddress(item.address),
          config,
          options: item.socketOptions?.socketOptions ?? config.socketOptions,
        },
        item.address,
      ),
    ),
  ];
  const name = config.name === undefined || config.name === "" ? addressText(address) : config.name;
  const prefix =
    config.statPrefix === undefined || config.statPrefix === ""
      ? addressText(address)
      : config.statPrefix;
  const scope = services.stats.scope(`listener.${prefix.replaceAll(":", "_")}.`);
  const bufferLimit = config.perConnectionBufferLimitBytes ?? mebibyte;
  const direction = directionOf(config);
  const context: NetworkFilterContext = {
    services,
    stats: services.stats,
    listenerName: name,
    listenerScope: scope,
    bufferLimit,
    direction,
  };
  const opened = {
    sockets,
    reusePort: config.enableReusePort,
    bindToPort: config.bindToPort ?? true,
    config,
  };
  const compile = chainCompiler(context, contexts, reusable(before, opened));
  const chains = compileEach("filter_chains", config.filterChains, (chain) => ({
    chain: compile(chain),
    match: chain.filterChainMatch,
    name: chain.name ?? "",
  }));
  const { defaultFilterChain } = config;
  const fallback =
    defaultFilterChain === undefined
      ? undefined
      : within("default_filter_chain", () => compile(defaultFilterChain));
  if (chains.length === 0 && fallback === undefined)
    throw refuse("", `error adding listener '${addressText(address)}': no filter chains specified`);
  return {
    name,
    ...opened,
    addresses: sockets.map((socket) => socket.address),
    useOriginalDst: config.useOriginalDst ?? false,
    direction,
    scope,
    metadata: metadataOf(config.metadata),
    bufferLimit,
    overload: services.overload,
    ignoresGlobalLimit: config.ignoreGlobalConnLimit ?? false,
    filters: compileListenerFilters(config, { services, scope }),
    filterTimeout: services.timers.of(
      within("listener_filters_timeout", () =>
        durationMs(config.listenerFiltersTimeout, filterTimeoutMs),
      ),
    ),
    continueOnTimeout: config.continueOnListenerFiltersTimeout ?? false,
    accessLogs: within("access_log", () => compileAccessLogs(config.accessLog, services)),
    chains: [...chains.map(({ chain }) => chain), ...(fallback === undefined ? [] : [fallback])],
    match:
      config.filterChainMatcher === undefined
        ? compileFilterChainMatch(chains, fallback)
        : compileFilterChainMatcher(config.filterChainMatcher, chains, fallback),
  };
}

function compileListenerFilters(
  config: ListenerJson,
  context: { readonly services: Services; readonly scope: StatsScope },
): readonly (() => ListenerFilter)[] {
  return compileEach("listener_filters", config.listenerFilters, (filter) => {
    const factory = factoryFor(listenerFilters, filter.typedConfig);
    const make = within("typed_config", () =>
      factory.compile(filter.typedConfig, {
        services: context.services,
        stats: context.services.stats,
        listenerScope: context.scope,
      }),
    );
    const { filterDisabled } = filter;
    if (filterDisabled === undefined) return make;
    const isDisabled = within("filter_disabled", () => compilePredicate(filterDisabled));
    return () => unlessDisabled(make(), isDisabled);
  });
}

function directionOf({ trafficDirection }: ListenerJson): CompiledListener["direction"] {
  const known = trafficDirection === "INBOUND" || trafficDirection === "OUTBOUND";
  return known ? trafficDirection : undefined;
}

type OpenedSockets = Pick<CompiledListener, "sockets" | "bindToPort" | "reusePort" | "config">;

/** The sockets of the one serve the other. */
export function sameSockets(a: OpenedSockets, b: OpenedSockets): boolean {
  return socketText(a) === socketText(b);
}

function socketText({ sockets, bindToPort, reusePort, config }: OpenedSockets): string {
  return JSON.stringify({ sockets, bindToPort, reusePort, backlog: config.tcpBacklogSize });
}

/**
 * Chains of the listener before, by what they say: a match may change without the chain. None when there will be other sockets: the listener
 * before is drained with all its chains then.
 */
function reusable(
  before: CompiledListener | undefined,
  next: OpenedSockets,
): Map<string, CompiledFilterChain> {
  if (before === undefined || !sameSockets(before, next)) return new Map();
  if (listenerFacts(before.config) !== listenerFacts(next.config)) return new Map();
  return new Map(before.chains.map((chain) => [chainText(chain.config), chain]));
}

/** Proof: of a google.protobuf.Struct each, which has nothing but JSON. */
function metadataOf(metadata: MetadataJson | undefined): Metadata | undefined {
  return metadata?.filterMetadata as Metadata | undefined;
}

/** What a listener's chains are compiled with. */
function listenerFacts(config: ListenerJson): string {
  const { name, statPrefix, address, perConnectionBufferLimitBytes } = config;
  const { trafficDirection, bypassOverloadManager } = config;
  const facts = { name, statPrefix, address, perConnectionBufferLimitBytes };
  return JSON.stringify({ ...facts, trafficDirection, bypassOverloadManager });
}

function chainText({ filterChainMatch: _match, ...chain }: FilterChainJson): string {
  return JSON.stringify(chain);
}

function chainCompiler(
  context: NetworkFilterContext,
  contexts: HeldContexts,
  known: Map<string, CompiledFilterChain>,
): (chain: FilterChainJson) => CompiledFilterChain {
  return (chain) => {
    const text = known.size === 0 ? "" : chainText(chain);
    const same = known.get(text);
    if (same !== undefined) {
      known.delete(text);
      return same;
    }
    const lease = new Lease(context.services, contexts);
    try {
      return compileChain(chain, { ...context, services: lease.services }, lease);
    } catch (error) {
      lease.end();
      throw error;
    }
  };
}

function compileChain(
  chain: FilterChainJson,
  context: NetworkFilterContext,
  lease: Lease,
): CompiledFilterChain {
  const { services, listenerScope: scope } = context;
  const tls = compileDownstreamTransport(chain.transportSocket, { services, scope });
  const items = chain.filters ?? [];
  const filters = compileEach("filters", items, (item, index) => {
    const factory = factoryFor(networkFilters, item.typedConfig);
    const last = index === items.length - 1;
    if (factory.terminal === true && !last)
      throw refuse(
        "",
        `terminal filter named ${item.name ?? ""} of type ${factory.name} must be the last filter in a network filter chain.`,
      );
    if (factory.terminal !== true && last)
      throw refuse(
        "",
        `non-terminal filter named ${item.name ?? ""} of type ${factory.name} is the last filter in a network filter chain.`,
      );
    return within("typed_config", () => factory.compile(item.typedConfig, context));
  });
  const secureTimeout = services.overload
    .timers("TRANSPORT_SOCKET_CONNECT")
    .of(
      within("transport_socket_connect_timeout", () =>
        durationMs(chain.transportSocketConnectTimeout, 0),
      ),
    );
  return {
    name: chain.name ?? "",
    metadata: metadataOf(chain.metadata),
    config: chain,
    lease,
    filters,
    tls,
    secureTimeout,
  };
}

interface SocketParts {
  readonly address: Address;
  readonly config: ListenerJson;
  readonly options: ListenerJson["socketOptions"];
}

function compileSocket(
  { address, config, options }: SocketParts,
  from: AddressJson | undefined,
): CompiledSocket {
  return {
    address,
    options: compileSocketOptions({
      family: address.family,
      options,
      transparent: config.transparent,
      freebind: config.freebind,
      fastOpenQueue: config.tcpFastOpenQueueLength,
    }),
    ipv6Only: from?.socketAddress?.ipv4Compat !== true,
    mode: from?.pipe?.mode,
  };
}

/** sockaddr_un's room, with the NUL at its end. */
const pipePathMax = 108;

function compilePipe({ path = "", mode = 0 }: PipeJson): Address {
  if (Buffer.byteLength(path) >= pipePathMax)
    throw refuse(
      "path",
      `"${path}" exceeds maximum UNIX domain socket path size of ${pipePathMax}.`,
    );
  if (path.startsWith("@") && mode !== 0)
    throw refuse("mode", "Cannot set mode for Abstract AF_UNIX sockets");
  return pipeAddress(path);
}

function compileAddress(config: AddressJson | undefined): Address {
  const pipe = config?.pipe;
  if (pipe !== undefined) return within("pipe", () => compilePipe(pipe));
  const socket = config?.socketAddress;
  if (socket === undefined) throw refuse("", "address is necessary");
  if (socket.protocol === "UDP") throw refuse("socket_address.protocol", "UDP is not supported");
  const ip = socket.address ?? "";
  if (isIP(ip) === 0) throw refuse("socket_address.address", `malformed IP address: ${ip}`);
  return ipAddress(ip, socket.portValue ?? 0);
}

/** Its addresses that no other listener can have, as far as they are good: port 0 is another one each time. */
export function fixedAddresses(config: ListenerJson): readonly string[] {
  const all = [config.address, ...(config.additionalAddresses ?? []).map((item) => item.address)];
  return all.flatMap((one) => {
    try {
      const address = compileAddress(one);
      return address.family !== "pipe" && address.port === 0 ? [] : [addressText(address)];
    } catch (error) {
      if (error instanceof ConfigError) return [];
      throw error;
    }
  });
}
