import type { GatewayJson, ServerJson } from "#gen/istio/networking/v1alpha3/gateway_pb.js";
import type { InboundPort } from "#model/local-ports.ts";
import type { ConfigObject } from "#model/object.ts";
import { isHttp, protocolOf } from "#model/protocol.ts";
import type { MergedPort, MergedServer, ServiceTarget } from "../view.ts";

export type Gateway = ConfigObject<GatewayJson>;

/** Annotated so, a Service of gateways does not move their ports. */
const noTranslationLabel = "experimental.istio.io/disable-gateway-port-translation";

/** A server that another one is in the way of. */
export interface RejectedServer {
  readonly object: Gateway;
  /** Place in the Gateway's `servers`. */
  readonly index: number;
  readonly reason: string;
}

export interface MergedGateways {
  readonly ports: readonly MergedPort[];
  readonly rejected: readonly RejectedServer[];
}

/** Where a gateway listens for the ports that Gateways name. */
export interface GatewayPlaces {
  /** Of Services before it. */
  readonly targets: readonly ServiceTarget[];
  /** On a host that it shares with others (`HEDDLE_INBOUND`). */
  readonly local?: readonly InboundPort[];
}

/** What all Gateways that select a proxy ask of it, by port. `gateways`: the oldest first, which wins a conflict. */
export function mergeGateways(
  gateways: readonly Gateway[],
  { targets, local = [] }: GatewayPlaces,
): MergedGateways {
  const merge = new Merge();
  for (const object of gateways) {
    for (const [index, written] of (object.spec.servers ?? []).entries()) {
      const server = {
        ...written,
        hosts: fullHosts(written.hosts ?? [], object.metadata.namespace),
      };
      const place = placeOf(written, { targets, local });
      const reason = merge.add({ object, index, server, ...place });
      if (reason !== undefined) merge.rejected.push({ object, index, reason });
    }
  }
  return { ports: merge.finish(), rejected: merge.rejected };
}

interface Asked {
  readonly object: Gateway;
  readonly index: number;
  readonly server: ServerJson;
  readonly port: number;
  readonly bind: string;
}

interface Group {
  readonly port: number;
  readonly bind: string;
  readonly plainText: boolean;
  readonly protocol: string;
  readonly servers: MergedServer[];
}

class Merge {
  readonly rejected: RejectedServer[] = [];
  /** By port and bind. */
  readonly #groups: Map<string, Group> = new Map();
  readonly #routeNames: Set<string> = new Set();
  /** Port, bind and host of TLS servers: two with the same would be two filter chains with the same match. */
  readonly #tlsHosts: Set<string> = new Set();

  finish(): readonly MergedPort[] {
    return [...this.#groups.values()].map(({ port, bind, servers }) => ({ port, bind, servers }));
  }

  /** The reason when the server cannot be merged. */
  add(asked: Asked): string | undefined {
    const { server, port, bind } = asked;
    if (port === 0) return "the server has no port";
    const routeName = routeNameOf(asked);
    const tlsHosts = server.tls === undefined ? [] : this.#hostKeys(asked);
    if (tlsHosts.some((key) => this.#tlsHosts.has(key)))
      return `another TLS server of port ${port} has the same host`;
    const group = this.#groups.get(`${port} ${bind}`);
    const reason = group === undefined ? undefined : this.#conflict(group, asked, routeName);
    if (reason !== undefined) return reason;
    for (const key of tlsHosts) this.#tlsHosts.add(key);
    if (routeName !== undefined) this.#routeNames.add(routeName);
    this.#place(group, asked, routeName);
    return undefined;
  }

  #hostKeys({ server, port, bind }: Asked): readonly string[] {
    return (server.hosts ?? []).map((host) => `${port} ${bind} ${host}`);
  }

  #conflict(group: Group, { server }: Asked, routeName: string | undefined): string | undefined {
    const protocol = protocolOf(server.port?.protocol);
    if (group.plainText) {
      const http = isHttp(protocol);
      if (!http || !isHttp(protocolOf(group.protocol)))
        return `port ${group.port} is already used with ${group.protocol}`;
      return undefined;
    }
    // On a TLS port servers are told apart by the name that the client asks for.
    if (server.tls === undefined || isHttp(protocol))
      return `port ${group.port} is already used with ${group.protocol}, this server has no TLS`;
    if (routeName !== undefined && this.#routeNames.has(routeName))
      return `another HTTPS server is called ${routeName}; give its port another name`;
    return undefined;
  }

  #place(known: Group | undefined, asked: Asked, routeName: string | undefined): void {
    const { object, index, server, port, bind } = asked;
    const group = known ?? {
      port,
      bind,
      plainText: !isTlsServer(server),
      protocol: server.port?.protocol ?? "",
      servers: [],
    };
    this.#groups.set(`${port} ${bind}`, group);
    const gateway = `${object.metadata.namespace}/${object.metadata.name}`;
    group.servers.push({ server, gateway, object, index, routeName });
  }
}

/** HTTP in plain text has no TLS of its own, whatever its `tls` says (a redirect to HTTPS). */
export function isTlsServer({ tls, port }: ServerJson): boolean {
  return tls !== undefined && !isHttp(protocolOf(port?.protocol));
}

export function isPassthrough({ tls }: ServerJson): boolean {
  return (
    tls?.mode === "AUTO_PASSTHROUGH" ||
    (tls !== undefined && (tls.mode ?? "PASSTHROUGH") === "PASSTHROUGH")
  );
}

/** HTTP servers of a port share one; each HTTPS server has its own. */
function routeNameOf({ object, server, port }: Asked): string | undefined {
  const protocol = protocolOf(server.port?.protocol);
  const bind = server.bind ? `.${server.bind}` : "";
  if (isHttp(protocol)) return `http.${port}${bind}`;
  if (protocol !== "HTTPS" || isPassthrough(server)) return undefined;
  const { name, namespace } = object.metadata;
  return `https.${server.port?.number}.${server.port?.name ?? ""}.${name}.${namespace}${bind}`;
}

/** The gateway's own port for it, else the target port of the first Service that stands before the proxy and has it, else the port itself. */
function placeOf(
  { port: asked, bind = "" }: ServerJson,
  { targets, local = [] }: GatewayPlaces,
): Pick<Asked, "port" | "bind"> {
  const number = asked?.number ?? 0;
  const own = local.find(({ servicePort }) => servicePort === number);
  if (own !== undefined) return { port: own.port, bind: bind || own.bind };
  const target = targets.find(
    ({ service, port }) =>
      port.number === number && service.labels[noTranslationLabel] === undefined,
  );
  return { port: target?.targetPort ?? number, bind };
}

/** `./host` is the Gateway's own namespace's; `*` before the slash says nothing. */
function fullHosts(hosts: readonly string[], namespace: string): string[] {
  if (hosts.includes("*/*")) return ["*"];
  return hosts.map((host) => {
    const [of, name] = host.split("/", 2);
    if (name === undefined || of === undefined) return host.toLowerCase();
    if (of === "*") return name.toLowerCase();
    return `${of === "." ? namespace : of}/${name.toLowerCase()}`;
  });
}
