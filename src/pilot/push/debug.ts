/** What Pilot knows, as JSON, in the forms that Istio's tools read. */
import type { ServicePort } from "#model/service.ts";
import {
  clusterType,
  endpointType,
  extensionType,
  listenerType,
  type ResourceType,
  routeType,
  secretType,
} from "#xds/resource-type.ts";
import type { SentVersion, SubscriptionStatus } from "#xds/source.ts";
import { serviceKey } from "../registries/registry.ts";
import type { MeshState } from "../state/mesh-state.ts";
import type { ConnectedProxy } from "./connected-proxy.ts";

const words: readonly (readonly [ResourceType, string])[] = [
  [clusterType, "cluster"],
  [listenerType, "listener"],
  [routeType, "route"],
  [endpointType, "endpoint"],
  [extensionType, "extensionconfig"],
];

const nonce = (sent: SentVersion | undefined): string =>
  sent === undefined ? "" : `${sent.version}/${sent.nonce}`;

/** One entry a stream: what was sent of each type, and what of it was acknowledged. */
export function syncz(proxies: Iterable<ConnectedProxy>): readonly object[] {
  return [...proxies].map(({ connection, node, settledRevision, snapshot, refusals }) => {
    const status: Record<string, unknown> = {
      cluster_id: node.clusterId,
      proxy: node.id,
      proxy_type: node.type,
      istio_version: node.istioVersion ?? "",
      protocol: connection.protocol,
      revision: snapshot?.revision ?? 0,
      settled_revision: settledRevision,
    };
    const byType = new Map([...connection.subscriptions].map((one) => [one.type, one]));
    for (const [type, word] of words) {
      const subscription = byType.get(type);
      status[`${word}_sent`] = nonce(subscription?.sent);
      status[`${word}_acked`] = nonce(subscription?.acked);
    }
    status["refused"] = [...refusals.values()].map(({ type, detail }) => ({
      type: type.name,
      detail,
    }));
    return status;
  });
}

/** Every stream, and what it watches. */
export function adsz(proxies: Iterable<ConnectedProxy>): object {
  const clients = [...proxies].map(({ connection, node }) => ({
    connectionId: `${node.id}-${connection.id}`,
    connectedAt: new Date(connection.connectedAtMs).toISOString(),
    address: connection.peer,
    labels: node.labels,
    metadata: node.metadata,
    locality: node.locality,
    proxyType: node.type,
    watches: Object.fromEntries(
      [...connection.subscriptions].map((one) => [one.type.typeUrl, watched(one)]),
    ),
  }));
  return { totalClients: clients.length, clients };
}

function watched({ wildcard, names }: SubscriptionStatus): readonly string[] {
  return [...(wildcard ? ["*"] : []), ...names];
}

export function endpointz(state: MeshState): readonly object[] {
  return state.services.flatMap((service) =>
    service.ports.map((port) => ({
      svc: `${service.hostname}:${port.name}`,
      namespace: service.namespace,
      ep: endpointsOf(state, service, port),
    })),
  );
}

function endpointsOf(
  state: MeshState,
  service: MeshState["services"][number],
  { name }: ServicePort,
): readonly object[] {
  const endpoints = state.endpointTable.get(serviceKey(service))?.endpoints ?? [];
  return endpoints.flatMap((endpoint) => {
    const { address, ports, labels, locality, weight, health } = endpoint;
    const port = ports[name];
    if (port === undefined) return [];
    return [{ address, port, labels, locality, weight, health, workload: endpoint.workloadName }];
  });
}

/** As Envoy's own `/config_dump`, of what Pilot has made for the proxy. Secrets are named, not shown. */
export function configDump({ snapshot, connection }: ConnectedProxy): object {
  const any = (type: ResourceType, object: object) => ({ "@type": type.typeUrl, ...object });
  const entries = <T>(
    type: ResourceType,
    make: (entry: {
      readonly name: string;
      readonly version: string;
      readonly object: object;
    }) => T,
  ): readonly T[] => {
    const subscription = [...connection.subscriptions].find((one) => one.type === type);
    const names = type.wildcard ? undefined : subscription?.names;
    if (snapshot === undefined || (names === undefined && !type.wildcard)) return [];
    return [...snapshot.resources(type, names).values()].map(make);
  };
  const dump = (message: string, fields: object) => ({
    "@type": `type.googleapis.com/envoy.admin.v3.${message}`,
    ...fields,
  });
  return {
    configs: [
      dump("ClustersConfigDump", {
        dynamicActiveClusters: entries(clusterType, ({ version: versionInfo, object }) => ({
          versionInfo,
          cluster: any(clusterType, object),
        })),
      }),
      dump("ListenersConfigDump", {
        dynamicListeners: entries(listenerType, ({ name, version: versionInfo, object }) => ({
          name,
          activeState: { versionInfo, listener: any(listenerType, object) },
        })),
      }),
      dump("RoutesConfigDump", {
        dynamicRouteConfigs: entries(routeType, ({ version: versionInfo, object }) => ({
          versionInfo,
          routeConfig: any(routeType, object),
        })),
      }),
      dump("EndpointsConfigDump", {
        dynamicEndpointConfigs: entries(endpointType, ({ version: versionInfo, object }) => ({
          versionInfo,
          endpointConfig: any(endpointType, object),
        })),
      }),
      dump("SecretsConfigDump", {
        dynamicActiveSecrets: entries(secretType, ({ name, version: versionInfo }) => ({
          name,
          versionInfo,
        })),
      }),
    ],
  };
}
