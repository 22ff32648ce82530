/** `HEDDLE_OUTBOUND`: listeners of one service each, on a host that many sidecars share. */
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { resolveHost } from "#model/hostname.ts";
import type { LocalPorts, OutboundPort } from "#model/local-ports.ts";
import type { VirtualService } from "../../view.ts";
import { type Chain, httpProtocols } from "./chain.ts";
import { listenerName, outboundListener } from "./listener.ts";
import { httpChain, type OutboundTarget, tcpChains } from "./outbound-chains.ts";
import { listenerProtocol } from "./outbound-table.ts";
import type { ListenerProblem } from "./problems.ts";
import type { TcpContext } from "./tcp-proxy.ts";

export function localOutboundListeners(
  { outbound }: LocalPorts,
  context: TcpContext,
  problems: ListenerProblem[],
): readonly ListenerJson[] {
  return outbound.flatMap((place) => {
    const target = targetOf(place, context);
    const name = listenerName({ bind: place.bind, port: place.bindPort });
    const chains = target === undefined ? [] : chainsOf(name, target, context);
    if (chains.length === 0) {
      problems.push({
        listener: name,
        message: `no service that this proxy may call is ${place.host} with port ${place.port}: connections are refused`,
      });
      return [];
    }
    const binding = { bind: place.bind, port: place.bindPort, bindToPort: true };
    return [outboundListener(binding, chains, context)];
  });
}

function targetOf(place: OutboundPort, { scope }: TcpContext): OutboundTarget | undefined {
  const { namespace, domain } = scope;
  const service =
    scope.service(resolveHost(place.host, { namespace, domain })) ?? scope.service(place.host);
  const port = service?.ports.find(({ number }) => number === place.port);
  if (service === undefined || port === undefined) return undefined;
  return {
    service,
    port,
    bind: place.bind,
    cidr: undefined,
    address: place.bind,
    virtualServices: rulesOf(service.hostname, scope.egress),
  };
}

/** Those of the egress listener that lets the service in. */
function rulesOf(
  hostname: string,
  egress: TcpContext["scope"]["egress"],
): readonly VirtualService[] {
  const found = egress.findLast(({ services }) =>
    services.some((service) => service.hostname === hostname),
  );
  return found?.virtualServices ?? [];
}

/** The client names nobody, or itself, in its Host header: the routes are those of one service, under any name. */
function chainsOf(name: string, target: OutboundTarget, context: TcpContext): readonly Chain[] {
  const { service, port } = target;
  const http = (): Chain =>
    httpChain(
      {
        name,
        protocol: port.protocol,
        routes: `${service.hostname}:${port.number}`,
        port: port.number,
      },
      context,
    );
  switch (listenerProtocol(port.protocol)) {
    case "http":
      return [http()];
    case "tcp":
      return tcpChains(target, context);
    case "auto":
      return [
        ...tcpChains(target, context),
        {
          ...http(),
          applicationProtocols: httpProtocols(context.traits),
          transportProtocol: "raw_buffer",
        },
      ];
    default:
      return [];
  }
}
