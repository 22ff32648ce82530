/** Host names and addresses in rules: undefined, or what is wrong. */
import { isIP } from "node:net";

/** Istio's labels may have capitals. */
const label = /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/;
/** `*`, `*-canary`, `reviews`. */
const wildcardLabel = /^(?:\*|(?:\*|\*-)?[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)$/;

export function isLabel(text: string): boolean {
  return text.length <= 63 && label.test(text);
}

/** A name without a wildcard; a dot at its end is taken. */
export function fqdnProblem(name: string): string | undefined {
  return lengthProblem(name) ?? labelsProblem(name, name);
}

/** A name that may begin with a wildcard: `*`, `*.example.com`. */
export function wildcardHostProblem(name: string): string | undefined {
  const problem = lengthProblem(name);
  if (problem !== undefined) return problem;
  const dot = name.indexOf(".");
  const first = dot < 0 ? name : name.slice(0, dot);
  if (first.length > 63 || !wildcardLabel.test(first)) return invalidHost(name, first);
  return dot < 0 ? undefined : labelsProblem(name, name.slice(dot + 1));
}

/** The same, where SNI may also be Istio's own (`outbound_.80_.v1_.reviews.default.svc.cluster.local`). */
export function sniHostProblem(name: string): string | undefined {
  if (/^outbound_\.\d+_\.[^.]*_?\..+$/.test(name)) return lengthProblem(name);
  return wildcardHostProblem(name);
}

/** `*foo.com` is a wildcard inside a label, which nothing can match with. */
export function partialWildcardProblem(name: string): string | undefined {
  if (!name.includes("*") || name === "*" || name.startsWith("*.")) return undefined;
  return `"${name}": a wildcard stands for whole labels, such as "*.example.com"`;
}

function lengthProblem(name: string): string | undefined {
  if (name === "") return "must not be empty";
  return name.length > 255 ? `"${name.slice(0, 40)}..." is longer than 255 characters` : undefined;
}

function labelsProblem(name: string, rest: string): string | undefined {
  const labels = rest.split(".");
  const last = labels.at(-1) ?? "";
  if (/^[+-]?\d+$/.test(last)) {
    return `"${name}" is not a host name: its last label is a number`;
  }
  // A dot at the end: `istio.io.`
  const bad = (last === "" && labels.length > 1 ? labels.slice(0, -1) : labels).find(
    (part) => !isLabel(part),
  );
  return bad === undefined ? undefined : invalidHost(name, bad);
}

function invalidHost(name: string, part: string): string {
  const why = part === "" ? "a label is empty" : `"${part}" is not a label`;
  return `"${name}" is not a host name: ${why}`;
}

export function isAddress(text: string): boolean {
  return isIP(text) !== 0;
}

export function addressProblem(text: string): string | undefined {
  return isAddress(text) ? undefined : `"${text}" is not an IP address`;
}

/** `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`. */
export function subnetProblem(text: string): string | undefined {
  const [address = "", bits, ...more] = text.split("/");
  const family = isIP(address);
  if (bits === undefined) return addressProblem(text);
  const valid =
    family !== 0 &&
    !address.includes("%") &&
    more.length === 0 &&
    /^(?:0|[1-9]\d{0,2})$/.test(bits) &&
    Number(bits) <= (family === 4 ? 32 : 128);
  return valid ? undefined : `"${text}" is not an IP address or CIDR block`;
}

/** What follows `unix://`. */
export function socketPathProblem(path: string): string | undefined {
  if (path === "") return "the path of a Unix socket must not be empty";
  // Abstract sockets have no file.
  if (path.startsWith("@")) return undefined;
  if (path.startsWith("/") && !path.endsWith("/")) return undefined;
  return `"${path}" is not the absolute path of a file`;
}

export const unixPrefix = "unix://";

/** `host:port`, of names and addresses. */
export function hostPortProblem(text: string): string | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text);
  if (match === null) return `"${text}" is not host:port`;
  const host = match[1] ?? match[2] ?? "";
  const port = Number(match[3]);
  if (port < 1 || port > 65_535) return `"${text}": the port is not between 1 and 65535`;
  return isAddress(host) ? undefined : fqdnProblem(host);
}
