import { isIP } from "node:net";
import type { CidrRangeJson } from "#gen/envoy/config/core/v3/address_pb.js";
import { refuse } from "#lib/config-error.ts";

/** A network: four 32-bit words (IPv4 in the last), and how many bits count. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly words: Uint32Array;
  readonly bits: number;
}

export function compileCidr(config: CidrRangeJson): Cidr {
  const text = config.addressPrefix ?? "";
  const words = parseIp(text);
  if (words === undefined) throw refuse("address_prefix", `malformed IP address: ${text}`);
  const family = isIP(text) === 6 ? 6 : 4;
  const max = family === 4 ? 32 : 128;
  const bits = config.prefixLen ?? 0;
  if (bits > max) throw refuse("prefix_len", `${bits} is more than the ${max} bits of ${text}`);
  return { family, words: masked(words, family, bits), bits };
}

/** Undefined when `text` is no IP address. An IPv4-mapped IPv6 address is its IPv4 address. */
export function parseIp(text: string): Uint32Array | undefined {
  const kind = isIP(text);
  if (kind === 4) return fromV4(text);
  if (kind !== 6) return undefined;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text);
  return mapped === null ? fromV6(text) : fromV4(mapped[1] ?? "");
}

function fromV4(text: string): Uint32Array {
  let value = 0;
  for (const part of text.split(".")) value = value * 256 + Number(part);
  return new Uint32Array([0, 0, 0, value]);
}

function fromV6(text: string): Uint32Array {
  const plain = text.split("%")[0] ?? "";
  const [head = "", tail] = plain.split("::");
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all =
    tail === undefined
      ? left
      : [
          ...left,
          ...new Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0),
          ...right,
        ];
  const words = new Uint32Array(4);
  for (let i = 0; i < 4; i++) words[i] = (all[2 * i] ?? 0) * 65_536 + (all[2 * i + 1] ?? 0);
  return words;
}

function groups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

function masked(words: Uint32Array, family: 4 | 6, bits: number): Uint32Array {
  const out = new Uint32Array(words);
  const skip = family === 4 ? 96 : 0;
  for (let i = 0; i < 4; i++) out[i] = ((out[i] ?? 0) & mask(skip + bits - 32 * i)) >>> 0;
  return out;
}

function mask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;
}

export function cidrContains(cidr: Cidr, ip: string): boolean {
  const words = parseIp(ip);
  if (words === undefined) return false;
  const isV4 = !ip.includes(":") || /^::ffff:\d+\./i.test(ip);
  if (isV4 !== (cidr.family === 4)) return false;
  const bits = masked(words, cidr.family, cidr.bits);
  return (
    bits[0] === cidr.words[0] &&
    bits[1] === cidr.words[1] &&
    bits[2] === cidr.words[2] &&
    bits[3] === cidr.words[3]
  );
}
