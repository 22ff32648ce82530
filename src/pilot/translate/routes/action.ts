/** What a route does with a request: forward it, redirect it or answer it. */
import type {
  DirectResponseActionJson,
  RedirectAction_RedirectResponseCodeJson,
  RedirectActionJson,
  RouteAction_RequestMirrorPolicyJson,
  RouteActionJson,
  WeightedCluster_ClusterWeightJson,
} from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { FractionalPercentJson } from "#gen/envoy/type/v3/percent_pb.js";
import type {
  HTTPDirectResponseJson,
  HTTPRedirectJson,
  HTTPRewriteJson,
  HTTPRouteDestinationJson,
  HTTPRouteJson,
  PercentJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { type DestinationContext, destinationCluster } from "../destination.ts";
import type { RouteContext } from "./context.ts";
import { destinationHash, hashPolicies } from "./hash-policy.ts";
import { type HeaderMutations, headerOperations, joinMutations } from "./headers.ts";
import { fractionalPercent, wholePercent } from "./percent.ts";
import { retryPolicy } from "./retry.ts";

const redirectCodes: Readonly<Record<number, RedirectAction_RedirectResponseCodeJson>> = {
  0: "MOVED_PERMANENTLY",
  301: "MOVED_PERMANENTLY",
  302: "FOUND",
  303: "SEE_OTHER",
  307: "TEMPORARY_REDIRECT",
  308: "PERMANENT_REDIRECT",
};

export interface Forwarding {
  readonly action: RouteActionJson;
  readonly mutations: HeaderMutations;
}

/** Undefined: all its destinations have the weight 0. */
export function forwarding(http: HTTPRouteJson, context: RouteContext): Forwarding | undefined {
  const destinations = http.route ?? [];
  const { mutations, authority } = headerOperations(http.headers);
  const only = destinations.length === 1 ? destinations[0] : undefined;
  const own = headerOperations(only?.headers);
  const clusters = only
    ? { cluster: destinationCluster(only.destination ?? {}, destinationContext(context)) }
    : weighted(destinations, context);
  if (clusters === undefined) return undefined;
  const host = http.rewrite?.authority || authority || own.authority;
  const hashes = destinations
    .filter(({ weight = 0 }) => only !== undefined || weight > 0)
    .map(({ destination = {} }) => destinationHash(destination, context.scope));
  const hashPolicy = hashes.flatMap(hashPolicies);
  const retry = retryPolicy(http.retries ?? context.scope.mesh.defaultHttpRetryPolicy, {
    consistentHash: only !== undefined && hashes[0] !== undefined,
  });
  const requestMirrorPolicies = mirrors(http, context);
  return {
    mutations: joinMutations(mutations, own.mutations),
    action: {
      ...clusters,
      ...rewriting(http.rewrite),
      ...(host !== undefined && { hostRewriteLiteral: host }),
      ...timeouts(http.timeout),
      ...(retry && { retryPolicy: retry }),
      ...(requestMirrorPolicies.length > 0 && { requestMirrorPolicies }),
      ...(hashPolicy.length > 0 && { hashPolicy }),
    },
  };
}

/** None unless a rule asks for it: "0s". A gRPC call's own limit is kept below it. */
export function timeouts(timeout = "0s"): Pick<RouteActionJson, "timeout" | "maxGrpcTimeout"> {
  return { timeout, maxGrpcTimeout: timeout };
}

function destinationContext({ scope, listenerPort }: RouteContext): DestinationContext {
  return { service: (hostname) => scope.service(hostname), listenerPort };
}

function weighted(
  destinations: readonly HTTPRouteDestinationJson[],
  context: RouteContext,
): Pick<RouteActionJson, "weightedClusters"> | undefined {
  const clusters: WeightedCluster_ClusterWeightJson[] = destinations
    .filter(({ weight = 0 }) => weight > 0)
    .map(({ destination = {}, weight = 0, headers }) => {
      const { mutations, authority } = headerOperations(headers);
      return {
        name: destinationCluster(destination, destinationContext(context)),
        weight,
        ...mutations,
        ...(authority !== undefined && { hostRewriteLiteral: authority }),
      };
    });
  return clusters.length > 0 ? { weightedClusters: { clusters } } : undefined;
}

function rewriting(rewrite: HTTPRewriteJson | undefined): RouteActionJson {
  const { match = "", rewrite: substitution = "" } = rewrite?.uriRegexRewrite ?? {};
  if (rewrite?.uriRegexRewrite)
    return { regexRewrite: { pattern: { regex: match }, substitution } };
  return rewrite?.uri ? { prefixRewrite: rewrite.uri } : {};
}

function mirrors(
  http: HTTPRouteJson,
  context: RouteContext,
): RouteAction_RequestMirrorPolicyJson[] {
  const policies = [
    { destination: http.mirror, fraction: firstMirrorFraction(http) },
    ...(http.mirrors ?? []).map(({ destination, percentage }) => ({
      destination,
      fraction: mirrorFraction(percentage),
    })),
  ];
  return policies.flatMap(({ destination, fraction }) =>
    destination === undefined || fraction === undefined
      ? []
      : {
          cluster: destinationCluster(destination, destinationContext(context)),
          runtimeFraction: { defaultValue: fraction },
          traceSampled: false,
        },
  );
}

function firstMirrorFraction({
  mirrorPercentage,
  mirrorPercent,
}: HTTPRouteJson): FractionalPercentJson | undefined {
  if (mirrorPercentage || mirrorPercent === undefined) return mirrorFraction(mirrorPercentage);
  return mirrorPercent > 0 ? wholePercent(mirrorPercent) : undefined;
}

/** All of it unless a rule says how much; undefined: nothing. */
function mirrorFraction(percentage: PercentJson | undefined): FractionalPercentJson | undefined {
  if (percentage === undefined) return wholePercent(100);
  return typeof percentage.value === "number" && percentage.value > 0
    ? fractionalPercent(percentage)
    : undefined;
}

/** Undefined: a code that no redirect has. */
export function redirection(
  redirect: HTTPRedirectJson,
  { listenerPort, tls }: Pick<RouteContext, "listenerPort" | "tls">,
): RedirectActionJson | undefined {
  const responseCode = redirectCodes[redirect.redirectCode ?? 0];
  if (responseCode === undefined) return undefined;
  const { uri, prefixRewrite, authority, scheme } = redirect;
  const portRedirect = redirectPort(redirect, listenerPort);
  const usual = portRedirect === ((scheme || (tls ? "https" : "http")) === "https" ? 443 : 80);
  return {
    ...(authority && { hostRedirect: authority }),
    ...(prefixRewrite ? { prefixRewrite } : uri && { pathRedirect: uri }),
    ...(scheme && { schemeRedirect: scheme }),
    ...(portRedirect !== 0 && !usual && { portRedirect }),
    ...(responseCode !== "MOVED_PERMANENTLY" && { responseCode }),
  };
}

/** 0: the scheme's own, which is what Envoy does by itself. */
function redirectPort({ port, derivePort }: HTTPRedirectJson, listenerPort: number): number {
  if (port !== undefined) return port;
  return derivePort === "FROM_REQUEST_PORT" ? listenerPort : 0;
}

export function directResponse({
  status = 0,
  body,
}: HTTPDirectResponseJson): DirectResponseActionJson {
  if (body?.string !== undefined) return { status, body: { inlineString: body.string } };
  if (body?.bytes !== undefined) return { status, body: { inlineBytes: body.bytes } };
  return { status };
}
