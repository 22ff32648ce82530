import { isIP } from "node:net";
import { canonicalIp } from "#net/address.ts";
import { HashableString } from "../hashable.ts";
import { byteText, fromByteText } from "../matching/byte-text.ts";

/** A string that anyone may have set under any key (Envoy's `envoy.string`). A bare string in the state is known to who reads its key alone. */
export class StringState {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }

  toJSON(): string {
    return this.#text;
  }
}

/** Envoy's `envoy.network.ip`: an address without port, whose text has port 0 all the same. */
export class IpState {
  readonly ip: string;

  constructor(ip: string) {
    this.ip = canonicalIp(ip);
  }

  toString(): string {
    return this.ip.includes(":") ? `[${this.ip}]:0` : `${this.ip}:0`;
  }

  /** It has no form as a message. */
  toJSON(): undefined {
    return undefined;
  }
}

/** Makes an object of a byte string; undefined: it cannot be made of this one. */
export type ObjectFactory = (bytes: string) => unknown;

/** Those whose objects something of ours reads, or that are for anyone to read. */
export const objectFactories: ReadonlyMap<string, ObjectFactory> = new Map<string, ObjectFactory>([
  ["envoy.string", (bytes) => new StringState(fromByteText(bytes))],
  ["envoy.hashable_string", (bytes) => new HashableString(bytes)],
  ["envoy.bool", booleanOf],
  ["envoy.network.ip", (bytes) => (isIP(bytes) === 0 ? undefined : new IpState(bytes))],
  ["envoy.tcp_proxy.cluster", fromByteText],
]);

const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  t: true,
  yes: true,
  y: true,
  "1": true,
  false: false,
  f: false,
  no: false,
  n: false,
  "0": false,
};

function booleanOf(bytes: string): boolean | undefined {
  const word = bytes.toLowerCase();
  return Object.hasOwn(booleans, word) ? booleans[word] : undefined;
}

/** A value's text as a byte string; undefined: it has none. */
export function plainText(value: unknown): string | undefined {
  if (typeof value === "string") return byteText(value);
  if (typeof value === "boolean" || typeof value === "number") return String(value);
  if (value instanceof HashableString) return value.toString();
  if (typeof value !== "object" || value === null) return undefined;
  return value.toString === Object.prototype.toString ? undefined : byteText(String(value));
}
