import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answer, response, type Script } from "../../../testkit/fake-upstream.ts";
import type { ParityCase } from "./area.ts";
import {
  cluster,
  endpoint,
  extension,
  type HttpOptions,
  http,
  type JsonObject,
  toCluster,
} from "./config.ts";
import { type CaseContext, get } from "./context.ts";

/** Each answers with its name, but for one that fails. */
export const named: Readonly<Record<string, Script>> = {
  ...Object.fromEntries(["one", "two", "three"].map((name) => [name, answer(response(200, name))])),
  broken: answer(response(500, "broken")),
};

export const host = (name: string, labels?: JsonObject, extra: JsonObject = {}): JsonObject =>
  endpoint(name, {
    ...(labels === undefined ? {} : { metadata: { filter_metadata: { "envoy.lb": labels } } }),
    ...extra,
  });

export const versions: readonly JsonObject[] = [
  host("one", { version: "1" }),
  host("two", { version: "1" }),
  host("three", { version: "2" }),
];

export const group = (endpoints: readonly JsonObject[], extra: JsonObject = {}): JsonObject => ({
  lb_endpoints: endpoints,
  ...extra,
});

export const selector = (
  keys: readonly string[],
  policy?: string,
  fewer?: readonly string[],
): JsonObject => ({
  keys,
  ...(policy === undefined ? {} : { fallback_policy: policy }),
  ...(fewer === undefined ? {} : { fallback_keys_subset: fewer }),
});

export const inLb = (labels: JsonObject): JsonObject => ({
  metadata_match: { filter_metadata: { "envoy.lb": labels } },
});

/** Routes to `main` by path, each with its metadata. */
export const selecting = (
  routes: Readonly<Record<string, JsonObject | undefined>>,
  action: JsonObject = {},
): readonly JsonObject[] =>
  Object.entries(routes).map(([path, labels]) => ({
    match: { path },
    ...toCluster("main", { ...(labels === undefined ? {} : inLb(labels)), ...action }),
  }));

/** `main` with these groups of hosts; the upstreams get clusters that nobody uses. */
export const subsetClusters = (
  subsets: JsonObject | undefined,
  groups: readonly JsonObject[],
  extra: JsonObject = {},
): readonly JsonObject[] => [
  cluster("main", {
    load_assignment: { cluster_name: "{case}-main", endpoints: groups },
    ...(subsets === undefined ? {} : { lb_subset_config: subsets }),
    ...extra,
  }),
  ...Object.keys(named).map((name) => ({
    ...cluster("main"),
    name: `{case}-${name}`,
    load_assignment: { cluster_name: "x" },
  })),
];

interface SubsetCase {
  /** `lb_subset_config`. */
  readonly subsets?: JsonObject;
  readonly endpoints?: readonly JsonObject[];
  readonly groups?: readonly JsonObject[];
  readonly routes?: Readonly<Record<string, JsonObject | undefined>>;
  readonly routeList?: readonly JsonObject[];
  /** Merged over the cluster. */
  readonly extra?: JsonObject;
  readonly options?: HttpOptions;
  readonly run: ParityCase["run"];
}

export const subsetCase = (name: string, parts: SubsetCase): ParityCase => ({
  name,
  config: http({
    routes: parts.routeList ?? selecting(parts.routes ?? {}),
    clusters: subsetClusters(
      parts.subsets,
      parts.groups ?? [group(parts.endpoints ?? versions)],
      parts.extra,
    ),
    ...parts.options,
  }),
  upstreams: named,
  run: parts.run,
});

/** How many of the requests each body answered. */
export async function bodies(
  t: CaseContext,
  path: string,
  requests: number,
): Promise<Readonly<Record<string, number>>> {
  const client = await t.connect();
  const counts: Record<string, number> = {};
  for (let sent = 0; sent < requests; sent++) {
    const { body } = await client.exchange(get(path));
    counts[body] = (counts[body] ?? 0) + 1;
  }
  return counts;
}

export const setMetadata = (value: JsonObject): JsonObject =>
  extension(
    "envoy.filters.http.set_metadata",
    "envoy.extensions.filters.http.set_metadata.v3.Config",
    { metadata: [{ metadata_namespace: "envoy.lb", value }] },
  );

export const asExtension = (config: JsonObject): JsonObject => ({
  load_balancing_policy: {
    policies: [
      {
        typed_extension_config: extension(
          "envoy.load_balancing_policies.subset",
          "envoy.extensions.load_balancing_policies.subset.v3.Subset",
          {
            subset_lb_policy: {
              policies: [
                {
                  typed_extension_config: extension(
                    "envoy.load_balancing_policies.round_robin",
                    "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
                  ),
                },
              ],
            },
            ...config,
          },
        ),
      },
    ],
  },
});

/** `main` from a file that `announce` writes. */
export const fromFile = (subsets: JsonObject): JsonObject => ({
  name: "{case}-main",
  connect_timeout: "1s",
  type: "EDS",
  eds_cluster_config: { eds_config: { path_config_source: { path: "{folder}/eds.json" } } },
  lb_subset_config: subsets,
});

/** The membership is these upstreams now, with these labels. */
export function announce(t: CaseContext, labels: Readonly<Record<string, JsonObject>>): void {
  const endpoints = Object.entries(labels).map(([name, values]) => ({
    endpoint: {
      address: { socket_address: { address: "127.0.0.1", port_value: t.upstream(name).port } },
    },
    metadata: { filter_metadata: { "envoy.lb": values } },
  }));
  const assignment = {
    "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    cluster_name: `${t.id}-main`,
    endpoints: [{ lb_endpoints: endpoints }],
  };
  const text = JSON.stringify({ version_info: JSON.stringify(labels), resources: [assignment] });
  writeFileSync(join(t.folder, "next"), text);
  renameSync(join(t.folder, "next"), join(t.folder, "eds.json"));
}
