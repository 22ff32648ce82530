import { compileRegex } from "../matching/regex.ts";
import { type AdminAnswer, type AdminPage, type AdminRequest, json } from "./page.ts";
import { snakeKeys } from "./snake.ts";
import type { AdminSource } from "./source.ts";

const prefix = "type.googleapis.com/envoy.admin.v3.";

interface Dump {
  readonly "@type": string;
  readonly [field: string]: unknown;
}

export const configDumpPage: AdminPage = {
  path: "/config_dump",
  help: "dump current configuration",
  parameters: [
    ["resource", "The resource to dump"],
    [
      "name_regex",
      "Dump only the currently loaded configurations whose names match the specified regex",
    ],
    ["include_eds", "Dump currently loaded configuration including EDS"],
  ],
  answer: configDump,
};

function configDump({ query }: AdminRequest, source: AdminSource): AdminAnswer {
  if (query.has("mask")) return { status: 400, body: "mask is not supported\n" };
  const resource = query.get("resource");
  const names = nameFilter(query.get("name_regex"));
  if (names === undefined)
    return { status: 400, body: "Error while parsing name_regex from name_regex parameter\n" };
  const dumps = sections(source, query.has("include_eds"));
  if (resource === null) return json({ configs: dumps.map((dump) => filtered(dump, names)) });
  for (const dump of dumps) {
    const items = dump[resource];
    if (Array.isArray(items)) return json({ configs: items.filter((item) => names(nameOf(item))) });
  }
  return { status: 404, body: `${resource} not found in config dump` };
}

function sections(source: AdminSource, includeEndpoints: boolean): Dump[] {
  const { bootstrap } = source;
  const { listeners = [], clusters = [] } = bootstrap.staticResources ?? {};
  const dumps: Dump[] = [
    { "@type": `${prefix}BootstrapConfigDump`, bootstrap: snakeKeys(bootstrap) },
    {
      "@type": `${prefix}ClustersConfigDump`,
      static_clusters: clusters.map((cluster) => ({
        cluster: snakeKeys({
          "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
          ...cluster,
        }),
      })),
    },
    {
      "@type": `${prefix}ListenersConfigDump`,
      static_listeners: listeners.map((listener) => ({
        listener: snakeKeys({
          "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
          ...listener,
        }),
      })),
    },
    {
      "@type": `${prefix}RoutesConfigDump`,
      static_route_configs: routeConfigs(listeners).map((route) => ({
        route_config: snakeKeys(route),
      })),
    },
  ];
  if (includeEndpoints)
    dumps.push({
      "@type": `${prefix}EndpointsConfigDump`,
      static_endpoint_configs: clusters.map((cluster) => ({
        endpoint_config: endpoints(source, cluster.name ?? ""),
      })),
    });
  return dumps;
}

function routeConfigs(listeners: readonly unknown[]): unknown[] {
  const found: unknown[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (key === "routeConfig")
          found.push({
            "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            ...(inner as object),
          });
        else visit(inner);
      }
    }
  };
  visit(listeners);
  return found;
}

function endpoints(source: AdminSource, cluster: string): unknown {
  const members = source.members(cluster);
  return {
    "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    cluster_name: cluster,
    endpoints: (members?.endpoints ?? []).map((endpoint) => ({
      locality: {
        region: endpoint.locality.region,
        zone: endpoint.locality.zone,
        sub_zone: endpoint.locality.subZone,
      },
      priority: endpoint.priority,
      lb_endpoints: [
        {
          endpoint: {
            address:
              endpoint.address.family === "pipe"
                ? { pipe: { path: endpoint.address.ip } }
                : {
                    socket_address: {
                      address: endpoint.address.ip,
                      port_value: endpoint.address.port,
                    },
                  },
            hostname: endpoint.hostname,
          },
          health_status: endpoint.edsHealth,
          load_balancing_weight: endpoint.weight,
        },
      ],
    })),
  };
}

function nameFilter(pattern: string | null): ((name: string) => boolean) | undefined {
  if (pattern === null || pattern === "") return () => true;
  try {
    const regex = compileRegex(pattern);
    return (name) => regex.matches(name);
  } catch {
    return undefined;
  }
}

function nameOf(item: unknown): string {
  const inner = Object.values(
    (item ?? {}) as Record<string, { name?: string; cluster_name?: string }>,
  )[0];
  return inner?.name ?? inner?.cluster_name ?? "";
}

function filtered(dump: Dump, names: (name: string) => boolean): Dump {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(dump))
    out[key] = Array.isArray(value) ? value.filter((item) => names(nameOf(item))) : value;
  return out as Dump;
}
