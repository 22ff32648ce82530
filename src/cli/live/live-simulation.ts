import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { ConfigObject } from "#model/object.ts";
import type { ExplainDump, ExplainedResource, WrittenRule } from "#pilot/explain-dump.ts";
import { decidedBy } from "#pilot/provenance.ts";
import { Simulation } from "#proxy/simulate.ts";

/** The configuration that a running proxy has, with the rules behind it, as if it had been generated here. */
export function liveSimulation({ listeners, routes, clusters }: ExplainDump): Simulation {
  return new Simulation({
    // Proof of the casts: Pilot's own page, of resources of these types.
    listeners: restored(listeners) as readonly ListenerJson[],
    routes: restored(routes) as readonly RouteConfigurationJson[],
    clusters: restored(clusters) as readonly ClusterJson[],
  });
}

function restored(resources: readonly ExplainedResource[]): readonly object[] {
  return resources.map(({ resource, rules }) => {
    for (const rule of rules) {
      const part = partAt(resource, rule.at);
      if (part !== undefined) decidedBy(part, { object: objectOf(rule), keys: rule.keys });
    }
    return resource;
  });
}

function partAt(resource: object, at: WrittenRule["at"]): object | undefined {
  let part: unknown = resource;
  for (const key of at) {
    if (typeof part !== "object" || part === null) return undefined;
    part = Object.getOwnPropertyDescriptor(part, key)?.value;
  }
  return typeof part === "object" && part !== null ? part : undefined;
}

/** As much of the object as says where the rule was written. */
function objectOf({
  apiVersion,
  kind,
  namespace,
  name,
  file,
  line,
  column,
}: WrittenRule): ConfigObject {
  const position = { line: line ?? 1, column: column ?? 1 };
  return {
    apiVersion,
    kind,
    metadata: {
      ...{ name, namespace, labels: {}, annotations: {} },
      ...{ creationMs: 0, resourceVersion: "" },
    },
    spec: {},
    source: file === null ? undefined : { name: file, positionOf: () => position },
  };
}
