import { isIPv4, isIPv6 } from "node:net";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { AddressJson } from "#gen/envoy/config/core/v3/address_pb.js";
import type { IstioIngressListenerJson } from "#gen/istio/networking/v1alpha3/sidecar_pb.js";
import { localPortsOf } from "#model/local-ports.ts";
import { protocolOf } from "#model/protocol.ts";
import type { Protocol, Service } from "#model/service.ts";
import { decidedBy, type Rule } from "../../provenance.ts";
import type { ProxyView, ServiceTarget } from "../../view.ts";
import { inboundCluster } from "../destination.ts";
import { configPath } from "../metadata.ts";

import { policyFor } from "../traffic-policy.ts";
import { writtenRules } from "../written-rules.ts";
import { applyConnectionPool } from "./connection-pool.ts";
import { draftOf, finished } from "./draft.ts";
import { magicSource } from "./fixed.ts";
import { flavourOf } from "./flavour.ts";
import { addIstioMetadata, serviceMetadata } from "./metadata.ts";
import { delimitedStatName, statNameOf } from "./stat-name.ts";
import { applyProtocol } from "./upstream-protocol.ts";

/** One port of the workload: where requests for it go on to. */
interface InboundPort {
  /** In the cluster's name. */
  readonly port: number;
  /** Undefined: to where they were going, from the address that interception lets through. */
  readonly address: AddressJson | undefined;
  readonly protocol: Protocol;
  /** Services behind the port; the first one's settings count. */
  readonly targets: readonly ServiceTarget[];
  /** Place of its listener in the Sidecar's `ingress`. */
  readonly ingress?: number | undefined;
}

export function inboundClusters(view: ProxyView): readonly ClusterJson[] {
  return inboundPorts(view).map((port) => clusterOf(view, port));
}

function inboundPorts(view: ProxyView): readonly InboundPort[] {
  const { node, scope, targets } = view;
  const local = localPortsOf(node.metadata);
  if (local !== undefined && local.inbound.length > 0) {
    return local.inbound.map(({ servicePort, appAddress, appPort }) => {
      const served = targets.filter(({ port }) => port.number === servicePort);
      return {
        port: servicePort,
        address: socketAddress(appAddress, appPort),
        protocol: served[0]?.port.protocol ?? "auto",
        targets: served,
      };
    });
  }
  const listeners = scope.sidecar?.spec.ingress ?? [];
  if (listeners.length > 0) {
    return listeners.flatMap((listener, index) => ingressPort(view, listener, index) ?? []);
  }
  // Without interception nobody comes by the workload's own ports, and they are the workload's.
  if (scope.interceptionMode === "NONE") return [];
  const byPort = Map.groupBy(targets, ({ targetPort }) => targetPort);
  return [...byPort].map(([port, served]) => ({
    port,
    address: goesToLocalhost(view)
      ? socketAddress(flavourOf(view).family === "V6" ? "::1" : "127.0.0.1", port)
      : undefined,
    protocol: served[0]?.port.protocol ?? "auto",
    targets: served,
  }));
}

function goesToLocalhost({ scope }: ProxyView): boolean {
  return scope.mesh.inboundTrafficPolicy?.mode === "LOCALHOST";
}

function ingressPort(
  view: ProxyView,
  { port, defaultEndpoint = "" }: IstioIngressListenerJson,
  ingress: number,
): InboundPort | undefined {
  const number = port?.number ?? 0;
  const address = defaultEndpoint === "" ? undefined : endpointAddress(view, defaultEndpoint);
  if (defaultEndpoint !== "" && address === undefined) return undefined;
  return {
    port: number,
    address,
    protocol: protocolOf(port?.protocol),
    targets: view.targets.filter(({ targetPort }) => targetPort === number),
    ingress,
  };
}

/** `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080` (the workload's own address) or `unix:///path`. */
function endpointAddress({ node }: ProxyView, text: string): AddressJson | undefined {
  const path = /^unix:\/\/(.+)$/.exec(text)?.[1];
  if (path !== undefined) return { pipe: { path } };
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || port === undefined) return undefined;
  const own = node.ipAddresses;
  const address =
    host === "0.0.0.0"
      ? (own.find((candidate) => isIPv4(candidate)) ?? "127.0.0.1")
      : host === "::"
        ? (own.find((candidate) => isIPv6(candidate)) ?? "::1")
        : loopbackOf(host, own);
  return socketAddress(address, Number(port));
}

