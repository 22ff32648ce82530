import { isIP } from "node:net";
import { type Address, canonicalIp, ipAddress } from "#net/address.ts";
import type { ProxyTlv } from "../../../proxy-options.ts";

/** A PROXY protocol header (haproxy's proxy-protocol.txt, versions 1 and 2). `size`: how many bytes it takes. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  readonly size: number;
  /** undefined: LOCAL or UNKNOWN, the connection's own addresses hold. */
  readonly addresses: { readonly source: Address; readonly destination: Address } | undefined;
  readonly tlvs: readonly ProxyTlv[];
}

/** `more`: may become one. `none`: the bytes are no PROXY header. `bad`: they are a broken one. `endless`: a line without end. */
export type HeaderOutcome = ProxyHeader | "more" | "none" | "bad" | "endless";

export interface HeaderVersions {
  readonly v1: boolean;
  readonly v2: boolean;
}

const signature2 = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const signature1 = Buffer.from("PROXY ", "latin1");
/** Section 2.1: the longest line of version 1. */
const lineMax = 108;

export const headerBytesMax: number = 16 + 65_535;

/** `versions`: the signatures that are looked for. */
export function parseProxyHeader(bytes: Buffer, versions: HeaderVersions): HeaderOutcome {
  if (versions.v2 && begins(bytes, signature2)) return bytes.length < 16 ? "more" : parse2(bytes);
  if (versions.v1 && begins(bytes, signature1))
    return bytes.length < signature1.length ? "more" : parse1(bytes);
  return "none";
}

/** Whether what is there agrees with the signature, as far as it goes. */
function begins(bytes: Buffer, signature: Buffer): boolean {
  const size = Math.min(bytes.length, signature.length);
  return size > 0 && bytes.compare(signature, 0, size, 0, size) === 0;
}

function parse1(bytes: Buffer): HeaderOutcome {
  const text = bytes.toString("latin1", 0, Math.min(bytes.length, lineMax));
  const end = text.indexOf("\r\n");
  if (end === -1) {
    if (text.length < lineMax) return "more";
    return bytes.indexOf("\r\n") === -1 ? "endless" : "bad";
  }
  const size = end + 2;
  const words = text.slice(0, end).split(" ");
  if (words[1] === "UNKNOWN") return { version: 1, size, addresses: undefined, tlvs: [] };
  const [, family, source = "", destination = "", sourcePort = "", destinationPort = ""] = words;
  const wanted = family === "TCP4" ? 4 : family === "TCP6" ? 6 : -1;
  if (words.length !== 6) return "bad";
  const from = addressOf(source, sourcePort, wanted);
  const to = addressOf(destination, destinationPort, wanted);
  if (from === undefined || to === undefined) return "bad";
  return { version: 1, size, addresses: { source: from, destination: to }, tlvs: [] };
}

function addressOf(ip: string, port: string, family: number): Address | undefined {
  if (isIP(ip) !== family || !/^\d{1,5}$/.test(port) || Number(port) > 65_535) return undefined;
  // A zone (RFC 4007) means something on the sender's machine only.
  if (ip.includes("%")) return undefined;
  return unicast(canonicalIp(ip), Number(port));
}

/** A client is no group, and not nobody. */
function unicast(ip: string, port: number): Address | undefined {
  const isGroup = ip.includes(":") ? ip.startsWith("ff") : Number(ip.split(".")[0]) >> 4 === 14;
  if (isGroup || ip === "0.0.0.0" || ip === "255.255.255.255" || ip === "::") return undefined;
  return ipAddress(ip, port);
}

function parse2(bytes: Buffer): HeaderOutcome {
  const versionCommand = bytes.readUInt8(12);
  const size = 16 + bytes.readUInt16BE(14);
  if (versionCommand >> 4 !== 2 || (versionCommand & 15) > 1) return "bad";
  if (bytes.length < size) return "more";
  // LOCAL: whatever follows is not for us (section 2.2).
  if ((versionCommand & 15) === 0) return { version: 2, size, addresses: undefined, tlvs: [] };
  const family = bytes.readUInt8(13);
  // IPv4 or IPv6, stream or datagram: the addresses are spelled alike.
  const width = family >> 4 === 1 ? 4 : family >> 4 === 2 ? 16 : 0;
  const isKnown = (family & 15) === 1 || (family & 15) === 2;
  const body = bytes.subarray(16, size);
  const fixed = 2 * width + 4;
  if (width === 0 || !isKnown || body.length < fixed) return "bad";
  const source = unicast(ipText(body.subarray(0, width)), body.readUInt16BE(2 * width));
  const destination = unicast(
    ipText(body.subarray(width, 2 * width)),
    body.readUInt16BE(2 * width + 2),
  );
  const tlvs = parseTlvs(body.subarray(fixed));
  if (source === undefined || destination === undefined || tlvs === undefined) return "bad";
  return { version: 2, size, addresses: { source, destination }, tlvs };
}

function parseTlvs(bytes: Buffer): readonly ProxyTlv[] | undefined {
  const tlvs: ProxyTlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < 3) return undefined;
    const size = bytes.readUInt16BE(at + 1);
    if (bytes.length - at - 3 < size) return undefined;
    tlvs.push({
      type: bytes.readUInt8(at),
      value: Buffer.from(bytes.subarray(at + 3, at + 3 + size)),
    });
    at += 3 + size;
  }
  return tlvs;
}

function ipText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(bytes.readUInt16BE(at).toString(16));
  return canonicalIp(groups.join(":"));
}
