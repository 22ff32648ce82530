/** An IP address and port, or the path of a Unix socket (then `port` is 0). */
export interface Address {
  /** "10.0.0.1", "2001:db8::1" (no brackets), or "/run/x.sock". */
  readonly ip: string;
  readonly port: number;
  readonly family: 4 | 6 | "pipe";
}

/** `10.0.0.1:80`, `[2001:db8::1]:80` or `/run/x.sock`: Envoy's spelling in logs, stats and admin pages. */
export function addressText(address: Address): string {
  if (address.family === "pipe") return address.ip;
  return address.family === 6 ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

export function ipAddress(ip: string, port: number): Address {
  return { ip, port, family: ip.includes(":") ? 6 : 4 };
}

export function pipeAddress(path: string): Address {
  return { ip: path, port: 0, family: "pipe" };
}

export function isLoopback(address: Address): boolean {
  return (
    address.family === "pipe" ||
    address.ip === "::1" ||
    address.ip.startsWith("127.") ||
    address.ip.startsWith("::ffff:127.")
  );
}
