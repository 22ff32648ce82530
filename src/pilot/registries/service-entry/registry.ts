import type { ConfigObject } from "#model/object.ts";
import type { Collection } from "../../collections/collection.ts";
import type { Graph } from "../../collections/graph.ts";
import { same } from "../../collections/same.ts";
import { asKind } from "../../state/kinds.ts";
import { sameButEndpoints } from "../../state/same-object.ts";
import {
  nameKey,
  type ObjectRegistry,
  type RegisteredEndpoints,
  type RegisteredService,
  serviceKey,
} from "../registry.ts";
import { allocateAddresses } from "./auto-address.ts";
import {
  endpointsOfEntry,
  externalRegistry,
  type ServiceEntry,
  servicesOfEntry,
  wantsAutoAddress,
} from "./service-entry.ts";

/** A service as its entry writes it, and the entry. */
interface Written extends RegisteredService {
  readonly object: ServiceEntry;
}

/** Services of ServiceEntries, with listed endpoints or selected WorkloadEntries and Pods. */
export const serviceEntry: ObjectRegistry = {
  name: externalRegistry,
  build(graph, inputs) {
    const written = graph.derive<ServiceEntry, Written>({
      name: "ServiceEntry hosts",
      from: inputs.objects("ServiceEntry"),
      keyOf: ({ key }) => key,
      transform: (object, fetch) => {
        const exportTo = fetch.value(inputs.defaultServiceExportTo);
        const services = servicesOfEntry(object, exportTo);
        // A host that is written twice is one host.
        const byHost = new Map(services.map((service) => [service.hostname, service]));
        return [...byHost].map(([hostname, service]) => ({
          key: `${externalRegistry}/${nameKey(object)}/${hostname}`,
          service,
          object,
        }));
      },
    });
    const addresses = autoAddresses(graph, written);
    const services = graph.derive<Written, RegisteredService>({
      name: "ServiceEntry services",
      from: written,
      keyOf: ({ key }) => key,
      transform: ({ key, service }, fetch) => {
        if (!wantsAutoAddress(service)) return [{ key, service }];
        const autoAddress = fetch.get(addresses, serviceKey(service))?.address;
        return [{ key, service: autoAddress ? { ...service, autoAddress } : service }];
      },
      same: sameService,
    });
    const endpoints = graph.derive<Written, RegisteredEndpoints>({
      name: "ServiceEntry endpoints",
      from: written,
      keyOf: ({ key }) => key,
      transform: ({ key, service, object }, fetch) => {
        const { hostname, namespace } = service;
        const selector = object.spec.workloadSelector;
        const selected =
          selector === undefined
            ? []
            : inputs.workloads.selected(fetch, namespace, selector.labels ?? {});
        const found = endpointsOfEntry(object, service, selected);
        return [{ key, hostname, namespace, endpoints: found }];
      },
    });
    return { services, endpoints };
  },
};

/** A change of the endpoints that the entry lists makes no other service of it. */
function sameService(a: RegisteredService, b: RegisteredService): boolean {
  const { object: left, ...one } = a.service;
  const { object: right, ...other } = b.service;
  if (!same(one, other)) return false;
  const [before, after] = [left && asEntry(left), right && asEntry(right)];
  return before !== undefined && after !== undefined && sameButEndpoints(before, after);
}

const asEntry = (object: ConfigObject): ServiceEntry | undefined => asKind("ServiceEntry", object);

interface AutoAddress {
  readonly key: string;
  readonly address: string;
}

/** The oldest first, so that nobody's address moves when another service comes. */
function autoAddresses(graph: Graph, written: Collection<Written>): Collection<AutoAddress> {
  const wanting = graph.group<Written>({
    name: "services without an address",
    from: written,
    keysOf: ({ service }) => (wantsAutoAddress(service) ? [""] : []),
    compare: (a, b) =>
      a.service.creationMs - b.service.creationMs || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0),
  });
  const keys = graph.compute("auto addresses", (fetch) => {
    const services = fetch.get(wanting, "") ?? [];
    return services.map(({ service }) => serviceKey(service));
  });
  return graph.derive<{ readonly value: readonly string[] }, AutoAddress>({
    name: "auto address",
    from: keys.collection,
    keyOf: ({ key }) => key,
    transform: ({ value }) =>
      [...allocateAddresses(value)].map(([key, address]) => ({ key, address })),
  });
}
