import type { ConfigObject } from "./object.ts";

/** What a port speaks. `auto`: nobody said, the proxy finds out from the first bytes. */
export type Protocol =
  | "auto"
  | "GRPC"
  | "GRPC-Web"
  | "HTTP"
  | "HTTP_PROXY"
  | "HTTP2"
  | "HTTPS"
  | "Mongo"
  | "MySQL"
  | "Redis"
  | "TCP"
  | "TLS"
  | "UDP";

export interface ServicePort {
  readonly name: string;
  readonly number: number;
  readonly protocol: Protocol;
  /** Where the workload listens, or the name of its port; undefined: the same number. */
  readonly targetPort?: number | string | undefined;
}

/**
 * How callers find a service's endpoints. `static`: Pilot knows them (EDS). `dns`: each address behind the name is an endpoint
 * (STRICT_DNS). `dns-round-robin`: LOGICAL_DNS. `passthrough`: where the caller was going (ORIGINAL_DST). `dynamic-dns`: by the
 * request's host. `alias`: another service's (ExternalName).
 */
export type Resolution =
  | "static"
  | "dns"
  | "dns-round-robin"
  | "passthrough"
  | "dynamic-dns"
  | "alias";

/** What callers name: a host name with ports. From a Kubernetes Service, a ServiceEntry or another registry. */
export interface Service {
  /** Fully qualified, lower case; may begin with `*.`. */
  readonly hostname: string;
  readonly namespace: string;
  /** The short name: a Kubernetes Service's name, or the hostname. */
  readonly name: string;
  readonly ports: readonly ServicePort[];
  /** Addresses and CIDR blocks that clients dial. */
  readonly addresses: readonly string[];
  /** Given to it because it has none of its own (240.240.0.0/16). */
  readonly autoAddress?: string | undefined;
  readonly resolution: Resolution;
  readonly meshExternal: boolean;
  /** Kubernetes' `clusterIP: None`. */
  readonly headless: boolean;
  /** `*`, `.`, `~` or namespaces; defaults of the mesh applied. */
  readonly exportTo: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** The labels of its workloads; undefined: its endpoints are listed. */
  readonly selector?: Readonly<Record<string, string>> | undefined;
  /** What a server's certificate must carry, when the service says so. */
  readonly subjectAltNames: readonly string[];
  /** SPIFFE service accounts (`ns/name`) of its workloads. */
  readonly serviceAccounts: readonly string[];
  readonly creationMs: number;
  /** Which registry brought it: "Kubernetes", "External" (ServiceEntry), ... */
  readonly registry: string;
  readonly externalName?: string | undefined;
  /** Undefined: it has no object of configuration. */
  readonly object?: ConfigObject | undefined;
}

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** `draining`: finish what runs and give it nothing new. `terminating`: about to go. */
export type EndpointHealth = "healthy" | "unhealthy" | "draining" | "terminating";

/** A workload that answers for a service. */
export interface Endpoint {
  /** An IP address, a DNS name, or `unix:///path`. */
  readonly address: string;
  /** The port to dial for each port name of the service; 0 for a Unix socket. */
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly locality: Locality;
  /** 0: none was given, which counts as 1. */
  readonly weight: number;
  readonly health: EndpointHealth;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly network: string;
  readonly clusterId: string;
  readonly workloadName: string;
  readonly hostname?: string | undefined;
  readonly nodeName?: string | undefined;
  /** The id of the only proxy that it belongs to; undefined: of whichever has the address. */
  readonly proxyId?: string | undefined;
}
