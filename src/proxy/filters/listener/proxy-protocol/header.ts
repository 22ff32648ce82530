import { isIP } from "node:net";
import { type Address, ipAddress } from "#net/address.ts";

/** A PROXY protocol header (haproxy's proxy-protocol.txt, versions 1 and 2). `size`: how many bytes it takes. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  readonly size: number;
  /** undefined: LOCAL or UNKNOWN, the connection's own addresses hold. */
  readonly addresses: { readonly source: Address; readonly destination: Address } | undefined;
  readonly tlvs: readonly { readonly type: number; readonly value: Buffer }[];
}

/** `more`: may become one. `none`: the bytes are no PROXY header. `bad`: they are a broken one. */
export type HeaderOutcome = ProxyHeader | "more" | "none" | "bad";

const signature2 = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const signature1 = Buffer.from("PROXY ", "latin1");
/** Section 2.1: the longest line of version 1. */
const lineMax = 108;

export const headerBytesMax: number = 16 + 65_535;

export function parseProxyHeader(bytes: Buffer): HeaderOutcome {
  if (begins(bytes, signature2)) return bytes.length < 16 ? "more" : parse2(bytes);
  if (begins(bytes, signature1)) return bytes.length < signature1.length ? "more" : parse1(bytes);
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
  if (end === -1) return text.length >= lineMax ? "bad" : "more";
  const size = end + 2;
  const words = text.slice(0, end).split(" ");
  if (words[1] === "UNKNOWN") return { version: 1, size, addresses: undefined, tlvs: [] };
  const [, family, source = "", destination = "", sourcePort = "", destinationPort = ""] = words;
  const wanted = family === "TCP4" ? 4 : family === "TCP6" ? 6 : -1;
  if (words.length !== 6 || isIP(source) !== wanted || isIP(destination) !== wanted) return "bad";
  const from = portOf(sourcePort);
  const to = portOf(destinationPort);
  if (from === undefined || to === undefined) return "bad";
  return {
    version: 1,
    size,
    addresses: { source: ipAddress(source, from), destination: ipAddress(destination, to) },
    tlvs: [],
  };
}

function portOf(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

function parse2(bytes: Buffer): HeaderOutcome {
  const versionCommand = bytes.readUInt8(12);
  const length = bytes.readUInt16BE(14);
  const size = 16 + length;
  if (versionCommand >> 4 !== 2 || (versionCommand & 15) > 1) return "bad";
  if (bytes.length < size) return "more";
  const body = bytes.subarray(16, size);
  const isLocal = (versionCommand & 15) === 0;
  const family = bytes.readUInt8(13);
  if (isLocal) return { version: 2, size, addresses: undefined, tlvs: [] };
  // 0x11: TCP over IPv4, 0x21: TCP over IPv6; a stream has no other.
  if (family !== 0x11 && family !== 0x21) return "bad";
  const width = family === 0x11 ? 4 : 16;
  const fixed = 2 * width + 4;
  if (body.length < fixed) return "bad";
  const tlvs = parseTlvs(body.subarray(fixed));
  if (tlvs === undefined) return "bad";
  const source = ipAddress(ipText(body.subarray(0, width)), body.readUInt16BE(2 * width));
  const destination = ipAddress(
    ipText(body.subarray(width, 2 * width)),
    body.readUInt16BE(2 * width + 2),
  );
  return { version: 2, size, addresses: { source, destination }, tlvs };
}

function parseTlvs(bytes: Buffer): ProxyHeader["tlvs"] | undefined {
  const tlvs: { type: number; value: Buffer }[] = [];
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
  // The kernel's spelling: the longest run of zero groups is "::".
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}
