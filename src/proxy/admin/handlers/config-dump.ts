import type { EndpointSpec } from "../../cluster/host.ts";
import { applyMask } from "../field-mask.ts";
import { nameFilter } from "../name-filter.ts";
import {
  type AdminAnswer,
  type AdminContext,
  type AdminPage,
  type AdminRequest,
  bareTextType,
  json,
} from "../page.ts";
import { fieldsToProto } from "../proto-names.ts";
import type { AdminSource } from "../source.ts";
import {
  clusterItems,
  extensionItems,
  inlineScopeItems,
  listenerItems,
  routeItems,
  scopeItems,
  secretItems,
} from "./dynamic-sections.ts";
import { addressJson } from "./listeners.ts";

export const configDumpPage: AdminPage = {
  path: "/config_dump",
  help: "dump the configuration that runs",
  parameters: [
    { name: "resource", help: "One repeated field of the dump, such as static_clusters" },
    { name: "mask", help: "FieldMask; with resource, of each of its items" },
    { name: "name_regex", help: "Only what has a name that contains this RE2 pattern" },
    { name: "include_eds", help: "Endpoints too" },
  ],
  answer: configDump,
};

const typePrefix = "type.googleapis.com/envoy.admin.v3.";

type Message = Readonly<Record<string, unknown>>;

interface Section {
  readonly type: string;
  /** All fields of the message, set or not. */
  readonly fields: readonly string[];
  /** The fields that are set. */
  readonly values: Message;
}

function configDump({ query }: AdminRequest, context: AdminContext): AdminAnswer {
  const filter = nameFilter(query.get("name_regex"));
  if ("problem" in filter) {
    const regex = query.get("name_regex") ?? "";
    return refused(
      400,
      `INVALID_ARGUMENT: Error while parsing name_regex from ${regex}: ${filter.problem}`,
    );
  }
  const sections = allSections(context, query.has("include_eds")).map((section) =>
    onlyNamed(section, filter.matches),
  );
  const resource = query.get("resource");
  const mask = query.get("mask");
  return resource === undefined ? whole(sections, mask) : part(sections, resource, mask);
}

function whole(sections: readonly Section[], mask: string | undefined): AdminAnswer {
  if (mask === undefined) {
    return json({
      configs: sections.map(({ type, values }) => ({ "@type": typePrefix + type, ...values })),
    });
  }
  const configs = sections.flatMap(({ type, fields, values }) => {
    const kept = applyMask(values, mask, fields);
    return kept === undefined ? [] : [{ "@type": typePrefix + type, ...kept }];
  });
  if (configs.length > 0) return json({ configs });
  return refused(400, `FieldMask ${mask} could not be successfully applied to any configs.`);
}

function part(
  sections: readonly Section[],
  resource: string,
  mask: string | undefined,
): AdminAnswer {
  const section = sections.find(({ fields }) => fields.includes(resource));
  if (section === undefined) return refused(404, `${resource} not found in config dump`);
  if (!(resource in itemTypes)) {
    return refused(
      400,
      `${resource} is not a repeated field. Use ?mask=${resource} to get only this field`,
    );
  }
  const items = itemsOf(section.values, resource).map((item) => ({
    "@type": `${typePrefix}${section.type}.${itemTypes[resource]}`,
    ...item,
  }));
  const configs = mask === undefined ? items : items.flatMap((item) => applyMask(item, mask) ?? []);
  if (configs.length < items.length) {
    return refused(400, `FieldMask ${mask} could not be successfully applied to any configs.`);
  }
  return json(configs.length === 0 ? {} : { configs });
}

function refused(status: number, body: string): AdminAnswer {
  return { status, type: bareTextType, body };
}

/** Repeated fields, and the message in each. */
const itemTypes: Readonly<Record<string, string>> = {
  static_clusters: "StaticCluster",
  dynamic_active_clusters: "DynamicCluster",
  dynamic_warming_clusters: "DynamicCluster",
  ecds_filters: "EcdsFilterConfig",
  static_endpoint_configs: "StaticEndpointConfig",
  dynamic_endpoint_configs: "DynamicEndpointConfig",
  static_listeners: "StaticListener",
  dynamic_listeners: "DynamicListener",
  inline_scoped_route_configs: "InlineScopedRouteConfigs",
  dynamic_scoped_route_configs: "DynamicScopedRouteConfigs",
  static_route_configs: "StaticRouteConfig",
  dynamic_route_configs: "DynamicRouteConfig",
  static_secrets: "StaticSecret",
  dynamic_active_secrets: "DynamicSecret",
  dynamic_warming_secrets: "DynamicSecret",
};

