import type { RouteJson, VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import { compileEach, within } from "#lib/config-error.ts";
import type { HttpFilterFactory } from "../filters/http/filter.ts";
import { compileRateLimits, type RateLimit } from "../rate-limit/rate-limits.ts";
import type { Services } from "../services.ts";
import { compileAction, type RouteMaker } from "./action.ts";
import { compileFilterConfigs, type FilterConfigs } from "./filter-configs.ts";
import { compileLevel, type LevelChanges } from "./header-changes.ts";
import {
  type Condition,
  compileCondition,
  compilePathSpecifier,
  type PathSpecifier,
  splitQuery,
} from "./match.ts";
import { compileMirrors, type MirrorPolicy } from "./mirror-policy.ts";
import { type Indexed, PathIndex } from "./path-index.ts";
import { compileVirtualClusters, type VirtualClusters } from "./request-stats.ts";
import { compileRetryPolicy, type RetryPolicy } from "./retry-policy.ts";
import type { RedirectAction, Route, RouteInput, RouteTable } from "./route.ts";
import { DomainIndex } from "./virtual-hosts.ts";

export interface RouteContext {
  readonly services: Services;
  readonly filters: readonly HttpFilterFactory[];
}

/** What every route of a configuration shares with the routes around it. */
export interface Surroundings {
  readonly context: RouteContext;
  readonly configuration: RouteConfigurationJson;
  readonly virtualHost: VirtualHostJson;
  /** Header changes and filter configuration of the configuration and the virtual host. */
  readonly configurationChanges: LevelChanges;
  readonly virtualHostChanges: LevelChanges;
  readonly outerFilterConfigs: readonly FilterConfigs[];
  readonly virtualClusters: VirtualClusters;
  readonly virtualHostRetryPolicy: RetryPolicy | undefined;
  /** The virtual host's, else the configuration's. */
  readonly virtualHostMirrors: readonly MirrorPolicy[];
  readonly virtualHostRateLimits: readonly RateLimit[];
}

interface CompiledRoute extends Indexed {
  readonly condition: Condition | undefined;
  readonly make: RouteMaker;
}

interface CompiledVirtualHost {
  readonly name: string;
  readonly index: PathIndex<CompiledRoute>;
  readonly requireTls: boolean;
  readonly redirectToTls: RedirectAction;
}

/** Pure and without sockets: also run by `explain` and route tests. Throws ConfigError with every problem. */
export function compileRouteTable(
  config: RouteConfigurationJson,
  context: RouteContext,
): RouteTable {
  const configurationChanges = compileLevel(config);
  const configurationFilters = compileFilterConfigs(config.typedPerFilterConfig, context);
  const mirrorContext = {
    services: context.services,
    validateClusters: config.validateClusters !== false,
  };
  const mirrors = compileMirrors(config.requestMirrorPolicies, mirrorContext);
  const domains = new DomainIndex<CompiledVirtualHost>();
  compileEach("virtual_hosts", config.virtualHosts, (virtualHost) => {
    const compiled = compileVirtualHost(virtualHost, {
      context,
      configuration: config,
      virtualHost,
      configurationChanges,
      virtualHostChanges: compileLevel(virtualHost),
      outerFilterConfigs: [configurationFilters],
      virtualClusters: compileVirtualClusters(
        virtualHost.name ?? "",
        virtualHost.virtualClusters,
        context.services.stats,
      ),
      virtualHostRetryPolicy: within("retry_policy", () =>
        compileRetryPolicy(virtualHost.retryPolicy),
      ),
      virtualHostMirrors:
        virtualHost.requestMirrorPolicies === undefined
          ? mirrors
          : compileMirrors(virtualHost.requestMirrorPolicies, mirrorContext),
      virtualHostRateLimits: compileRateLimits(
        "rate_limits",
        virtualHost.rateLimits,
        context.services.node.cluster,
      ),
    });
    for (const domain of virtualHost.domains ?? []) domains.add(domain, compiled);
  });
  const hostOf = hostReader(config);
  return {
    name: config.name ?? "",
    internalOnlyHeaders: (config.internalOnlyHeaders ?? []).map((name) => name.toLowerCase()),
    match: (input) => {
      const virtualHost = domains.find(hostOf(input));
      if (virtualHost === undefined) return undefined;
      // What the proxy before this one says of the client's connection counts, not the own one.
      if (virtualHost.requireTls && input.head.headers.get("x-forwarded-proto") !== "https")
        return virtualHost.redirectToTls;
      return matchRoute(virtualHost, input, config.ignorePathParametersInPathMatching === true);
    },
  };
}

function hostReader(config: RouteConfigurationJson): (input: RouteInput) => string {
  const { vhostHeader } = config;
  const name =
    vhostHeader === undefined || vhostHeader === "" ? undefined : vhostHeader.toLowerCase();
  const ignorePort = config.ignorePortInHostMatching === true;
  return ({ head }) => {
    const host = name === undefined ? head.authority : (head.get(name) ?? "");
    return ignorePort ? host.replace(/:\d+$/, "") : host;
  };
}

function compileVirtualHost(config: VirtualHostJson, around: Surroundings): CompiledVirtualHost {
  const { context } = around;
  const filterConfigs = compileFilterConfigs(config.typedPerFilterConfig, context, config.cors);
  const inside: Surroundings = {
    ...around,
    outerFilterConfigs: [...around.outerFilterConfigs, filterConfigs],
  };
  const routes = compileEach("routes", config.routes, (route, order) =>
    compileRoute(route, order, inside),
  );
  return {
    name: config.name ?? "",
    index: new PathIndex(routes),
    requireTls: config.requireTls === "ALL" || config.requireTls === "EXTERNAL_ONLY",
    redirectToTls: tlsRedirect(config.name ?? ""),
  };
}

function compileRoute(config: RouteJson, order: number, around: Surroundings): CompiledRoute {
  const { match } = config;
  const specifier: PathSpecifier = within("match", () => compilePathSpecifier(match ?? {}));
  const condition = within("match", () => compileCondition(match ?? {}, around.context.services));
  return { order, specifier, condition, make: compileAction(config, specifier, around) };
}

/** The first route in configuration order whose path and conditions match. */
function matchRoute(
  virtualHost: CompiledVirtualHost,
  input: RouteInput,
  ignoreParameters: boolean,
): Route | undefined {
  let [path] = splitQuery(input.head.path);
  if (ignoreParameters) path = path.replace(/;[^/]*/g, "");
  const found = virtualHost.index.find(
    path,
    (route) =>
      (route.condition === undefined || route.condition(input)) && connectFits(route, input),
  );
  return found?.make(input);
}

/** A CONNECT request has no path: only routes made for it match. */
function connectFits(route: CompiledRoute, { head }: RouteInput): boolean {
  return head.method !== "CONNECT" || route.specifier.kind === "connect" || head.path !== "";
}

function tlsRedirect(virtualHostName: string): RedirectAction {
  return {
    kind: "redirect",
    status: 301,
    location: (head) => `https://${head.authority.replace(/:80$/, "")}${head.path}`,
    name: "",
    virtualHostName,
    metadata: undefined,
    virtualHostMetadata: undefined,
    headers: undefined,
    filterConfigs: () => [],
    filterDisabled: () => undefined,
    hasFilterConfigs: false,
  };
}
