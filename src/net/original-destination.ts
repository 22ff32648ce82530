import { type Address, canonicalIp, ipAddress } from "./address.ts";
import { libc } from "./libc.ts";

const ipLevel = 0;
const ipv6Level = 41;
/** linux/netfilter_ipv4.h and netfilter_ipv6/ip6_tables.h: SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST. */
const originalDestinationOption = 80;

/** Load what `originalDestination` needs, so that a machine without it refuses a configuration and not a connection. */
export function prepareOriginalDestination(): void {
  libc();
}

/** Where the client wanted to go before iptables redirected the connection here; undefined: it was not redirected. */
export function originalDestination(
  fileDescriptor: number,
  family: Address["family"],
): Address | undefined {
  if (family === "pipe") return undefined;
  const value = Buffer.alloc(28);
  const size = new Uint32Array([family === 4 ? 16 : 28]);
  const level = family === 4 ? ipLevel : ipv6Level;
  if (libc().getsockopt(fileDescriptor, level, originalDestinationOption, value, size) !== 0)
    return undefined;
  const port = value.readUInt16BE(2);
  if (family === 4) return ipAddress(value.subarray(4, 8).join("."), port);
  const groups: string[] = [];
  for (let at = 8; at < 24; at += 2) groups.push(value.readUInt16BE(at).toString(16));
  return ipAddress(canonicalIp(groups.join(":")), port);
}
