/** Which hosts of a listener's port get which routes. */
import type { RouteJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { HostTable, isWildcard, overlap } from "#model/hostname.ts";
import type { Service, ServicePort } from "#model/service.ts";
import { decidedBy, type Rule } from "../../provenance.ts";
import {
  type EgressView,
  meshGateway,
  type OutboundScope,
  type VirtualService,
} from "../../view.ts";
import { outboundCluster } from "../destination.ts";
import { isHttpOrSniffed } from "../protocols.ts";
import { destinationHash, hashPolicies } from "./hash-policy.ts";
import { defaultRoute, virtualServiceRoutes } from "./route.ts";

export interface HostGroup {
  readonly port: number;
  readonly hosts: readonly GroupHost[];
  readonly routes: RouteJson[];
}

export interface GroupHost {
  readonly hostname: string;
  /** Undefined: a VirtualService's host that no service has. */
  readonly service: Service | undefined;
  readonly rules: readonly Rule[];
}

interface Listener {
  readonly egress: EgressView;
  /** Undefined: all ports. */
  readonly port: number | undefined;
}

/** First the hosts of VirtualServices, the oldest first; then the services that have none. */
export function hostGroups({ egress, port }: Listener, scope: OutboundScope): HostGroup[] {
  const services = egress.services.filter((service) => httpPorts(service, port).length > 0);
  const rules = new RuleHosts(egress.virtualServices, services);
  const groups: HostGroup[] = [];
  const ruled = new Set<Service>();
  for (const rule of egress.virtualServices) {
    for (const group of ruleGroups({ hosts: rules.hostsOf(rule), rule, port }, scope)) {
      groups.push(group);
      for (const { service } of group.hosts) if (service) ruled.add(service);
    }
  }
  for (const service of services) {
    // An alias is one more name of another service's virtual host.
    if (ruled.has(service) || service.resolution === "alias") continue;
    groups.push(...httpPorts(service, port).map((each) => serviceGroup(service, each, scope)));
  }
  return groups;
}

function httpPorts(service: Service, port: number | undefined): readonly ServicePort[] {
  return service.ports.filter(
    ({ number, protocol }) => isHttpOrSniffed(protocol) && (port === undefined || number === port),
  );
}

interface RuleOnPort {
  readonly rule: VirtualService;
  readonly hosts: readonly GroupHost[];
  readonly port: number | undefined;
}

function ruleGroups({ rule, hosts, port }: RuleOnPort, scope: OutboundScope): HostGroup[] {
  const unknown = hosts.filter(({ service }) => service === undefined);
  const byPort = new Map<number, GroupHost[]>();
  for (const host of hosts) {
    for (const { number } of host.service ? httpPorts(host.service, port) : []) {
      byPort.set(number, [...(byPort.get(number) ?? unknown), host]);
    }
  }
  // Hosts outside the registry have no ports of their own; Istio takes them for port 80's.
  if (byPort.size === 0 && unknown.length > 0 && (port ?? 80) === 80) byPort.set(80, unknown);
  return [...byPort].flatMap(([number, members]) => {
    const context = { scope, listenerPort: number, gateway: meshGateway, tls: false };
    const routes = virtualServiceRoutes(rule, context);
    return routes.length > 0 ? [{ port: number, hosts: members, routes }] : [];
  });
}

function serviceGroup(
  service: Service,
  { number: port }: ServicePort,
  scope: OutboundScope,
): HostGroup {
  const { hostname, object } = service;
  const hash = destinationHash({ host: hostname, port: { number: port } }, scope);
  const hashPolicy = hashPolicies(hash);
  const rules: Rule[] = object ? [{ object, keys: ["spec"] }] : [];
  const policy = scope.destinationRule(hostname);
  const route = decidedBy(
    defaultRoute(
      { cluster: outboundCluster({ hostname, port }), hostname, port },
      { scope },
      hashPolicy.length > 0 ? { hashPolicy } : {},
    ),
    ...rules,
    ...(policy && hashPolicy.length > 0
      ? [{ object: policy, keys: ["spec", "trafficPolicy"] }]
      : []),
  );
  return { port, hosts: [{ hostname, service, rules }], routes: [route] };
}

/** Hosts of VirtualServices among the services: an exact host is its service, a wildcard those that nothing narrower covers. */
class RuleHosts {
  readonly #services: ReadonlyMap<string, Service>;
  /** For each host the oldest rule that has it. */
  readonly #owners = new HostTable<{ readonly host: string; readonly rule: VirtualService }>();

  constructor(rules: readonly VirtualService[], services: readonly Service[]) {
    this.#services = new Map(services.map((service) => [service.hostname.toLowerCase(), service]));
    for (const rule of rules) {
      for (const host of hostsOf(rule)) {
        if (this.#owners.get(host) === undefined) this.#owners.set(host, { host, rule });
      }
    }
  }

  hostsOf(rule: VirtualService): readonly GroupHost[] {
    const hosts = new Map<string, GroupHost>();
    for (const [index, host] of hostsOf(rule).entries()) {
      const rules = [{ object: rule, keys: ["spec", "hosts", index] }];
      for (const found of this.#find(host, rule)) {
        if (!hosts.has(found.hostname)) hosts.set(found.hostname, { ...found, rules });
      }
    }
    return [...hosts.values()];
  }

  #find(host: string, rule: VirtualService): readonly Omit<GroupHost, "rules">[] {
    if (!isWildcard(host)) return [{ hostname: host, service: this.#services.get(host) }];
    const overlapping = [...this.#services].filter(([hostname]) => overlap(host, hostname));
    if (overlapping.length === 0) return [{ hostname: host, service: undefined }];
    return overlapping.flatMap(([hostname, service]) => {
      const owner = this.#owners.match(hostname);
      return owner?.host === host && owner.rule === rule ? { hostname, service } : [];
    });
  }
}

function hostsOf(rule: VirtualService): readonly string[] {
  return (rule.spec.hosts ?? []).map((host) => host.toLowerCase());
}
