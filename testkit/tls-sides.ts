/** Both sides of a TLS connection over the loopback, for tests of `net`. */
import { X509Certificate } from "node:crypto";
import { ipAddress } from "#net/address.ts";
import { Certificate, CertificateCache } from "#net/certificate.ts";
import { connect } from "#net/connect.ts";
import type { CloseReason, Connection, ConnectionHandler } from "#net/connection.ts";
import { type ListeningSocket, listen } from "#net/listen.ts";
import type { RawConnection } from "#net/raw-connection.ts";
import { TlsConnection, type TlsSettings } from "#net/tls-connection.ts";
import { type ContextOptions, makeContext } from "#net/tls-context.ts";
import { Authority, type Issued } from "./pki.ts";

export const authority: Authority = await Authority.create();
export const leaf: Issued = await authority.issue({ dns: ["a.test"], subject: "CN=server" });

export function contextOptions(overrides: Partial<ContextOptions>): ContextOptions {
  return {
    isServer: true,
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256",
    curves: ["X25519", "P-256"],
    signatureAlgorithms: [],
    certificates: [],
    trustedAuthorities: undefined,
    revocationList: undefined,
    verify: { depth: undefined, ignoreTime: false, crlOfLeafOnly: false },
    tickets: true,
    ticketKeys: [],
    sessionTimeoutSeconds: undefined,
    sessionIdContext: "test",
    renegotiation: false,
    preferClientCiphers: false,
    ...overrides,
  };
}

export function settings(
  options: Partial<ContextOptions>,
  overrides: Partial<TlsSettings> = {},
): TlsSettings {
  return {
    isServer: options.isServer ?? true,
    identity: {
      context: makeContext(contextOptions(options)),
      certificate: undefined,
      staple: undefined,
    },
    clientCertificate: "none",
    alpn: undefined,
    serverName: "",
    sessions: undefined,
    certificates: new CertificateCache(),
    anchors: new Set([new Certificate(new X509Certificate(authority.certificate)).fingerprint256]),
    keyLog: undefined,
    choose: undefined,
    verify: () => ({ accepted: true, validated: true }),
    onSecure: () => {},
    onFailure: () => {},
    onBroken: () => {},
    describe: (error) => error.message,
    ...overrides,
  };
}

export const serverSettings = (overrides: Partial<TlsSettings> = {}): TlsSettings =>
  settings(
    { certificates: [{ chain: leaf.certificate, key: leaf.key, passphrase: undefined }] },
    overrides,
  );
export const clientSettings = (overrides: Partial<TlsSettings> = {}): TlsSettings =>
  settings({ isServer: false, trustedAuthorities: authority.certificate }, overrides);

/** Collects what a connection says; `until` waits for it. */
export class Recorder implements ConnectionHandler {
  text = "";
  size = 0;
  ended = false;
  closed: CloseReason | undefined;
  closes = 0;
  unwritable = 0;
  writable = 0;
  onText: (() => void) | undefined = undefined;
  #waiting: { done: () => boolean; resolve: () => void }[] = [];

  onData(chunk: Uint8Array): void {
    this.size += chunk.length;
    if (this.size < 100_000) this.text += Buffer.from(chunk).toString("latin1");
    this.onText?.();
    this.#check();
  }

  onEnd(): void {
    this.ended = true;
    this.#check();
  }

  onUnwritable(): void {
    this.unwritable++;
    this.#check();
  }

  onWritable(): void {
    this.writable++;
    this.#check();
  }

  onClose(reason: CloseReason): void {
    this.closed = reason;
    this.closes++;
    this.#check();
  }

  until(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ done, resolve });
      this.#check();
    });
  }

  #check(): void {
    for (const waiting of [...this.#waiting])
      if (waiting.done()) {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        waiting.resolve();
      }
  }
}

export interface Side {
  readonly connection: TlsConnection;
  readonly seen: Recorder;
  readonly failure: string | undefined;
}

/** Resolves when the handshake is over, well or not. */
export function secure(raw: RawConnection, tls: TlsSettings): Promise<Side> {
  const seen = new Recorder();
  return new Promise((resolve) => {
    const connection: TlsConnection = new TlsConnection(raw, tls, {
      onSecure: () => resolve({ connection, seen, failure: undefined }),
      onFailed: (detail) => resolve({ connection, seen, failure: detail }),
    });
    connection.handler = seen;
    connection.start();
  });
}

const open: ListeningSocket[] = [];

/** When a test file ends. */
export function closeListeners(): void {
  for (const socket of open.splice(0)) socket.close();
}

export async function serve(
  tls: TlsSettings,
): Promise<{ port: number; next: () => Promise<Side> }> {
  const done: Promise<Side>[] = [];
  const asked: ((side: Promise<Side>) => void)[] = [];
  const socket = await listen(ipAddress("127.0.0.1", 0), {}, (raw) => {
    const side = secure(raw, tls);
    const waiting = asked.shift();
    if (waiting === undefined) done.push(side);
    else waiting(side);
  });
  open.push(socket);
  return {
    port: socket.address.port,
    next: () =>
      new Promise((resolve) => {
        const side = done.shift();
        if (side === undefined) asked.push(resolve);
        else resolve(side);
      }),
  };
}

export function dial(port: number, tls: TlsSettings): Promise<Side> {
  return new Promise((resolve, reject) => {
    connect(
      ipAddress("127.0.0.1", port),
      {},
      {
        onConnect: (raw: Connection) => resolve(secure(raw as RawConnection, tls)),
        onError: reject,
      },
    );
  });
}

export async function pair(
  server: TlsSettings = serverSettings(),
  client: TlsSettings = clientSettings(),
): Promise<[Side, Side]> {
  const listener = await serve(server);
  return Promise.all([listener.next(), dial(listener.port, client)]);
}
