/** The names by which a service is called in the Host header. */
import { isWildcard } from "#model/hostname.ts";
import type { Service } from "#model/service.ts";
import type { OutboundScope } from "../../view.ts";

type Caller = Pick<OutboundScope, "namespace" | "domain" | "dnsCapture">;

export interface Domains {
  readonly domains: readonly string[];
  /** Those of them that are short for a longer name: a service of that very name goes first. */
  readonly short: ReadonlySet<string>;
}

/** `port` undefined: ports in the Host header are ignored. */
export function serviceDomains(
  service: Service,
  {
    aliases,
    port,
    caller,
  }: {
    /** Other names of it. */
    readonly aliases: readonly string[];
    readonly port: number | undefined;
    readonly caller: Caller;
  },
): Domains {
  const short = new Set<string>();
  const domains: string[] = [];
  for (const name of [service.hostname.toLowerCase(), ...aliases]) {
    const others = otherNames(name, caller).flatMap((other) => withPort(other, port));
    for (const other of others) short.add(other);
    domains.push(...withPort(name, port), ...others);
  }
  if (service.resolution === "passthrough" && service.registry === "Kubernetes") {
    // Headless: a pod is called by a name of its own below the service's.
    domains.push(...domains.map((domain) => `*.${domain}`));
  }
  domains.push(...addresses(service, caller).flatMap((address) => withPort(address, port)));
  return { domains, short };
}

/** A VirtualService's host that no service has. */
export function hostDomains(host: string, port: number | undefined): readonly string[] {
  return withPort(host, port);
}

/** `host:port`, with the brackets that an IPv6 address needs. */
export function hostPort(host: string, port: number): string {
  return `${bracketed(host)}:${port}`;
}

function withPort(domain: string, port: number | undefined): string[] {
  return port === undefined ? [bracketed(domain)] : [bracketed(domain), hostPort(domain, port)];
}

function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

function isIPv6(host: string): boolean {
  return host.includes(":") && !host.startsWith("[");
}

/** The absolute name, and in the cluster's domain `name` (to callers of its namespace), `name.ns.svc` and `name.ns`. */
function otherNames(hostname: string, { namespace, domain }: Caller): readonly string[] {
  const absolute = isAddress(hostname) ? [] : [`${hostname}.`];
  const suffix = `.svc.${domain}`;
  if (!hostname.endsWith(suffix)) return absolute;
  const qualified = hostname.slice(0, -suffix.length);
  const dot = qualified.indexOf(".");
  if (dot < 1) return absolute;
  return qualified.slice(dot + 1) === namespace
    ? [...absolute, qualified.slice(0, dot), `${qualified}.svc`, qualified]
    : [...absolute, qualified, `${qualified}.svc`];
}

/** CIDR blocks are left out: no Host header is one. */
function addresses(
  { addresses: own, autoAddress }: Service,
  { dnsCapture }: Caller,
): readonly string[] {
  if (own.length === 0) return dnsCapture && autoAddress !== undefined ? [autoAddress] : [];
  return own
    .map((address) => address.replace(/\/(?:32|128)$/, ""))
    .filter((address) => !address.includes("/") && address !== "0.0.0.0" && address !== "::");
}

function isAddress(host: string): boolean {
  return isIPv6(host) || (!isWildcard(host) && /^[\d.]+$/.test(host));
}
