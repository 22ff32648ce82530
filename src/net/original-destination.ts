import { createRequire } from "node:module";
import { type Address, canonicalIp, ipAddress } from "./address.ts";

/** `getsockopt(2)` with the address family of the socket. */
type GetSocketOption = (
  fileDescriptor: number,
  level: number,
  option: number,
  value: Buffer,
  size: Uint32Array,
) => number;

const ipLevel = 0;
const ipv6Level = 41;
/** linux/netfilter_ipv4.h and netfilter_ipv6/ip6_tables.h: SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST. */
const originalDestinationOption = 80;

let loaded: GetSocketOption | undefined;

/** libc by FFI, loaded with the first listener that asks: the runtime offers no socket options. */
function getSocketOption(): GetSocketOption {
  if (loaded === undefined) {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    const libc = koffi.load(null);
    loaded = libc.func(
      "int getsockopt(int, int, int, _Out_ uint8_t *value, _Inout_ uint32_t *size)",
    ) as unknown as GetSocketOption;
  }
  return loaded;
}

/** Load what `originalDestination` needs, so that a machine without it refuses a configuration and not a connection. */
export function prepareOriginalDestination(): void {
  getSocketOption();
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
  if (getSocketOption()(fileDescriptor, level, originalDestinationOption, value, size) !== 0)
    return undefined;
  const port = value.readUInt16BE(2);
  if (family === 4) return ipAddress(value.subarray(4, 8).join("."), port);
  const groups: string[] = [];
  for (let at = 8; at < 24; at += 2) groups.push(value.readUInt16BE(at).toString(16));
  return ipAddress(canonicalIp(groups.join(":")), port);
}
