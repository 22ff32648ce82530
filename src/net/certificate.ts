import type { X509Certificate } from "node:crypto";
import { isIPv6, SocketAddress } from "node:net";

/** The subject alternative names of one kind each, as text. */
export interface AltNames {
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  readonly email: readonly string[];
  readonly ip: readonly string[];
}

const kinds: Readonly<Record<string, keyof AltNames>> = {
  DNS: "dns",
  URI: "uri",
  email: "email",
  "IP Address": "ip",
};

/**
 * The runtime prints names as `DNS:a, URI:b`, and one that is not plain text as a JSON string (`DNS:"a, DNS:b"`), so that no name can
 * look like two. What cannot be read so is left out, and matches nothing.
 */
export function parseAltNames(printed: string | undefined): AltNames {
  const names = { dns: [], uri: [], email: [], ip: [] } as Record<keyof AltNames, string[]>;
  const entry = /\s*([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:,|$)/y;
  const text = printed ?? "";
  while (entry.lastIndex < text.length) {
    const found = entry.exec(text);
    if (found === null) return names;
    const [, kind = "", value = ""] = found;
    const list = kinds[kind];
    if (list === undefined) continue;
    const name = value.startsWith('"') ? unquote(value) : value;
    names[list].push(list === "ip" ? shortAddress(name) : name);
  }
  return names;
}

/** RFC 5952: the runtime prints IPv6 in full and in capitals. */
function shortAddress(ip: string): string {
  return isIPv6(ip) ? new SocketAddress({ address: ip, family: "ipv6" }).address : ip;
}

function unquote(literal: string): string {
  try {
    return String(JSON.parse(literal));
  } catch {
    return literal;
  }
}

/**
 * The runtime prints a name as lines, most general first. RFC 2253 §2.1 has them the other way round, with commas, and Envoy
 * escapes what is not ASCII.
 */
export function nameText(lines: string | undefined): string {
  if (lines === undefined || lines === "") return "";
  return lines
    .split("\n")
    .reverse()
    .map((part) => part.replace(/ \+ /g, "+"))
    .join(",")
    .replace(/[^\0-\x7f]+/g, (text) =>
      [...Buffer.from(text)].map((byte) => `\\${byte.toString(16).toUpperCase()}`).join(""),
    );
}

/** One certificate; everything is worked out when it is first asked for. */
export class Certificate {
  readonly x509: X509Certificate;
  #names: AltNames | undefined;
  #subject: string | undefined;
  #issuer: string | undefined;
  #fingerprint: string | undefined;
  #urlEncodedPem: string | undefined;

  constructor(x509: X509Certificate) {
    this.x509 = x509;
  }

  get altNames(): AltNames {
    this.#names ??= parseAltNames(this.x509.subjectAltName);
    return this.#names;
  }

  /** RFC 2253. */
  get subject(): string {
    this.#subject ??= nameText(this.x509.subject);
    return this.#subject;
  }

  get issuer(): string {
    this.#issuer ??= nameText(this.x509.issuer);
    return this.#issuer;
  }

  /** Lower-case hexadecimal, as Envoy's. */
  get serial(): string {
    return this.x509.serialNumber.toLowerCase();
  }

  /** SHA-256 of the whole certificate, lower-case hexadecimal. */
  get fingerprint256(): string {
    this.#fingerprint ??= hexadecimal(this.x509.fingerprint256);
    return this.#fingerprint;
  }

  get fingerprint1(): string {
    return hexadecimal(this.x509.fingerprint);
  }

  get validFromMs(): number {
    return this.x509.validFromDate.getTime();
  }

  get validToMs(): number {
    return this.x509.validToDate.getTime();
  }

  get pem(): string {
    return this.x509.toString();
  }

  /** For x-forwarded-client-cert. */
  get urlEncodedPem(): string {
    this.#urlEncodedPem ??= encodeURIComponent(this.pem);
    return this.#urlEncodedPem;
  }
}

function hexadecimal(colons: string): string {
  return colons.replaceAll(":", "").toLowerCase();
}

/** Peers come again with the same certificates; each is read once. Bounded: at its limit it starts anew. */
export class CertificateCache {
  readonly #max: number;
  #known: Map<string, Certificate> = new Map();

  constructor(max = 1024) {
    this.#max = max;
  }

  of(x509: X509Certificate): Certificate {
    const key = x509.fingerprint256;
    let certificate = this.#known.get(key);
    if (certificate === undefined) {
      if (this.#known.size >= this.#max) this.#known = new Map();
      certificate = new Certificate(x509);
      this.#known.set(key, certificate);
    }
    return certificate;
  }
}
