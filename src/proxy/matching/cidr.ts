import { isIP } from "node:net";
import type { CidrRangeJson } from "#gen/envoy/config/core/v3/address_pb.js";
import { refuse } from "#lib/config-error.ts";
import { canonicalIp } from "#net/address.ts";

/** An IP address: four 32-bit words, an IPv4 address in the last. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly words: Uint32Array;
}

/** A network: how many bits of its address count, and a mask for each word. */
export interface Cidr extends IpAddress {
  readonly bits: number;
  readonly masks: Uint32Array;
}

export function compileCidr(config: CidrRangeJson): Cidr {
  const text = config.addressPrefix ?? "";
  const address = parseIp(text);
  if (address === undefined) throw refuse("address_prefix", `malformed IP address: ${text}`);
  const { family } = address;
  const bits = config.prefixLen ?? 0;
  const max = family === 4 ? 32 : 128;
  if (bits > max) throw refuse("prefix_len", `${bits} is more than the ${max} bits of ${text}`);
  const skip = 128 - max;
  const masks = new Uint32Array(4).map((_, index) => wordMask(skip + bits - 32 * index));
  const words = address.words.map((word, index) => word & (masks[index] ?? 0));
  return { family, words, bits, masks };
}

/** `10.1.0.0/16`, `2001:db8::/32`: the network's own address and its length. */
export function cidrText({ family, words, bits }: Cidr): string {
  if (family === 4) {
    const word = words[3] ?? 0;
    return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}/${bits}`;
  }
  const groupsText = [...words].map(
    (word) => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`,
  );
  return `${canonicalIp(groupsText.join(":"))}/${bits}`;
}

function wordMask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;
}

export function cidrContains(cidr: Cidr, ip: string): boolean {
  if (cidr.family === 4) {
    // The usual case, for each request: nothing is allocated.
    const word = ip === lastDotted ? lastWord : rememberedWord(ip);
    if (word >= 0) return ((word ^ (cidr.words[3] ?? 0)) & (cidr.masks[3] ?? 0)) === 0;
  }
  if (!ip.includes(":")) return false;
  const address = rememberedIp(ip);
  return address !== undefined && networkHas(cidr, address);
}

let lastDotted = "";
let lastWord = -1;

/** A list of networks is asked about one address: it is read once. */
function rememberedWord(text: string): number {
  lastDotted = text;
  lastWord = dottedWord(text);
  return lastWord;
}

let lastText = "";
let lastAddress: IpAddress | undefined;

function rememberedIp(text: string): IpAddress | undefined {
  if (text !== lastText) {
    lastAddress = parseIp(text);
    lastText = text;
  }
  return lastAddress;
}

/** An IPv4 address as a number; -1: `text` is none. As `isIP`, without leading zeros. */
function dottedWord(text: string): number {
  let word = 0;
  let part = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit >= 0 && digit <= 9) {
      if (part === 0) return -1;
      part = part < 0 ? digit : part * 10 + digit;
      if (part > 255) return -1;
    } else {
      // "." is two before "0".
      if (digit !== -2 || part < 0 || ++dots > 3) return -1;
      word = word * 256 + part;
      part = -1;
    }
  }
  return dots === 3 && part >= 0 ? word * 256 + part : -1;
}

export function networkHas({ family, words, masks }: Cidr, address: IpAddress): boolean {
  if (family !== address.family) return false;
  for (let i = family === 4 ? 3 : 0; i < 4; i++) {
    // The difference of two 32-bit words under a mask, whatever their signs.
    if ((((address.words[i] ?? 0) ^ (words[i] ?? 0)) & (masks[i] ?? 0)) !== 0) return false;
  }
  return true;
}

/** Undefined when `text` is no IP address. An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) is its IPv4 address. */
export function parseIp(text: string): IpAddress | undefined {
  const kind = isIP(text);
  if (kind === 4) return { family: 4, words: new Uint32Array([0, 0, 0, v4Word(text)]) };
  if (kind !== 6) return undefined;
  const words = v6Words(text);
  const [a = 0, b = 0, c = 0, d = 0] = words;
  if (a !== 0 || b !== 0 || c !== 0xffff) return { family: 6, words };
  return { family: 4, words: new Uint32Array([0, 0, 0, d]) };
}

function v4Word(text: string): number {
  let value = 0;
  for (const part of text.split(".")) value = value * 256 + Number(part);
  return value;
}

function v6Words(text: string): Uint32Array {
  // RFC 4007 §11: a zone follows "%".
  const plain = text.split("%")[0] ?? "";
  const [head = "", tail = ""] = plain.split("::");
  const left = groups(head);
  const right = groups(tail);
  const words = new Uint32Array(4);
  for (let i = 0; i < 8; i++) {
    const group = i < left.length ? left[i] : right[i - 8 + right.length];
    words[i >> 1] = (words[i >> 1] ?? 0) * 65_536 + (group ?? 0);
  }
  return words;
}

/** An address may end in dotted decimals, which are two groups (RFC 4291 §2.2). */
function groups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [Number.parseInt(part, 16)];
    const word = v4Word(part);
    return [Math.floor(word / 65_536), word % 65_536];
  });
}
