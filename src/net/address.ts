import { SocketAddress } from "node:net";

/** An IP address and port, or the path of a Unix socket (then `port` is 0). */
export interface Address {
  /** "10.0.0.1", "2001:db8::1" (no brackets), or "/run/x.sock". */
  readonly ip: string;
  readonly port: number;
  readonly family: 4 | 6 | "pipe";
  /** What `addressText` made of it: logs ask for the same few addresses with every request. */
  text?: string | undefined;
}

/** `10.0.0.1:80`, `[2001:db8::1]:80` or `/run/x.sock`: Envoy's spelling in logs, stats and admin pages. */
export function addressText(address: Address): string {
  address.text ??= spelled(address);
  return address.text;
}

function spelled({ ip, port, family }: Address): string {
  if (family === "pipe") return ip;
  return family === 6 ? `[${ip}]:${port}` : `${ip}:${port}`;
}

export function ipAddress(ip: string, port: number): Address {
  return { ip, port, family: ip.includes(":") ? 6 : 4, text: undefined };
}

/** The kernel's spelling of a valid IP address: lower case, the longest run of zero groups as "::". */
export function canonicalIp(ip: string): string {
  return ip.includes(":") ? new SocketAddress({ address: ip, family: "ipv6" }).address : ip;
}

export function pipeAddress(path: string): Address {
  return { ip: path, port: 0, family: "pipe", text: undefined };
}

/** What the system calls take: "@name" is Envoy's spelling of Linux's abstract namespace. */
export function pipePath(path: string): string {
  return path.startsWith("@") ? `\0${path.slice(1)}` : path;
}

export function isLoopback(address: Address): boolean {
  return (
    address.family === "pipe" ||
    address.ip === "::1" ||
    address.ip.startsWith("127.") ||
    address.ip.startsWith("::ffff:127.")
  );
}