/** In Envoy's order. */
function allSections({ source, startedWallMs }: AdminContext, endpoints: boolean): Section[] {
  const { bootstrap } = source;
  const dynamic = source.dynamic?.();
  const { listeners = [], clusters = [] } = bootstrap.staticResources ?? {};
  const last_updated = new Date(startedWallMs).toISOString();
  const items = (field: string, type: string, messages: readonly unknown[]): readonly Message[] =>
    messages.map((message) => ({
      [field]: { "@type": `type.googleapis.com/${type}`, ...(fieldsToProto(message) as object) },
      last_updated,
    }));
  return [
    {
      type: "BootstrapConfigDump",
      fields: ["bootstrap", "last_updated"],
      values: { bootstrap: fieldsToProto(bootstrap), last_updated },
    },
    repeated(
      "ClustersConfigDump",
      ["version_info", "static_clusters", "dynamic_active_clusters", "dynamic_warming_clusters"],
      {
        version_info: dynamic?.clustersVersion,
        static_clusters: items("cluster", "envoy.config.cluster.v3.Cluster", clusters),
        dynamic_active_clusters: dynamic && clusterItems(dynamic, "active"),
        dynamic_warming_clusters: dynamic && clusterItems(dynamic, "warming"),
      },
    ),
    ...(dynamic?.extensions === undefined
      ? []
      : [
          repeated("EcdsConfigDump", ["ecds_filters"], {
            ecds_filters: extensionItems(dynamic.extensions),
          }),
        ]),
    ...(endpoints ? [endpointsSection(source)] : []),
    repeated("ListenersConfigDump", ["version_info", "static_listeners", "dynamic_listeners"], {
      version_info: dynamic?.listenersVersion,
      static_listeners: items("listener", "envoy.config.listener.v3.Listener", listeners),
      dynamic_listeners: dynamic && listenerItems(dynamic),
    }),
    repeated(
      "ScopedRoutesConfigDump",
      ["inline_scoped_route_configs", "dynamic_scoped_route_configs"],
      {
        inline_scoped_route_configs: inlineScopeItems(
          [...listeners, ...(dynamic?.listeners ?? []).map(({ active }) => active?.config)],
          last_updated,
        ),
        dynamic_scoped_route_configs: dynamic && scopeItems(dynamic),
      },
    ),
    repeated("RoutesConfigDump", ["static_route_configs", "dynamic_route_configs"], {
      static_route_configs: items(
        "route_config",
        "envoy.config.route.v3.RouteConfiguration",
        routeConfigs(listeners),
      ),
      dynamic_route_configs: dynamic && routeItems(dynamic),
    }),
    repeated(
      "SecretsConfigDump",
      ["static_secrets", "dynamic_active_secrets", "dynamic_warming_secrets"],
      { dynamic_active_secrets: dynamic && secretItems(dynamic) },
    ),
  ];
}

function repeated(
  type: string,
  fields: readonly string[],
  lists: Readonly<Record<string, readonly Message[] | string | undefined>>,
): Section {
  const set = Object.entries(lists).filter(([, items]) => items !== undefined && items.length > 0);
  return { type, fields, values: Object.fromEntries(set) };
}

function endpointsSection(source: AdminSource): Section {
  const clusters = source.bootstrap.staticResources?.clusters ?? [];
  return repeated("EndpointsConfigDump", ["static_endpoint_configs", "dynamic_endpoint_configs"], {
    static_endpoint_configs: assignments(clusters, source),
    dynamic_endpoint_configs: assignments(source.dynamic?.()?.clusters ?? [], source),
  });
}

function assignments(
  clusters: readonly { readonly name?: string }[],
  source: AdminSource,
): readonly Message[] {
  return clusters.flatMap(({ name = "" }) => {
    const members = source.members(name);
    if (members === undefined) return [];
    const { endpoints, overprovisioningFactor } = members;
    return [{ endpoint_config: loadAssignment(name, endpoints, overprovisioningFactor) }];
  });
}

function loadAssignment(
  cluster: string,
  endpoints: readonly EndpointSpec[],
  overprovisioningFactor: number,
): Message {
  const localities = new Map<string, { readonly first: EndpointSpec; readonly hosts: unknown[] }>();
  for (const endpoint of endpoints) {
    const { region, zone, subZone } = endpoint.locality;
    const key = JSON.stringify([endpoint.priority, region, zone, subZone]);
    const locality = localities.get(key) ?? { first: endpoint, hosts: [] };
    localities.set(key, locality);
    locality.hosts.push(lbEndpoint(endpoint));
  }
  return {
    "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    cluster_name: cluster,
    endpoints: [...localities.values()].map(({ first: { locality, priority }, hosts }) => ({
      locality: {
        ...(locality.region === "" ? {} : { region: locality.region }),
        ...(locality.zone === "" ? {} : { zone: locality.zone }),
        ...(locality.subZone === "" ? {} : { sub_zone: locality.subZone }),
      },
      lb_endpoints: hosts,
      ...(priority === 0 ? {} : { priority }),
    })),
    policy: { overprovisioning_factor: overprovisioningFactor },
  };
}

function lbEndpoint({ address, hostname, health, weight, metadata }: EndpointSpec): unknown {
  return {
    endpoint: { address: addressJson(address), ...(hostname === "" ? {} : { hostname }) },
    health_status: health.toUpperCase(),
    ...(metadata === undefined ? {} : { metadata: { filter_metadata: metadata } }),
    load_balancing_weight: weight,
  };
}

/** Routes have no list of their own in a bootstrap: they stand inside connection managers. */
function routeConfigs(listeners: readonly unknown[]): readonly unknown[] {
  const found: unknown[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === "routeConfig" || key === "routeConfiguration") found.push(inner);
      else visit(inner);
    }
  };
  listeners.forEach(visit);
  return found;
}

function itemsOf(values: Message, field: string): readonly Message[] {
  const value = values[field];
  // Proof of the cast: `repeated` made every list that is there.
  return Array.isArray(value) ? (value as readonly Message[]) : [];
}

function onlyNamed(section: Section, matches: (name: string) => boolean): Section {
  const lists = Object.keys(section.values).filter((field) => field in itemTypes);
  if (lists.length === 0) return section;
  const kept = lists.map((field) => {
    const items = itemsOf(section.values, field).filter((item) => matches(nameOf(item)));
    return [field, items] as const;
  });
  return { ...section, values: Object.fromEntries(kept.filter(([, items]) => items.length > 0)) };
}

/** An item holds one message, which has a name or a cluster's. */
function nameOf(item: Message): string {
  for (const value of Object.values(item)) {
    if (typeof value !== "object" || value === null) continue;
    if ("name" in value) return String(value.name);
    if ("cluster_name" in value) return String(value.cluster_name);
  }
  return "";
}
