/** From the state of the mesh to what one proxy may know. */
import { localPortsOf } from "#model/local-ports.ts";
import type { ProxyNode } from "#model/node.ts";
import type { MergedGateways } from "./scope/gateways.ts";
import { scopeFor } from "./scope/scope.ts";
import type { MeshState } from "./state/mesh-state.ts";
import type { ProxyView, ServiceTarget } from "./view.ts";

/** What a proxy of this node sees of the state. Proxies that agree in what rules look at share one scope. */
export function proxyView(state: MeshState, node: ProxyNode): ProxyView {
  const targets = targetsOf(state, node);
  const gateways = gatewaysOf(state, node, targets);
  return {
    node,
    scope: state.scope(scopeFor(node, state.labelKeys)),
    targets,
    servers: gateways.ports,
    rejectedServers: gateways.rejected,
    secret: (name, namespace) => state.secret(namespace, name),
  };
}

function gatewaysOf(
  state: MeshState,
  node: ProxyNode,
  targets: readonly ServiceTarget[],
): MergedGateways {
  if (node.type !== "router") return noGateways;
  const local = localPortsOf(node.metadata)?.inbound ?? [];
  return state.mergedGateways(node.labels, { targets, local });
}

const noGateways: MergedGateways = { ports: [], rejected: [] };

/** Endpoints belong to a proxy by address within its namespace; those of automatically registered workloads to the proxy itself. */
function targetsOf(state: MeshState, node: ProxyNode): readonly ServiceTarget[] {
  const targets: ServiceTarget[] = [];
  const seen = new Set<string>();
  const inbound = localPortsOf(node.metadata)?.inbound ?? [];
  const addresses = new Set([...node.ipAddresses, ...inbound.map(({ bind }) => bind)]);
  for (const address of addresses) {
    for (const { service, endpoint } of state.servedAt(node.namespace, address)) {
      if (endpoint.proxyId !== undefined && endpoint.proxyId !== node.id) continue;
      for (const port of service.ports) {
        const targetPort = endpoint.ports[port.name];
        const key = `${service.namespace}/${service.hostname}:${port.number}:${targetPort}`;
        if (targetPort === undefined || seen.has(key)) continue;
        seen.add(key);
        targets.push({ service, port, endpoint, targetPort });
      }
    }
  }
  return targets;
}
