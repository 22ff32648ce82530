import type {
  RouteActionJson,
  RouteJson,
  RouteMatchJson,
} from "#gen/envoy/config/route/v3/route_components_pb.js";
import type {
  HTTPMatchRequestJson,
  HTTPRouteJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { decidedBy, type Rule, rulesBehind } from "../../provenance.ts";
import type { VirtualService } from "../../view.ts";
import { configMetadata } from "../metadata.ts";
import { directResponse, forwarding, redirection, timeouts } from "./action.ts";
import type { RouteContext } from "./context.ts";
import { filterConfigs } from "./filters.ts";
import { headerOperations } from "./headers.ts";
import { isCatchAll, routeMatch } from "./match.ts";
import { retryPolicy } from "./retry.ts";

/** The name of routes that no rule made. */
export const defaultRouteName = "default";

/** A VirtualService's HTTP rules where the context applies to them, up to the first that takes everything. */
export function virtualServiceRoutes(rule: VirtualService, context: RouteContext): RouteJson[] {
  const routes: RouteJson[] = [];
  for (const [index, http] of (rule.spec.http ?? []).entries()) {
    for (const matchIndex of http.match?.length ? http.match.keys() : [undefined]) {
      const route = httpRoute({ rule, http, index, matchIndex }, context);
      if (route === undefined) continue;
      routes.push(route);
      if (isCatchAll(route.match ?? {})) return routes;
    }
    if (!http.match?.length) return routes;
  }
  return routes;
}

interface HttpRule {
  readonly rule: VirtualService;
  readonly http: HTTPRouteJson;
  /** Place among the rules. */
  readonly index: number;
  /** Undefined: it matches everything. */
  readonly matchIndex: number | undefined;
}

function httpRoute(source: HttpRule, context: RouteContext): RouteJson | undefined {
  const { rule, http, matchIndex } = source;
  const match = matchIndex === undefined ? undefined : http.match?.[matchIndex];
  if (match !== undefined && !applies(match, context)) return undefined;
  const matching = routeMatch(match);
  const action = routeAction(http, context);
  if (action === undefined) return undefined;
  const name = [http.name ?? "", ...(match?.name ? [match.name] : [])].join(".");
  const route: RouteJson = {
    ...(name !== "" && { name }),
    match: matching,
    ...action,
    metadata: configMetadata(rule),
    decorator: {
      operation: operation({
        match: matching,
        cluster: action.route?.cluster,
        fallback: `${rule.metadata.name}:${context.listenerPort}`,
      }),
    },
    ...filterConfigs(http),
    ...(match?.statPrefix && { statPrefix: match.statPrefix }),
  };
  return decidedBy(route, ...origins(source));
}

/** What is known before any request comes: the port, the gateway, who calls. */
function applies(
  match: HTTPMatchRequestJson,
  { scope, listenerPort, gateway }: RouteContext,
): boolean {
  if (match.port && match.port !== listenerPort) return false;
  if (match.gateways?.length) return match.gateways.includes(gateway);
  const { sourceLabels = {}, sourceNamespace = "" } = match;
  return (
    Object.entries(sourceLabels).every(([label, value]) => scope.labels[label] === value) &&
    (sourceNamespace === "" || sourceNamespace === scope.namespace)
  );
}

type Action = Pick<
  RouteJson,
  | "route"
  | "redirect"
  | "directResponse"
  | "requestHeadersToAdd"
  | "requestHeadersToRemove"
  | "responseHeadersToAdd"
  | "responseHeadersToRemove"
>;

/** Undefined: it has none that Envoy could do. */
function routeAction(http: HTTPRouteJson, context: RouteContext): Action | undefined {
  const { mutations } = headerOperations(http.headers);
  if (http.redirect) {
    const redirect = redirection(http.redirect, context);
    return redirect && { redirect, ...mutations };
  }
  if (http.directResponse) {
    return { directResponse: directResponse(http.directResponse), ...mutations };
  }
  const forward = forwarding(http, context);
  return forward && { route: forward.action, ...forward.mutations };
}

/** The rule as it was written: of a delegate, if the rule came from one. */
function origins({ rule, http, index, matchIndex }: HttpRule): readonly Rule[] {
  const written = rulesBehind(http);
  const [only = { object: rule, keys: ["spec", "http", index] }] = written;
  // The matches of a delegate's rule are no longer those of either rule.
  if (written.length > 1 || matchIndex === undefined) return written.length > 0 ? written : [only];
  return [{ ...only, keys: [...only.keys, "match", matchIndex] }];
}

/** What traces call it: the destination, if there is one, and the path. */
function operation({
  match,
  cluster = "",
  fallback,
}: {
  readonly match: RouteMatchJson;
  readonly cluster: string | undefined;
  readonly fallback: string;
}): string {
  const [, port, , hostname] = cluster.split("|");
  const destination = hostname ? `${hostname}:${port}` : fallback;
  const prefix = match.prefix === undefined ? undefined : `${match.prefix}*`;
  return `${destination}${prefix ?? match.path ?? match.safeRegex?.regex ?? "/*"}`;
}

/** What a service's port gets when no VirtualService has it. */
export function defaultRoute(
  {
    cluster,
    hostname,
    port,
  }: { readonly cluster: string; readonly hostname: string; readonly port: number },
  { scope }: Pick<RouteContext, "scope">,
  more: RouteActionJson = {},
): RouteJson {
  const retry = retryPolicy(scope.mesh.defaultHttpRetryPolicy, { consistentHash: false });
  return {
    name: defaultRouteName,
    match: { prefix: "/" },
    route: { cluster, ...timeouts(), ...(retry && { retryPolicy: retry }), ...more },
    decorator: { operation: `${hostname}:${port}/*` },
  };
}