/** A loopback of the other family, if the proxy has no address of this one. */
function loopbackOf(host: string, own: readonly string[]): string {
  const v4 = own.length === 0 || own.some((candidate) => isIPv4(candidate));
  const v6 = own.some((candidate) => isIPv6(candidate));
  if (host === "127.0.0.1" && !v4) return "::1";
  return host === "::1" && !v6 ? "127.0.0.1" : host;
}

function socketAddress(address: string, portValue: number): AddressJson {
  return { socketAddress: { address, portValue } };
}

function clusterOf(view: ProxyView, inbound: InboundPort): ClusterJson {
  const { scope } = view;
  const flavour = flavourOf(view);
  const { port, address, protocol, targets, ingress } = inbound;
  const [target] = targets;
  const name = inboundCluster(port);
  const draft = draftOf(name, address === undefined ? "ORIGINAL_DST" : "STATIC");
  const { cluster } = draft;
  applyProtocol(draft, protocol, { isGateway: false, keepsHeaderCase: flavour.keepsHeaderCase });
  if (address === undefined) {
    cluster.lbPolicy = "CLUSTER_PROVIDED";
    // As long as Envoy can count: the one host is the workload itself.
    cluster.cleanupInterval = "9223372035s";
  } else {
    cluster.loadAssignment = {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }],
    };
  }
  if (!isLoopback(address) && localPortsOf(view.node.metadata) === undefined) {
    cluster.upstreamBindConfig = magicSource(flavour.family);
  }
  const rules: Rule[] = [];
  if (target !== undefined) {
    const pattern = scope.mesh.inboundClusterStatName ?? "";
    if (pattern !== "") {
      const values = { service: target.service, port: target.port, subset: "", targetPort: port };
      cluster.altStatName = delimitedStatName(statNameOf(pattern, values));
    }
    addIstioMetadata(draft, { services: servicesOf(targets).map(serviceMetadata) });
    const rule = scope.destinationRule(target.service.hostname);
    if (rule !== undefined) addIstioMetadata(draft, { config: configPath(rule) });
  }
  applyConnectionPool(draft, scope.mesh, poolOf(view, inbound, rules));
  if (ingress !== undefined && scope.sidecar !== undefined) {
    rules.push({ object: scope.sidecar, keys: ["spec", "ingress", ingress] });
  }
  return decidedBy(finished(draft), ...rules);
}

function isLoopback(address: AddressJson | undefined): boolean {
  if (address?.pipe !== undefined) return true;
  return ["127.0.0.1", "::1"].includes(address?.socketAddress?.address ?? "");
}

/** Those behind the same service port as the first: one workload's port may serve several. */
function servicesOf(targets: readonly ServiceTarget[]): readonly Service[] {
  const [first] = targets;
  const services = targets
    .filter(({ port }) => port.number === first?.port.number)
    .map(({ service }): [string, Service] => [service.hostname, service]);
  return [...new Map(services).values()];
}

/** The port's own listener, the Sidecar, then the rule for callers of the service: the first that says anything (istio.md §1.6). */
function poolOf(
  { scope }: ProxyView,
  { ingress, targets }: InboundPort,
  rules: Rule[],
): Parameters<typeof applyConnectionPool>[2] {
  const { sidecar } = scope;
  if (sidecar !== undefined) {
    const listener = ingress === undefined ? undefined : sidecar.spec.ingress?.[ingress];
    if (listener?.connectionPool !== undefined) {
      rules.push({ object: sidecar, keys: ["spec", "ingress", ingress ?? 0, "connectionPool"] });
      return { connectionPool: listener.connectionPool };
    }
    if (sidecar.spec.inboundConnectionPool !== undefined) {
      rules.push({ object: sidecar, keys: ["spec", "inboundConnectionPool"] });
      return { connectionPool: sidecar.spec.inboundConnectionPool };
    }
  }
  const [target] = targets;
  const object = target && scope.destinationRule(target.service.hostname);
  if (object === undefined || target === undefined) return {};
  const effective = policyFor(object.spec, { port: target.port.number, subset: "" });
  rules.push(...writtenRules(object, effective));
  return effective.policy;
}
