/** Listeners of one service that no rule for connections concerns: equal in all scopes, and from one scope to the next. */
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { Service } from "#model/service.ts";
import type { DestinationRule } from "../../view.ts";
import { outboundTrafficPolicy } from "../outbound-traffic-policy.ts";
import { connectionRules } from "./connection-rules.ts";
import { dnsCachesFor } from "./dynamic-dns.ts";
import type { Binding } from "./listener.ts";
import type { OutboundTarget } from "./outbound-chains.ts";
import type { TcpContext } from "./tcp-proxy.ts";

/** All that such a listener is made of, besides its service. */
interface Made {
  readonly mesh: MeshConfigJson;
  readonly rule: DestinationRule | undefined;
  readonly listener: ListenerJson;
}

/** More of one service are made anew each time: whoever connects chooses what its listeners are like. */
const listenersMax = 64;

/** By service, with which they are forgotten. */
const made = new WeakMap<Service, Map<string, Made>>();

export interface MemoContext extends TcpContext {
  /** Stands for the traits. */
  readonly variant: string;
}

/** The listener that was made before of the same, else what `make` makes. */
export function remembered(
  target: OutboundTarget,
  binding: Binding,
  { context, make }: { readonly context: MemoContext; make(): ListenerJson },
): ListenerJson {
  const { service, virtualServices } = target;
  if (connectionRules(virtualServices).of(service.hostname).length > 0) return make();
  const { scope } = context;
  const { mesh } = scope;
  const rule = scope.destinationRule(service.hostname);
  const listeners = made.getOrInsertComputed(service, () => new Map<string, Made>());
  const slot = slotOf(target, binding, context);
  const known = listeners.get(slot);
  if (known?.mesh === mesh && known.rule === rule) return known.listener;
  const listener = make();
  if (listeners.size < listenersMax || known !== undefined)
    listeners.set(slot, { mesh, rule, listener });
  return listener;
}

function slotOf(
  { port, cidr, address }: OutboundTarget,
  { bind, port: bindPort, bindToPort }: Binding,
  context: MemoContext,
): string {
  const { tcpCluster } = outboundTrafficPolicy(context.scope);
  const caches = dnsCachesFor(port.number, context).map(({ name }) => name);
  return JSON.stringify([
    ...[context.variant, bind, bindPort, bindToPort, cidr, address, tcpCluster, caches],
    ...[port.number, port.name, port.protocol],
  ]);
}
