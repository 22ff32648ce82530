import { Certificate, type CertificateCache } from "./certificate.ts";
import type { TlsInfo } from "./connection.ts";
import { localCertificate, type NativeTls, peerCertificate } from "./native-tls.ts";

const none: readonly string[] = [];

/** Facts are read at the end of the handshake, because access logs ask for them when the connection is gone. */
export class HandshakeInfo implements TlsInfo {
  readonly version: string;
  readonly cipher: string;
  readonly group: string;
  readonly sni: string | undefined;
  readonly alpn: string | undefined;
  readonly sessionReused: boolean;
  readonly peer: Certificate | undefined;
  readonly local: Certificate | undefined;
  peerValidated = false;
  readonly #handle: NativeTls;
  readonly #anchors: ReadonlySet<string>;
  #chain: readonly Certificate[] | undefined;
  #sessionId: string | undefined;

  constructor(
    handle: NativeTls,
    facts: {
      readonly sni: string | undefined;
      readonly local: Certificate | undefined;
      readonly resumedPeer: Certificate | undefined;
      readonly certificates: CertificateCache;
      readonly anchors: ReadonlySet<string>;
    },
  ) {
    this.#handle = handle;
    this.version = handle.getProtocol();
    this.cipher = handle.getCipher().name;
    this.sni = facts.sni;
    this.alpn = handle.getALPNNegotiatedProtocol() || undefined;
    this.sessionReused = handle.isSessionReused();
    this.group = groupOf(handle);
    this.local = facts.local ?? this.#readLocal(facts.certificates);
    this.#anchors = facts.anchors;
    this.peer = this.#readPeer(facts);
  }

  #readLocal(certificates: CertificateCache): Certificate | undefined {
    const local = localCertificate(this.#handle);
    return local === undefined ? undefined : certificates.of(local);
  }

  #readPeer({
    resumedPeer,
    certificates,
  }: {
    readonly resumedPeer: Certificate | undefined;
    readonly certificates: CertificateCache;
  }): Certificate | undefined {
    if (!this.#handle.hasPeerCertificate()) return undefined;
    const peer = peerCertificate(this.#handle);
    if (peer !== undefined) return certificates.of(peer);
    return this.sessionReused ? resumedPeer : undefined;
  }

  /** Nothing may be asked of the handle from here on, and access logs come after it. */
  onClose(): void {
    this.#sessionId ??= this.#readSessionId();
  }

  get sessionId(): string {
    this.#sessionId ??= this.#readSessionId();
    return this.#sessionId;
  }

  /** RFC 8446 §4.1.3: in TLS 1.3 it is an echo without meaning. */
  #readSessionId(): string {
    return this.version === "TLSv1.3" ? "" : sessionIdOf(this.#handle.getSession());
  }

  get peerPresented(): boolean {
    return this.peer !== undefined;
  }

  get peerChain(): readonly Certificate[] {
    this.#chain ??= chainOf(this.peer, this.#anchors);
    return this.#chain;
  }

  get peerUriSans(): readonly string[] {
    return this.peer?.altNames.uri ?? none;
  }

  get peerDnsSans(): readonly string[] {
    return this.peer?.altNames.dns ?? none;
  }

  get peerSubject(): string {
    return this.peer?.subject ?? "";
  }

  get localUriSans(): readonly string[] {
    return this.local?.altNames.uri ?? none;
  }

  get localSubject(): string {
    return this.local?.subject ?? "";
  }
}

/** BoringSSL's names for what OpenSSL calls in one way when a key was exchanged and in another when a session was resumed. */
const groupNames: ReadonlyMap<string, string> = new Map([
  ["x25519", "X25519"],
  ["prime256v1", "P-256"],
  ["secp256r1", "P-256"],
  ["secp384r1", "P-384"],
  ["secp521r1", "P-521"],
]);

/** The runtime tells clients only. */
function groupOf(handle: NativeTls): string {
  const info = handle.getEphemeralKeyInfo();
  const name = info !== null && "name" in info ? String(info.name) : "";
  return groupNames.get(name) ?? name;
}

/** A chain of more is not sent by honest peers. */
const chainLengthMax = 16;

function chainOf(
  peer: Certificate | undefined,
  anchors: ReadonlySet<string>,
): readonly Certificate[] {
  if (peer === undefined) return [];
  const chain = [peer];
  let issuer = peer.x509.issuerCertificate;
  while (issuer !== undefined && chain.length < chainLengthMax) {
    const certificate = new Certificate(issuer);
    if (anchors.has(certificate.fingerprint256)) break;
    chain.push(certificate);
    const above = issuer.issuerCertificate;
    issuer = above?.fingerprint256 === issuer.fingerprint256 ? undefined : above;
  }
  return chain;
}

/**
 * The runtime gives a session only in OpenSSL's encoding: SEQUENCE of version and protocol (INTEGER), cipher and session id (OCTET
 * STRING).
 */
function sessionIdOf(session: Buffer | undefined): string {
  if (session === undefined) return "";
  let at = 0;
  const header = (): number => {
    const first = session[at + 1] ?? 0;
    at += 2;
    if (first < 0x80) return first;
    const size = session.readUIntBE(at, first & 0x7f);
    at += first & 0x7f;
    return size;
  };
  try {
    header();
    for (let skipped = 0; skipped < 3; skipped++) {
      const size = header();
      at += size;
    }
    const size = header();
    return session.subarray(at, at + size).toString("hex");
  } catch {
    return "";
  }
}
