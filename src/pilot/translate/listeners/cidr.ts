import { isIP } from "node:net";
import type { CidrRangeJson } from "#gen/envoy/config/core/v3/address_pb.js";

/** `10.0.0.0/8` or a single address; undefined for what is neither. */
export function cidrRange(text: string): CidrRangeJson | undefined {
  const [address = "", length, ...rest] = text.split("/");
  const family = isIP(address);
  const bits = family === 4 ? 32 : 128;
  const prefixLen = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : 999;
  if (family === 0 || rest.length > 0 || prefixLen > bits) return undefined;
  return { addressPrefix: address, prefixLen };
}

/** The same for all spellings of a range: 10.1.2.3/8 is 10.0.0.0/8. Undefined: no range, or any address. */
export function maskedCidr(text: string): string | undefined {
  const range = cidrRange(text);
  if (range?.addressPrefix === undefined || range.prefixLen === undefined) return undefined;
  if (range.addressPrefix === "0.0.0.0") return undefined;
  const bits = addressBits(range.addressPrefix);
  return `${bits.slice(0, range.prefixLen)}/${bits.length}`;
}

function addressBits(address: string): string {
  if (isIP(address) === 4)
    return address
      .split(".")
      .map((octet) => Number(octet).toString(2).padStart(8, "0"))
      .join("");
  return ipv6Groups(address)
    .map((group) => group.toString(2).padStart(16, "0"))
    .join("");
}

function ipv6Groups(address: string): readonly number[] {
  // URL spells it with all of RFC 5952's rules, an embedded IPv4 address as two groups.
  const text = new URL(`http://[${address.split("%", 1)[0]}]`).hostname.slice(1, -1);
  const [head = "", tail] = text.split("::");
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  if (tail === undefined) return groups(head);
  const [first, last] = [groups(head), groups(tail)];
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}
