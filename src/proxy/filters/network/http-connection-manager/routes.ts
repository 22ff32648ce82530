import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { ScopedRouteConfigurationJson } from "#gen/envoy/config/route/v3/scoped_route_pb.js";
import type {
  HttpConnectionManagerJson,
  ScopedRoutesJson,
} from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { ConfigError, compileEach, refuse, within } from "#lib/config-error.ts";
import { compileRouteTable } from "../../../route/compile.ts";
import type { RouteTable } from "../../../route/route.ts";
import { scopesKey } from "../../../route/scoped-routes.ts";
import { compileScopeKey, type Scope, ScopedTable, scopeKeyOf } from "../../../route/scopes.ts";
import type { Services } from "../../../services.ts";
import { httpFilters } from "../../http/list.ts";
import { typeOf } from "./make-filter.ts";
import type { ManagerSettings } from "./settings.ts";

type Routes = ManagerSettings["routes"];

interface RoutesContext {
  readonly services: Services;
  /** The filter that asks for virtual hosts when a request needs them. */
  readonly onDemand: boolean;
}

const onDemandType = "envoy.extensions.filters.http.on_demand.v3.OnDemand";

/** The table may be replaced (RDS); streams read `current` once. Without one nothing has a route. */
export function compileRoutes(config: HttpConnectionManagerJson, services: Services): Routes {
  const { routeConfig, rds, scopedRoutes, statPrefix = "", httpFilters: chain = [] } = config;
  const onDemand = chain.some(({ typedConfig }) => typeOf(typedConfig) === onDemandType);
  const context: RoutesContext = { services, onDemand };
  if (routeConfig !== undefined)
    return { current: within("route_config", () => compileTable(routeConfig, services)) };
  if (rds !== undefined) return namedRoutes(rds.routeConfigName ?? "", context).routes;
  if (scopedRoutes === undefined)
    throw refuse("route_specifier", "route_config, rds or scoped_routes is required");
  return within("scoped_routes", () => ({
    current: compileScopes(scopedRoutes, statPrefix, context),
  }));
}

function compileTable(config: RouteConfigurationJson, services: Services): RouteTable {
  return compileRouteTable(config, { services, filters: httpFilters });
}

/** By RDS, under this name. */
function namedRoutes(
  name: string,
  { services, onDemand }: RoutesContext,
): { readonly routes: Routes; readonly end: () => void } {
  const routes: { current: RouteTable | undefined } = { current: undefined };
  const end = services.routeConfigs.use(name, (config) => {
    if (config.vhds !== undefined && onDemand)
      throw refuse(
        "vhds",
        "virtual hosts on demand (the filter envoy.filters.http.on_demand) are not supported; without that filter all come at once",
      );
    // Clusters may come later than the routes to them: they are looked for only when the configuration says so.
    const table = compileTable(
      { ...config, validateClusters: config.validateClusters === true },
      services,
    );
    return () => {
      routes.current = table;
    };
  });
  return { routes, end };
}

/** The same for a scope, which nobody can refuse any more: without good routes it has none. */
function scopeRoutes(name: string, context: RoutesContext): ReturnType<typeof namedRoutes> {
  try {
    return namedRoutes(name, context);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    context.services.log("warn", `scoped routes: ${name}: ${error.message}`);
    return { routes: { current: undefined }, end: () => {} };
  }
}

function compileScopes(
  config: ScopedRoutesJson,
  statPrefix: string,
  context: RoutesContext,
): ScopedTable {
  const { services } = context;
  const { scopeKeyBuilder = {}, scopedRouteConfigurationsList: list, rdsConfigSource } = config;
  const table = new ScopedTable(
    within("scope_key_builder", () => compileScopeKey(scopeKeyBuilder)),
  );
  if (list !== undefined) {
    const path = "scoped_route_configurations_list.scoped_route_configurations";
    const scopes = compileEach(path, list.scopedRouteConfigurations, (scope) =>
      inlineScope(scope, services),
    );
    for (const scope of scopes) table.add(scope);
    return table;
  }
  if (rdsConfigSource === undefined) throw refuse("rds_config_source", "value is required");
  const scopes = new Map<string, { readonly scope: Scope; readonly end: () => void }>();
  const remove = (name: string): void => {
    const known = scopes.get(name);
    if (known === undefined) return;
    scopes.delete(name);
    table.remove(known.scope);
    known.end();
  };
  services.scopedRoutes.use(scopesKey(statPrefix, config), ({ set, removed }) => {
    for (const name of removed) remove(name);
    for (const item of set) {
      const { name = "", routeConfigurationName = "" } = item;
      const { routes, end } = scopeRoutes(routeConfigurationName, context);
      remove(name);
      const scope = { key: scopeKeyOf(item), routes };
      scopes.set(name, { scope, end });
      table.add(scope);
    }
  });
  return table;
}

function inlineScope(config: ScopedRouteConfigurationJson, services: Services): Scope {
  const { routeConfiguration, routeConfigurationName = "" } = config;
  if (routeConfigurationName !== "")
    throw refuse(
      "route_configuration_name",
      "Fetching routes via RDS (route_configuration_name) is not supported with inline scoped routes.",
    );
  if (routeConfiguration === undefined)
    throw refuse(
      "route_configuration",
      "You must specify a route_configuration with inline scoped routes.",
    );
  const current = within("route_configuration", () => compileTable(routeConfiguration, services));
  return { key: scopeKeyOf(config), routes: { current } };
}
