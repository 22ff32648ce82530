import type {
  RouteActionJson,
  RouteJson,
  VirtualHostJson,
} from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { HTTPFaultJson } from "#gen/envoy/extensions/filters/http/fault/v3/fault_pb.js";
import { parseClusterName } from "../../cluster-names.ts";
import { decidedBy, rulesBehind } from "../../provenance.ts";
import type { OutboundScope, ProxyView } from "../../view.ts";
import { blackHoleCluster } from "../destination.ts";
import { hostPort } from "../routes/domains.ts";
import { SidecarRoutes } from "../routes/sidecar.ts";
import { faultFilter } from "./manager.ts";

interface Cache {
  readonly sidecar: SidecarRoutes;
  readonly routes: Map<string, RouteConfigurationJson>;
}

/** More names than these are made anew each time: a client may ask for any. */
const cachedMax = 16_384;

const ofScope = new WeakMap<OutboundScope["key"], Cache>();

/** Each names a service's port, `outbound|9080||reviews.default.svc.cluster.local`. */
export function generateGrpcRoutes(
  { scope }: ProxyView,
  names: ReadonlySet<string>,
): readonly RouteConfigurationJson[] {
  const { sidecar, routes } = ofScope.getOrInsertComputed(scope.key, () => ({
    sidecar: new SidecarRoutes({}),
    routes: new Map<string, RouteConfigurationJson>(),
  }));
  return [...names].map((name) => {
    const known = routes.get(name);
    if (known !== undefined) return known;
    const made = routeConfiguration(name, { scope, sidecar });
    if (routes.size < cachedMax) routes.set(name, made);
    return made;
  });
}

function routeConfiguration(
  name: string,
  { scope, sidecar }: { readonly scope: OutboundScope; readonly sidecar: SidecarRoutes },
): RouteConfigurationJson {
  const service = parseClusterName(name);
  const known =
    service && sidecar.routes(hostPort(service.hostname, service.port), scope)?.virtualHosts;
  return { name, virtualHosts: known?.map(reducedHost) ?? [nowhere] };
}

/** A service that the client may not call, or that is gone: clients of grpc-js stop at routes without a virtual host. */
const nowhere: VirtualHostJson = {
  name: "block_all",
  domains: ["*"],
  routes: [{ name: "block_all", match: { prefix: "" }, route: { cluster: blackHoleCluster } }],
};

function reducedHost(host: VirtualHostJson): VirtualHostJson {
  const { name = "", domains = [], routes = [] } = host;
  const reduced = { name, domains, routes: routes.flatMap(reducedRoute) };
  return decidedBy(reduced, ...rulesBehind(host));
}

/**
 * gRPC has neither a query nor JWTs to look at: such a route matches nothing. What it cannot do (redirects, fixed answers) is a route all
 * the same, whose calls fail, so that they do not fall through to the next one.
 */
function reducedRoute(route: RouteJson): RouteJson[] {
  const { name, match = {}, route: action } = route;
  if (match.queryParameters || match.dynamicMetadata) return [];
  const filters = faults(route);
  const reduced: RouteJson = {
    ...(name !== undefined && { name }),
    match,
    // Not `nonForwardingAction`, which gRPC has for servers: clients of grpc-js stop at it.
    route: action === undefined ? { cluster: blackHoleCluster } : reducedAction(action),
    ...(filters && { typedPerFilterConfig: filters }),
  };
  return [decidedBy(reduced, ...rulesBehind(route))];
}

function reducedAction(action: RouteActionJson): RouteActionJson {
  const { cluster, weightedClusters, retryPolicy, timeout } = action;
  const { retryOn, numRetries, retryBackOff } = retryPolicy ?? {};
  const hashPolicy = (action.hashPolicy ?? []).filter(({ header }) => header !== undefined);
  return {
    ...(cluster !== undefined && { cluster }),
    ...(weightedClusters && {
      weightedClusters: {
        clusters: (weightedClusters.clusters ?? []).map(({ name = "", weight = 0 }) => ({
          name,
          weight,
        })),
      },
    }),
    ...(retryPolicy && {
      retryPolicy: {
        ...(retryOn !== undefined && { retryOn }),
        ...(numRetries !== undefined && { numRetries }),
        ...(retryBackOff && { retryBackOff }),
      },
    }),
    ...(hashPolicy.length > 0 && { hashPolicy }),
    // gRPC does not read `timeout`; none is no limit.
    ...(timeout !== undefined && { maxStreamDuration: { maxStreamDuration: timeout } }),
  };
}

/** The only filter that gRPC has of those with a route's configuration; it refuses faults without a percentage. */
function faults({ typedPerFilterConfig = {} }: RouteJson): RouteJson["typedPerFilterConfig"] {
  const any = typedPerFilterConfig[faultFilter];
  if (any === undefined) return undefined;
  // Proof: Pilot's own, of the fault filter's type.
  const { delay, abort } = any as HTTPFaultJson;
  const complete: HTTPFaultJson = {
    ...(delay?.percentage && { delay }),
    ...(abort?.percentage && { abort }),
  };
  return { [faultFilter]: { "@type": any["@type"] ?? "", ...complete } };
}
