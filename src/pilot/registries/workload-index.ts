import type { ConfigObject } from "#model/object.ts";
import type { Collection, Fetch } from "../collections/collection.ts";
import type { Graph } from "../collections/graph.ts";
import { selects } from "../scope/visibility.ts";
import type { KindName, Specs } from "../state/kinds.ts";
import { workloadOfPod } from "./kubernetes/pod.ts";
import { workloadOfEntry } from "./service-entry/workload-entry.ts";
import type { Workload } from "./workload.ts";

/** Everything that runs, found by what services ask for. */
export interface WorkloadIndex {
  /** Of a namespace, those that carry all the labels; by kind and name. An empty selector selects all. */
  selected(
    fetch: Fetch,
    namespace: string,
    selector: Readonly<Record<string, string>>,
  ): readonly Workload[];
  pod(fetch: Fetch, namespace: string, name: string): Workload | undefined;
  podAt(fetch: Fetch, namespace: string, address: string): Workload | undefined;
}

export interface WorkloadInputs {
  objects<K extends KindName>(kind: K): Collection<ConfigObject<Specs[K]>>;
  readonly clusterId: string;
}

export function indexWorkloads(
  graph: Graph,
  { objects, clusterId }: WorkloadInputs,
): WorkloadIndex {
  const pods = graph.derive<ConfigObject<Specs["Pod"]>, Workload>({
    name: "pods",
    from: objects("Pod"),
    keyOf: workloadKey,
    transform: (pod, fetch) => {
      const node = fetch.get(objects("Node"), `/${pod.spec.nodeName ?? ""}`);
      const namespace = fetch.get(objects("Namespace"), `/${pod.metadata.namespace}`);
      const workload = workloadOfPod(pod, {
        nodeLabels: node?.metadata.labels ?? {},
        namespaceLabels: namespace?.metadata.labels ?? {},
        clusterId,
      });
      return workload === undefined ? [] : [workload];
    },
  });
  const entries = graph.derive<ConfigObject<Specs["WorkloadEntry"]>, Workload>({
    name: "workload entries",
    from: objects("WorkloadEntry"),
    keyOf: workloadKey,
    transform: (object) => [workloadOfEntry(object)],
  });
  const byLabel = graph.group({
    name: "workloads by label",
    from: graph.union("workloads", [pods, entries]),
    keysOf: ({ namespace, labels }) => [
      `${namespace}|`,
      ...Object.entries(labels).map(([label, value]) => `${namespace}|${label}=${value}`),
    ],
    compare: (a, b) => (workloadKey(a) < workloadKey(b) ? -1 : 1),
  });
  const byAddress = graph.group({
    name: "pods by address",
    from: pods,
    keysOf: ({ namespace, address }) => [`${namespace}/${address}`],
    compare: (a, b) => (a.name < b.name ? -1 : 1),
  });
  return {
    selected(fetch, namespace, selector) {
      const group = smallestGroup(byLabel, namespace, selector);
      return (fetch.get(byLabel, group) ?? []).filter(({ labels }) => selects(selector, labels));
    },
    pod: (fetch, namespace, name) => fetch.get(pods, `${namespace}/Pod/${name}`),
    podAt: (fetch, namespace, address) => fetch.get(byAddress, `${namespace}/${address}`)?.[0],
  };
}

const workloadKey = ({ namespace, kind, name }: Workload): string => `${namespace}/${kind}/${name}`;

/** Each of the selector's labels has a group that holds all that it selects: the smallest is read, so that few changes concern it. */
function smallestGroup(
  byLabel: Collection<readonly Workload[]>,
  namespace: string,
  selector: Readonly<Record<string, string>>,
): string {
  let [smallest, size] = [`${namespace}|`, Number.POSITIVE_INFINITY];
  for (const [label, value] of Object.entries(selector)) {
    const group = `${namespace}|${label}=${value}`;
    const members = byLabel.get(group)?.length ?? 0;
    if (members < size) [smallest, size] = [group, members];
  }
  return smallest;
}
