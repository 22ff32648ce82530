/** From the state of the mesh to what one proxy may know. */
import { localPortsOf } from "#model/local-ports.ts";
import type { ProxyNode } from "#model/node.ts";
import { egressViews, servicesOf, type Visible } from "./scope/egress.ts";
import { mergeGateways, type RejectedServer } from "./scope/gateways.ts";
import { Scope, type ScopeFor, scopeFor, visibleRules } from "./scope/scope.ts";
import { visibleServices } from "./scope/services.ts";
import { selectSidecar } from "./scope/sidecars.ts";
import { selects } from "./scope/visibility.ts";
import type { MeshState } from "./state/mesh-state.ts";
import {
  meshGateway,
  type OutboundScope,
  type ProxyView,
  type ServiceTarget,
  type Sidecar,
} from "./view.ts";

/** What a proxy of this node sees of the state. Proxies that agree in what rules look at share one scope. */
export function proxyView(state: MeshState, node: ProxyNode): ProxyView {
  const targets = targetsOf(state, node);
  return {
    node,
    scope: outboundScope(state, node),
    targets,
    servers: gatewaysOf(state, node, targets).ports,
    secret: (name, namespace) => state.secret(namespace, name),
  };
}

/** Servers of Gateways that select the proxy and that others are in the way of, the reason beside. */
export function rejectedServers(state: MeshState, node: ProxyNode): readonly RejectedServer[] {
  return gatewaysOf(state, node, targetsOf(state, node)).rejected;
}

function gatewaysOf(
  state: MeshState,
  node: ProxyNode,
  targets: readonly ServiceTarget[],
): ReturnType<typeof mergeGateways> {
  if (node.type !== "router") return { ports: [], rejected: [] };
  const selecting = state.gateways.filter(({ spec }) => selects(spec.selector ?? {}, node.labels));
  return mergeGateways(selecting, { targets, local: localPortsOf(node.metadata)?.inbound ?? [] });
}

/** Endpoints belong to a proxy by address within its namespace; those of automatically registered workloads to the proxy itself. */
function targetsOf(state: MeshState, node: ProxyNode): readonly ServiceTarget[] {
  const targets: ServiceTarget[] = [];
  const seen = new Set<string>();
  for (const address of node.ipAddresses) {
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

const scopesOf = new WeakMap<MeshState, Map<string, OutboundScope>>();

function outboundScope(state: MeshState, node: ProxyNode): OutboundScope {
  const who = scopeFor(node, state.labelKeys);
  const key = JSON.stringify(who);
  return scopesOf
    .getOrInsertComputed(state, () => new Map<string, OutboundScope>())
    .getOrInsertComputed(key, () => buildScope(state, who));
}

function buildScope(state: MeshState, who: ScopeFor): OutboundScope {
  const { namespace } = who;
  const sidecar = sidecarOf(state, who);
  const virtualServices = visibleRules(
    state.virtualServices,
    namespace,
    state.mesh.defaultVirtualServiceExportTo ?? [],
  );
  const visible: Visible = {
    namespace,
    services: visibleServices(state.services, namespace),
    virtualServices: virtualServices.filter(({ spec }) => spec.gateways?.includes(meshGateway)),
    byHostname: (hostname) => state.byHostname(hostname),
  };
  const egress = egressViews(visible, sidecar);
  const services = servicesOf(visible, egress);
  const { mesh, domain, destinationRules } = state;
  const parts = { mesh, domain, services, egress, sidecar, destinationRules, virtualServices };
  return new Scope(who, parts, (service) => state.endpoints(service));
}

/** Gateways have none. */
function sidecarOf(state: MeshState, who: ScopeFor): Sidecar | undefined {
  if (who.type !== "sidecar") return undefined;
  const own = state.sidecars(who.namespace);
  const root = state.sidecars(state.mesh.rootNamespace ?? "");
  return selectSidecar({ own, root }, who.labels);
}
