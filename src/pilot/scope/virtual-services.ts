import type {
  DestinationJson,
  HTTPRouteJson,
  TCPRouteJson,
  TLSRouteJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { resolveHost } from "#model/hostname.ts";
import { decidedBy } from "../provenance.ts";
import { meshGateway, type VirtualService } from "../view.ts";

interface NameContext {
  /** Of the object that names the host, not of the service. */
  readonly namespace: string;
  /** `cluster.local` */
  readonly domain: string;
}

/**
 * Names of hosts and gateways written out, as the object's own namespace understands them. Every route remembers which object and
 * which place in it wrote it, because merging of delegates moves routes.
 */
export function withFullNames(object: VirtualService, domain: string): VirtualService {
  const context = { namespace: object.metadata.namespace, domain };
  const { hosts, gateways, http, tls, tcp } = object.spec;
  return {
    ...object,
    spec: {
      ...object.spec,
      ...(hosts && { hosts: hosts.map((host) => resolveHost(host.toLowerCase(), context)) }),
      gateways: resolveGateways(gateways, context) ?? [meshGateway],
      ...(http && { http: http.map((route) => httpRoute(route, context)) }),
      ...(tls && { tls: tls.map((route) => streamRoute(route, context)) }),
      ...(tcp && { tcp: tcp.map((route) => streamRoute(route, context)) }),
    },
  };
}

/** Lets every route of a VirtualService know where it was written. */
export function withProvenance(resolved: VirtualService, written: VirtualService): VirtualService {
  for (const list of ["http", "tls", "tcp"] as const) {
    for (const [index, route] of (resolved.spec[list] ?? []).entries()) {
      decidedBy(route, { object: written, keys: ["spec", list, index] });
    }
  }
  return resolved;
}

function httpRoute(route: HTTPRouteJson, context: NameContext): HTTPRouteJson {
  return {
    ...route,
    ...(route.match && { match: route.match.map((match) => withGateways(match, context)) }),
    ...(route.route && { route: route.route.map((to) => withDestination(to, context)) }),
    ...(route.mirror && { mirror: destination(route.mirror, context) }),
    ...(route.mirrors && { mirrors: route.mirrors.map((to) => withDestination(to, context)) }),
  };
}

function streamRoute<R extends TLSRouteJson | TCPRouteJson>(route: R, context: NameContext): R {
  return {
    ...route,
    ...(route.match && {
      match: route.match.map((match: { gateways?: string[] }) => withGateways(match, context)),
    }),
    ...(route.route && { route: route.route.map((to) => withDestination(to, context)) }),
  };
}

function withGateways<M extends { gateways?: string[] }>(match: M, context: NameContext): M {
  const gateways = resolveGateways(match.gateways, context);
  return gateways === undefined ? { ...match } : { ...match, gateways };
}

function withDestination<D extends { destination?: DestinationJson }>(
  to: D,
  context: NameContext,
): D {
  if (to.destination === undefined) return to;
  return { ...to, destination: destination(to.destination, context) };
}

const destination = (to: DestinationJson, context: NameContext): DestinationJson => ({
  ...to,
  host: resolveHost((to.host ?? "").toLowerCase(), context),
});

function resolveGateways(
  gateways: readonly string[] | undefined,
  context: NameContext,
): string[] | undefined {
  if (gateways === undefined || gateways.length === 0) return undefined;
  return gateways.map((name) => resolveGateway(name, context.namespace));
}

/** `namespace/name`. Istio's older forms too: `name`, `./name` and `name.namespace[.svc.cluster.local]`. */
export function resolveGateway(name: string, namespace: string): string {
  if (name === meshGateway) return name;
  if (name.startsWith("./")) return `${namespace}/${name.slice(2)}`;
  if (name.includes("/")) return name;
  const [short = "", of] = name.split(".", 2);
  return of === undefined ? `${namespace}/${name}` : `${of}/${short}`;
}
