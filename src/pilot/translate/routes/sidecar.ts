/** The outbound routes of a sidecar: what each host means that is called through one listener. */
import type { VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { Service } from "#model/service.ts";
import { decidedBy, rulesBehind } from "../../provenance.ts";
import type { EgressView, OutboundScope } from "../../view.ts";
import { catchAllVirtualHost } from "./catch-all.ts";
import { type Domains, hostDomains, hostPort, serviceDomains } from "./domains.ts";
import { rememberDropped } from "./dropped-domains.ts";
import { type GroupHost, hostGroups } from "./host-groups.ts";
import { routeLimits } from "./limits.ts";
import { VirtualHosts } from "./virtual-hosts.ts";

/** The routes of the listener that takes an HTTP proxy's requests. */
export const httpProxyRoute = "http_proxy";

type Flags = Pick<VirtualHostJson, "includeRequestAttemptCount">;

/** The routes of all sidecars that see the same: those of a sniffed port are one service's share of the port's. */
export class SidecarRoutes {
  readonly #flags: Flags;
  readonly #ports = new WeakMap<EgressView, Map<number | undefined, VirtualHosts>>();

  constructor(flags: Flags) {
    this.#flags = flags;
  }

  /** Undefined: no egress listener asks for routes of this name. */
  routes(name: string, scope: OutboundScope): RouteConfigurationJson | undefined {
    const listener = listenerOf(name, scope);
    if (listener === undefined) return undefined;
    const { host, port } = listener;
    const built = this.#virtualHosts(listener, scope);
    const virtualHosts =
      host === undefined ? withCatchAll(built.list, scope, this.#flags) : hostsNamed(host, built);
    const configuration: RouteConfigurationJson = {
      name,
      ...(virtualHosts.length > 0 && { virtualHosts }),
      ...routeLimits,
      // An HTTP proxy's listener stands for all ports: there the port in the Host header decides.
      ...(port !== undefined && { ignorePortInHostMatching: true }),
    };
    return host === undefined ? rememberDropped(configuration, built.dropped) : configuration;
  }

  #virtualHosts(listener: Listener, scope: OutboundScope): VirtualHosts {
    const { egress, port } = listener;
    const byPort = this.#ports.get(egress) ?? new Map<number | undefined, VirtualHosts>();
    const known = byPort.get(port);
    if (known !== undefined) return known;
    const built = listenerVirtualHosts(listener, scope, this.#flags);
    built.list.sort((a, b) => ((a.name ?? "") < (b.name ?? "") ? -1 : 1));
    // A proxy may ask for any number; only those of services are worth keeping.
    if (built.list.length > 0) this.#ports.set(egress, byPort.set(port, built));
    return built;
  }
}

function withCatchAll(
  list: readonly VirtualHostJson[],
  scope: OutboundScope,
  flags: Flags,
): VirtualHostJson[] {
  const everything = list.some(({ domains }) => domains?.includes("*"));
  return everything ? [...list] : [...list, catchAllVirtualHost(scope, flags)];
}

interface Listener {
  readonly egress: EgressView;
  /** Undefined: all ports (an HTTP proxy, a Unix socket). */
  readonly port: number | undefined;
  /** Of a sniffed port: its listener is one service's. */
  readonly host: string | undefined;
}

const unixPrefix = "unix://";

/** Of `80`, `host:80`, `http_proxy` or a Unix socket. */
function listenerOf(name: string, { egress }: OutboundScope): Listener | undefined {
  const unix = name.startsWith(unixPrefix);
  const [, host, digits] = /^(?:(?<host>.+):)?(?<port>\d+)$/.exec(name) ?? [];
  const port = unix || digits === undefined ? undefined : Number(digits);
  if (port === undefined && !unix && name !== httpProxyRoute) return undefined;
  const found = egress.find(({ listener }) => {
    if (listener?.port === undefined) return !unix;
    const own = listener.port.number ?? 0;
    return own === (port ?? 0) && (own !== 0 || listener.bind === name);
  });
  if (found === undefined) return undefined;
  const proxies = found.listener?.port?.protocol?.toUpperCase() === "HTTP_PROXY";
  return { egress: found, port: proxies ? undefined : port, host: unix ? undefined : host };
}

/** A sniffed port's listener serves one service, by whatever name a request calls it. */
function hostsNamed(host: string, built: VirtualHosts): VirtualHostJson[] {
  const found = built.ofDomain(host);
  if (found === undefined) return [];
  return [decidedBy({ ...found, domains: ["*"] }, ...rulesBehind(found))];
}

function listenerVirtualHosts(
  listener: Listener,
  scope: OutboundScope,
  flags: Flags,
): VirtualHosts {
  const groups = hostGroups(listener, scope);
  const aliases = aliasesOf(listener.egress.services);
  const built = new VirtualHosts(
    new Set(groups.flatMap(({ hosts }) => hosts.map(({ hostname }) => hostname))),
  );
  for (const { port, hosts, routes } of groups) {
    const suffix = listener.port === undefined ? port : undefined;
    for (const host of hosts) {
      const { domains, short } = domainsOf(host, { port: suffix, scope, aliases });
      const name = hostPort(host.hostname, port);
      const { rules } = host;
      built.add({ name, domains, short, virtualHost: { routes, ...flags }, rules });
    }
  }
  return built;
}

const nothing: ReadonlySet<string> = new Set();

function domainsOf(
  { hostname, service }: GroupHost,
  {
    port,
    scope,
    aliases,
  }: {
    readonly port: number | undefined;
    readonly scope: OutboundScope;
    readonly aliases: ReadonlyMap<string, readonly string[]>;
  },
): Domains {
  const { domains, short } =
    service === undefined
      ? { domains: hostDomains(hostname, port), short: nothing }
      : serviceDomains(service, { aliases: aliases.get(hostname) ?? [], port, caller: scope });
  if (port === undefined || port === 80) return { domains, short };
  // Without a port, a request through an HTTP proxy is for port 80.
  return { domains: domains.filter((domain) => domain.endsWith(`:${port}`)), short };
}

/** The names of ExternalName services, by the service that they stand for. */
function aliasesOf(services: readonly Service[]): ReadonlyMap<string, readonly string[]> {
  const aliases = new Map<string, string[]>();
  for (const { resolution, externalName, hostname } of services) {
    if (resolution !== "alias" || externalName === undefined) continue;
    aliases.set(externalName, [...(aliases.get(externalName) ?? []), hostname]);
  }
  return aliases;
}
