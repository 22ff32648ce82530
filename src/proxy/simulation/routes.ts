import type { RouteJson, VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import { compileRouteTable, type RouteContext } from "../route/compile.ts";
import type { Route, RouteInput, RouteTable } from "../route/route.ts";

export interface MatchedRoute {
  readonly config: RouteJson;
  readonly route: Route;
}

/**
 * The proxy's own route table, asked step by step: first for the virtual host, then for the route in it. A route's name is no key (many
 * have the same or none), so the tables are made of copies that are named by their places.
 */
export class RouteSimulation {
  readonly #config: RouteConfigurationJson;
  readonly #context: RouteContext;
  readonly #hosts: RouteTable;
  readonly #tables: Map<VirtualHostJson, RouteTable> = new Map();

  constructor(config: RouteConfigurationJson, context: RouteContext) {
    this.#config = withoutFilters(config);
    this.#context = context;
    const virtualHosts = (config.virtualHosts ?? []).map(({ domains = [] }, index) => ({
      name: String(index),
      domains,
      routes: [
        { match: { connectMatcher: {} }, directResponse: { status: 200 } },
        { match: { prefix: "" }, directResponse: { status: 200 } },
      ],
    }));
    this.#hosts = compileRouteTable({ ...this.#config, virtualHosts }, context);
  }

  virtualHost(input: RouteInput): VirtualHostJson | undefined {
    const found = this.#hosts.match(input);
    return found && this.#config.virtualHosts?.[Number(found.virtualHostName)];
  }

  route(virtualHost: VirtualHostJson, input: RouteInput): MatchedRoute | undefined {
    const route = this.#tableOf(virtualHost).match(input);
    const config = route && virtualHost.routes?.[Number(route.name)];
    return config && { config, route };
  }

  #tableOf(virtualHost: VirtualHostJson): RouteTable {
    let table = this.#tables.get(virtualHost);
    if (table === undefined) {
      const { requireTls: _asked, ...host } = withoutFilters(virtualHost);
      const routes = (virtualHost.routes ?? []).map((route, index) => ({
        ...unfiltered(route),
        name: String(index),
      }));
      const { vhostHeader: _found, ...config } = this.#config;
      const virtualHosts = [{ ...host, domains: ["*"], routes }];
      table = compileRouteTable({ ...config, virtualHosts }, this.#context);
      this.#tables.set(virtualHost, table);
    }
    return table;
  }
}

/** What only filters read, and what is done beside the request (copies of it, statistics, quotas), decides nothing here. */
function withoutFilters<T extends RouteConfigurationJson | VirtualHostJson>(config: T): T {
  const copy = { ...config, validateClusters: false };
  delete copy.typedPerFilterConfig;
  delete copy.requestMirrorPolicies;
  if ("domains" in copy) {
    delete copy.cors;
    delete copy.rateLimits;
    delete copy.virtualClusters;
    delete copy.retryPolicy;
  }
  return copy;
}

function unfiltered(config: RouteJson): RouteJson {
  const { typedPerFilterConfig: _filters, tracing: _tracing, route, ...rest } = config;
  if (route === undefined) return rest;
  const { requestMirrorPolicies: _copies, rateLimits: _quotas, cors: _cors, ...action } = route;
  const { weightedClusters } = action;
  if (weightedClusters !== undefined) {
    const clusters = (weightedClusters.clusters ?? []).map(
      ({ typedPerFilterConfig: _own, ...cluster }) => cluster,
    );
    action.weightedClusters = { ...weightedClusters, clusters };
  }
  return { ...rest, route: action };
}
