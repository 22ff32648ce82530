/** The routes of a gateway: what each host means that is called at one of its servers. */
import type { RouteJson, VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import { bySpecificity } from "#model/hostname.ts";
import { decidedBy, type Rule } from "../../provenance.ts";
import type { MergedServer, OutboundScope, ProxyView, VirtualService } from "../../view.ts";
import { commonHosts } from "../hosts.ts";
import { hostPort } from "./domains.ts";
import { routeLimits } from "./limits.ts";
import { isCatchAll } from "./match.ts";
import { virtualServiceRoutes } from "./route.ts";

type Flags = Pick<VirtualHostJson, "includeRequestAttemptCount">;

/** Undefined: no server has routes of this name. */
export function gatewayRoutes(
  name: string,
  { servers: ports, scope }: Pick<ProxyView, "servers" | "scope">,
  flags: Flags,
): RouteConfigurationJson | undefined {
  const servers = ports.flatMap((port) =>
    port.servers.filter(({ routeName }) => routeName === name),
  );
  const [first] = servers;
  if (first === undefined) return undefined;
  const hosts = new GatewayHosts(scope);
  for (const server of servers) hosts.addServer(server);
  const built = hosts.virtualHosts(flags);
  const virtualHosts = built.length > 0 ? built : [blackhole(first)];
  return { name, virtualHosts, ...routeLimits, ignorePortInHostMatching: true };
}

/** Nothing is bound to the servers: all requests get 404. */
function blackhole({ server, object, index }: MergedServer): VirtualHostJson {
  return decidedBy(
    { name: hostPort("blackhole", server.port?.number ?? 0), domains: ["*"] },
    { object, keys: ["spec", "servers", index] },
  );
}

interface GatewayHost {
  readonly port: number;
  readonly routes: RouteJson[];
  readonly rules: Rule[];
  requireTls: boolean;
}

class GatewayHosts {
  readonly #scope: OutboundScope;
  readonly #hosts = new Map<string, GatewayHost>();
  /** Routes by gateway and rule: the same objects for all hosts, so that equal virtual hosts are found. */
  readonly #routes = new Map<string, Map<VirtualService, RouteJson[]>>();

  constructor(scope: OutboundScope) {
    this.#scope = scope;
  }

  addServer(merged: MergedServer): void {
    const { server, gateway, object, index } = merged;
    const port = server.port?.number ?? 0;
    const redirects = server.tls?.httpsRedirect === true;
    for (const rule of this.#scope.virtualServices(gateway)) {
      const hosts = commonHosts(
        serverHosts(merged, rule.metadata.namespace),
        (rule.spec.hosts ?? []).map((host) => host.toLowerCase()),
      );
      const routes = hosts.length > 0 ? this.#routesOf(rule, merged) : [];
      if (routes.length === 0) continue;
      for (const host of hosts) {
        const found = this.#host(host, port);
        found.routes.push(...routes.filter((route) => !found.routes.includes(route)));
        found.rules.push({ object: rule, keys: ["spec", "hosts"] });
        found.requireTls ||= redirects;
      }
    }
    if (!redirects) return;
    for (const [place, name] of (server.hosts ?? []).entries()) {
      const host = this.#host(withoutNamespace(name), port);
      host.requireTls = true;
      host.rules.push({ object, keys: ["spec", "servers", index, "hosts", place] });
    }
  }

  #host(name: string, port: number): GatewayHost {
    const known = this.#hosts.get(name);
    if (known !== undefined) return known;
    const host: GatewayHost = { port, routes: [], rules: [], requireTls: false };
    this.#hosts.set(name, host);
    return host;
  }

  #routesOf(rule: VirtualService, { gateway, server }: MergedServer): RouteJson[] {
    const byRule = this.#routes.get(gateway) ?? new Map<VirtualService, RouteJson[]>();
    this.#routes.set(gateway, byRule);
    const routes =
      byRule.get(rule) ??
      virtualServiceRoutes(rule, {
        scope: this.#scope,
        listenerPort: server.port?.number ?? 0,
        gateway,
        tls: server.tls !== undefined,
      });
    byRule.set(rule, routes);
    return routes;
  }

  /** Hosts with the same routes share a virtual host, which the most specific of them names. */
  virtualHosts(flags: Flags): VirtualHostJson[] {
    const shared: { readonly host: GatewayHost; readonly virtualHost: VirtualHostJson }[] = [];
    for (const name of [...this.#hosts.keys()].sort(bySpecificity)) {
      const host = this.#host(name, 0);
      const same = shared.find((other) => isSame(other.host, host));
      if (same !== undefined) {
        same.virtualHost.domains?.push(name);
        decidedBy(same.virtualHost, ...host.rules);
        continue;
      }
      const virtualHost: VirtualHostJson = {
        name: hostPort(name, host.port),
        domains: [name],
        ...(host.routes.length > 0 && { routes: catchAllLast(host.routes) }),
        ...(host.requireTls && { requireTls: "ALL" }),
        ...flags,
      };
      shared.push({ host, virtualHost: decidedBy(virtualHost, ...host.rules) });
    }
    return shared
      .map(({ virtualHost }) => virtualHost)
      .sort((a, b) => ((a.name ?? "") < (b.name ?? "") ? -1 : 1));
  }
}

function isSame(a: GatewayHost, b: GatewayHost): boolean {
  return (
    a.requireTls === b.requireTls &&
    a.routes.length === b.routes.length &&
    a.routes.every((route, index) => route === b.routes[index])
  );
}

/** Routes of several rules stand one after the other: none may hide the next one's. */
function catchAllLast(routes: readonly RouteJson[]): RouteJson[] {
  const isLast = ({ match = {} }: RouteJson): boolean => isCatchAll(match);
  return [...routes.filter((route) => !isLast(route)), ...routes.filter(isLast)];
}

/** `ns/host`: for rules of that namespace only; `./host`: of the Gateway's. */
function serverHosts({ server, gateway }: MergedServer, namespace: string): string[] {
  const own = gateway.slice(0, gateway.indexOf("/"));
  return (server.hosts ?? []).flatMap((entry) => {
    const slash = entry.indexOf("/");
    const scope = slash < 0 ? "*" : entry.slice(0, slash);
    const visible = scope === "*" || scope === namespace || (scope === "." && own === namespace);
    return visible ? withoutNamespace(entry) : [];
  });
}

function withoutNamespace(host: string): string {
  return host.slice(host.indexOf("/") + 1).toLowerCase();
}
