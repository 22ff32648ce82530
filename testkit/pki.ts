/** A certificate authority for tests. Keys are made once a process and shared by certificates of one authority. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto as Crypto);

export interface Issued {
  /** The certificate, PEM. */
  readonly certificate: string;
  /** PKCS #8, PEM. */
  readonly key: string;
  readonly serial: string;
  readonly x509: x509.X509Certificate;
}

export interface IssueOptions {
  /** RFC 4514 text; "CN=leaf". */
  readonly subject?: string;
  readonly dns?: readonly string[];
  readonly uri?: readonly string[];
  readonly email?: readonly string[];
  readonly ip?: readonly string[];
  readonly kind?: "ec" | "rsa";
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Use of the key; both by default. */
  readonly usages?: readonly ("server" | "client")[];
}

const hourMs = 3_600_000;
const algorithms = {
  ec: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  rsa: {
    name: "RSASSA-PKCS1-v1_5",
    hash: "SHA-256",
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 2048,
  },
} as const;
const keyUsage = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" };

let lastSerial = 0x1000;

export class Authority {
  /** PEM. */
  readonly certificate: string;
  readonly x509: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(certificate: x509.X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.x509 = certificate;
    this.certificate = `${certificate.toString("pem")}\n`;
    this.#keys = keys;
  }

  static async create(subject = "CN=Test CA"): Promise<Authority> {
    const keys = await makeKeys("ec");
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: nextSerial(),
      subject,
      issuer: subject,
      ...validity({}),
      signingAlgorithm: algorithms.ec,
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      extensions: await authorityExtensions(keys),
    });
    return new Authority(certificate, keys);
  }

  /** An authority below this one. */
  async intermediate(subject = "CN=Test Intermediate"): Promise<Authority> {
    const keys = await makeKeys("ec");
    const certificate = await this.#sign(subject, keys, {}, await authorityExtensions(keys));
    return new Authority(certificate, keys);
  }

  async issue(options: IssueOptions = {}): Promise<Issued> {
    const keys = await makeKeys(options.kind ?? "ec");
    const names = altNames(options);
    const usages = options.usages ?? ["server", "client"];
    const certificate = await this.#sign(options.subject ?? "CN=leaf", keys, options, [
      new x509.BasicConstraintsExtension(false),
      new x509.ExtendedKeyUsageExtension(usages.map((usage) => keyUsage[usage])),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ]);
    const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return {
      certificate: `${certificate.toString("pem")}\n`,
      key: `${x509.PemConverter.encode(key, "PRIVATE KEY")}\n`,
      serial: certificate.serialNumber,
      x509: certificate,
    };
  }

  /** A revocation list with these certificates in it, PEM. */
  async revoke(revoked: readonly Issued[]): Promise<string> {
    const list = await x509.X509CrlGenerator.create({
      issuer: this.x509.subject,
      thisUpdate: new Date(Date.now() - hourMs),
      nextUpdate: new Date(Date.now() + 24 * hourMs),
      signingAlgorithm: algorithms.ec,
      signingKey: this.#keys.privateKey,
      // RFC 5280 §5.1.2.6: an entry without any extension must not have an empty list of them, as the library would write it.
      entries: revoked.map(({ serial }) => ({
        serialNumber: serial,
        revocationDate: new Date(),
        reason: x509.X509CrlReason.keyCompromise,
      })),
    });
    return `${x509.PemConverter.encode(list.rawData, "X509 CRL")}\n`;
  }

  #sign(
    subject: string,
    keys: webcrypto.CryptoKeyPair,
    options: IssueOptions,
    extensions: x509.Extension[],
  ): Promise<x509.X509Certificate> {
    return x509.X509CertificateGenerator.create({
      serialNumber: nextSerial(),
      subject,
      issuer: this.x509.subject,
      ...validity(options),
      signingAlgorithm: algorithms.ec,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      extensions,
    });
  }
}

function nextSerial(): string {
  // Four digits, the first below 8: an INTEGER in DER has no leading zeros and no sign.
  return (++lastSerial).toString(16);
}

function validity({ notBefore, notAfter }: IssueOptions): { notBefore: Date; notAfter: Date } {
  return {
    notBefore: notBefore ?? new Date(Date.now() - hourMs),
    notAfter: notAfter ?? new Date(Date.now() + 30 * 24 * hourMs),
  };
}

function makeKeys(kind: "ec" | "rsa"): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithms[kind], true, [
    "sign",
    "verify",
  ]) as Promise<webcrypto.CryptoKeyPair>;
}

async function authorityExtensions(keys: webcrypto.CryptoKeyPair): Promise<x509.Extension[]> {
  return [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
  ];
}

function altNames(options: IssueOptions): x509.JsonGeneralNames {
  return [
    ...(options.dns ?? []).map((value) => ({ type: "dns", value }) as const),
    ...(options.uri ?? []).map((value) => ({ type: "url", value }) as const),
    ...(options.email ?? []).map((value) => ({ type: "email", value }) as const),
    ...(options.ip ?? []).map((value) => ({ type: "ip", value }) as const),
  ];
}
