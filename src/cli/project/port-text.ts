import { type AppProtocol, appProtocols, type PortSpec, type UpstreamSpec } from "./project.ts";

/** `9080`, `9080:3000` (others call 9080, the program listens on 3000), `9090/grpc`. A text as result: what is wrong. */
export function parsePort(text: string): PortSpec | string {
  const [, port = "", target, protocol = "http"] =
    text.match(/^(\d+)(?::(\d+))?(?:\/([a-z0-9]+))?$/) ?? [];
  if (port === "") return `"${text}" is not a port such as 9080, 9080:3000 or 9090:50051/grpc`;
  const known = appProtocols.find((name) => name === protocol);
  if (known === undefined) return `"${protocol}" is none of ${appProtocols.join(", ")}`;
  const outside = [port, target].find((digits) => digits !== undefined && !isPort(digits));
  if (outside !== undefined) return `${outside} is not a port from 1 to 65535`;
  return {
    port: Number(port),
    target: target === undefined ? undefined : Number(target),
    protocol: known,
    name: portName(known, Number(port)),
  };
}

/** `mongodb:27017`, `ratings.shop:9080` */
export function parseUpstream(text: string): UpstreamSpec | string {
  const [, host = "", port = ""] = text.match(/^([a-zA-Z0-9][a-zA-Z0-9.-]*):(\d+)$/) ?? [];
  if (host === "" || !isPort(port))
    return `"${text}" is not a host and a port, such as mongodb:27017`;
  return { host: host.toLowerCase(), port: Number(port) };
}

/** The protocol is in the name, as Istio reads it. */
export function portName(protocol: AppProtocol, port: number): string {
  return `${protocol}-${port}`;
}

function isPort(digits: string): boolean {
  return Number(digits) >= 1 && Number(digits) <= 65_535;
}
