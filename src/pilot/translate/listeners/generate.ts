/** LDS: a proxy's listeners. */
import { hash } from "node:crypto";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { unreachable } from "#lib/assert.ts";
import { localPortsOf } from "#model/local-ports.ts";
import type { ProxyView } from "../../view.ts";
import { gatewayListeners } from "./gateway.ts";
import { httpProxyListener } from "./http-proxy.ts";
import { inboundListeners } from "./inbound.ts";
import { localOutboundListeners } from "./local-outbound.ts";
import { type OutboundListeners, type OutboundOptions, outboundListeners } from "./outbound.ts";
import type { ListenerProblem } from "./problems.ts";
import { traitsOf } from "./traits.ts";
import { unsupportedSettings } from "./unsupported.ts";
import { virtualOutbound } from "./virtual-outbound.ts";

interface Generated {
  readonly listeners: readonly ListenerJson[];
  readonly problems: readonly ListenerProblem[];
}

const generated = new WeakMap<ProxyView, Generated>();

/** Equal views give equal listeners; those towards others are the same objects for all proxies of a scope. */
export function generateListeners(view: ProxyView): readonly ListenerJson[] {
  return generate(view).listeners;
}

/** What of the configuration has no effect on these listeners, or another one than was meant. */
export function listenerProblems(view: ProxyView): readonly ListenerProblem[] {
  return generate(view).problems;
}

function generate(view: ProxyView): Generated {
  const known = generated.get(view);
  if (known !== undefined) return known;
  const made = listenersOf(view);
  generated.set(view, made);
  return made;
}

function listenersOf(view: ProxyView): Generated {
  switch (view.node.type) {
    case "router":
      return gatewayListeners(view);
    case "sidecar":
      return sidecarListeners(view);
    case "waypoint":
      return {
        listeners: [],
        problems: [{ listener: view.node.id, message: "waypoints are not supported by Heddle" }],
      };
    default:
      return unreachable(view.node.type);
  }
}

function sidecarListeners(view: ProxyView): Generated {
  const { scope, node } = view;
  const traits = traitsOf(view);
  const local = localPortsOf(node.metadata);
  const context = { scope, traits };
  const outbound = sharedOutbound({
    ...context,
    variant: hash("sha1", JSON.stringify(traits)),
    namedPortsOnly: local !== undefined,
  });
  const problems: ListenerProblem[] = [...outbound.problems, ...unsupportedSettings(view, traits)];
  if (local !== undefined)
    problems.push(...local.problems.map((message) => ({ listener: node.id, message })));
  const proxy = httpProxyListener(view, context);
  const inbound = inboundListeners(view, traits);
  const listeners = [
    ...outbound.listeners
      .filter(({ instance }) => instance === undefined || instance !== node.ipAddresses[0])
      .map(({ listener }) => listener),
    ...(local === undefined ? [] : localOutboundListeners(local, context, problems)),
    ...(proxy === undefined ? [] : [proxy]),
    ...(scope.interceptionMode === "NONE" ? [] : [virtualOutbound(context)]),
    ...inbound.listeners,
  ];
  return { listeners, problems: [...problems, ...inbound.problems] };
}

/** More kinds of proxies than these in one scope are made anew each time: whoever connects chooses its metadata. */
const variantsMax = 16;

/** By the scope's key: the same while nothing but endpoints changes. */
const shared = new WeakMap<object, Map<string, OutboundListeners>>();

function sharedOutbound(options: OutboundOptions): OutboundListeners {
  const { scope } = options;
  const variants = shared.get(scope.key) ?? new Map<string, OutboundListeners>();
  shared.set(scope.key, variants);
  const variant = `${options.variant} ${options.namedPortsOnly}`;
  const known = variants.get(variant);
  const holds = known?.endpointsRead.every(
    ({ service, endpoints }) => scope.endpoints(service) === endpoints,
  );
  if (known !== undefined && holds) return known;
  const made = outboundListeners(options);
  if (variants.size < variantsMax || variants.has(variant)) variants.set(variant, made);
  return made;
}
