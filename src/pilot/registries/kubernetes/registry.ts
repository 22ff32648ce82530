import type { ConfigObject } from "#model/object.ts";
import type { Collection, Fetch } from "../../collections/collection.ts";
import type { Graph } from "../../collections/graph.ts";
import {
  nameKey,
  type ObjectRegistry,
  type RegisteredEndpoints,
  type RegisteredService,
  type RegistryCollections,
  type RegistryInputs,
} from "../registry.ts";
import { type EndpointSources, endpointsOf } from "./endpoints.ts";
import type { EndpointSliceBody, ServiceSpec } from "./objects.ts";
import { kubernetesRegistry, serviceOf } from "./service.ts";

type Slice = ConfigObject<EndpointSliceBody>;

/** Services and what stands behind them from Kubernetes' objects, wherever these come from: files, or a cluster. */
export const kubernetes: ObjectRegistry = {
  name: kubernetesRegistry,
  build(graph, inputs) {
    const slices = graph.group<Slice>({
      name: "slices by service",
      from: inputs.objects("EndpointSlice"),
      keysOf: ({ metadata }) => {
        const service = metadata.labels["kubernetes.io/service-name"];
        return service === undefined ? [] : [`${metadata.namespace}/${service}`];
      },
      compare: (a, b) => (nameKey(a) < nameKey(b) ? -1 : 1),
    });
    const services = graph.derive<ConfigObject<ServiceSpec>, RegisteredService>({
      name: "Kubernetes services",
      from: inputs.objects("Service"),
      keyOf: ({ key }) => key,
      transform: (object, fetch) => {
        const defaultExportTo = fetch.value(inputs.defaultServiceExportTo);
        const service = serviceOf(object, { domain: inputs.domain, defaultExportTo });
        return [{ key: `${kubernetesRegistry}/${nameKey(object)}`, service }];
      },
    });
    return { services, endpoints: endpointsCollection(graph, inputs, { services, slices }) };
  },
};

interface Parts {
  readonly services: Collection<RegisteredService>;
  readonly slices: Collection<readonly Slice[]>;
}

function endpointsCollection(
  graph: Graph,
  inputs: RegistryInputs,
  { services, slices }: Parts,
): RegistryCollections["endpoints"] {
  return graph.derive<RegisteredService, RegisteredEndpoints>({
    name: "Kubernetes endpoints",
    from: services,
    keyOf: ({ key }) => key,
    transform: ({ key, service }, fetch) => {
      const object = fetch.get(inputs.objects("Service"), `${service.namespace}/${service.name}`);
      if (object === undefined) return [];
      const sources = sourcesOf(object, fetch, { inputs, slices });
      const endpoints = endpointsOf(service, object.spec, sources);
      const { hostname, namespace } = service;
      return [{ key, hostname, namespace, endpoints }];
    },
  });
}

function sourcesOf(
  { metadata: { name, namespace }, spec }: ConfigObject<ServiceSpec>,
  fetch: Fetch,
  { inputs, slices }: { readonly inputs: RegistryInputs; readonly slices: Parts["slices"] },
): EndpointSources {
  const { objects, workloads, clusterId } = inputs;
  const selector = spec.selector ?? {};
  const ownNamespace = fetch.get(objects("Namespace"), `/${namespace}`);
  return {
    slices: fetch.get(slices, `${namespace}/${name}`) ?? [],
    endpoints: fetch.get(objects("Endpoints"), `${namespace}/${name}`),
    // Without a selector nothing is selected, unlike everywhere else.
    selected:
      Object.keys(selector).length === 0 ? [] : workloads.selected(fetch, namespace, selector),
    pod: (podName, address) =>
      podName === undefined
        ? workloads.podAt(fetch, namespace, address)
        : workloads.pod(fetch, namespace, podName),
    nodeLabels: (node) => fetch.get(objects("Node"), `/${node}`)?.metadata.labels ?? {},
    network: ownNamespace?.metadata.labels["topology.istio.io/network"] ?? "",
    clusterId,
  };
}
