import type { Address } from "#net/address.ts";
import { parseIp } from "../matching/cidr.ts";
import type { ProxyOptions } from "../proxy-options.ts";

const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const bodyMax = 65_535;

/** haproxy's proxy-protocol.txt §2.1. Without addresses of the internet there is nothing to say but UNKNOWN. */
export function writeHeader1({ source, destination }: Omit<ProxyOptions, "toJSON">): Buffer {
  const family = familyOf(source, destination);
  if (family === undefined) return Buffer.from("PROXY UNKNOWN\r\n");
  const from = family === 6 ? mapped(source) : source.ip;
  const to = family === 6 ? mapped(destination) : destination.ip;
  return Buffer.from(`PROXY TCP${family} ${from} ${to} ${source.port} ${destination.port}\r\n`);
}

/** §2.2. TLVs that do not fit any more are left out. */
export function writeHeader2(options: Omit<ProxyOptions, "toJSON">): Buffer {
  const { source, destination, tlvs } = options;
  const family = familyOf(source, destination);
  if (family === undefined) return writeLocalHeader2();
  const parts = [addressBytes(source, family), addressBytes(destination, family)];
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  parts.push(ports);
  let size = family === 6 ? 36 : 12;
  for (const { type, value } of tlvs) {
    if (size + 3 + value.length > bodyMax) continue;
    size += 3 + value.length;
    parts.push(Buffer.from([type, value.length >> 8, value.length & 255]), Buffer.from(value));
  }
  const fixed = Buffer.from([0x21, family === 6 ? 0x21 : 0x11, size >> 8, size & 255]);
  return Buffer.concat([signature, fixed, ...parts]);
}

/** §2.2, LOCAL: the proxy speaks for itself. */
export function writeLocalHeader2(): Buffer {
  return Buffer.concat([signature, Buffer.from([0x20, 0, 0, 0])]);
}

function familyOf(source: Address, destination: Address): 4 | 6 | undefined {
  if (source.family === "pipe" || destination.family === "pipe") return undefined;
  return source.family === 6 || destination.family === 6 ? 6 : 4;
}

function mapped({ ip, family }: Address): string {
  return family === 4 ? `::ffff:${ip}` : ip;
}

function addressBytes({ ip }: Address, family: 4 | 6): Buffer {
  const parsed = parseIp(ip);
  const bytes = Buffer.alloc(16);
  for (const [index, word] of (parsed?.words ?? []).entries()) bytes.writeUInt32BE(word, 4 * index);
  if (family === 4) return bytes.subarray(12);
  if (parsed?.family === 4) bytes.writeUInt16BE(0xffff, 10);
  return bytes;
}
