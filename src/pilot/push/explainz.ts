import { isIP } from "node:net";
import { clusterType, listenerType, type ResourceType, routeType } from "#xds/resource-type.ts";
import type { ExplainDump, ExplainedResource, WrittenRule } from "../explain-dump.ts";
import { rulesBehind } from "../provenance.ts";
import type { ConnectedProxy } from "./connected-proxy.ts";

export function explainz({ node, snapshot, connection }: ConnectedProxy): ExplainDump | undefined {
  if (snapshot === undefined) return undefined;
  const { scope } = snapshot.view;
  const resources = (type: ResourceType): readonly ExplainedResource[] => {
    const subscription = [...connection.subscriptions].find((one) => one.type === type);
    if (!type.wildcard && subscription === undefined) return [];
    const names = type.wildcard ? undefined : subscription?.names;
    return [...snapshot.resources(type, names).values()].map(({ object }) => ({
      resource: object,
      rules: rulesWithin(object),
    }));
  };
  const addresses = scope.services.flatMap(({ hostname, addresses: own, autoAddress }) => {
    const address =
      own.find((text) => isIP(text) !== 0) ?? (scope.dnsCapture ? autoAddress : undefined);
    return address === undefined ? [] : [[hostname, address] as const];
  });
  return {
    node: { id: node.id, type: node.type, namespace: node.namespace },
    metadata: node.metadata,
    domain: scope.domain,
    addresses: Object.fromEntries(addresses),
    listeners: resources(listenerType),
    routes: resources(routeType),
    clusters: resources(clusterType),
  };
}

/** Of the resource and of everything in it. */
function rulesWithin(resource: object): readonly WrittenRule[] {
  const found: WrittenRule[] = [];
  const visit = (value: unknown, at: WrittenRule["at"]): void => {
    if (typeof value !== "object" || value === null) return;
    for (const { object, keys } of rulesBehind(value)) {
      const { apiVersion, kind, metadata, source } = object;
      const position = source?.positionOf(keys);
      found.push({
        ...{ at, apiVersion, kind, namespace: metadata.namespace, name: metadata.name, keys },
        file: source?.name ?? null,
        line: position?.line ?? null,
        column: position?.column ?? null,
      });
    }
    const entries = Array.isArray(value) ? value.entries() : Object.entries(value);
    for (const [key, below] of entries) visit(below, [...at, key]);
  };
  visit(resource, []);
  return found;
}
