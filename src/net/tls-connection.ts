import type { Certificate, CertificateCache } from "./certificate.ts";
import type { TlsInfo } from "./connection.ts";
import type { NativeHandle, NativeTcp } from "./native.ts";
import { endOfFile, stream } from "./native.ts";
import { type NativeSecureContext, type NativeTls, wrapTls } from "./native-tls.ts";
import { dispatch, RawConnection } from "./raw-connection.ts";
import { HandshakeInfo } from "./tls-info.ts";

/** A context and the certificate it shows. */
export interface TlsIdentity {
  readonly context: NativeSecureContext;
  /** Undefined: none, or OpenSSL chooses between several. */
  readonly certificate: Certificate | undefined;
  /** Undefined: nothing is stapled, and nobody asks whether the client wants it. */
  readonly staple: ChooseStaple | undefined;
}

/** The OCSP response to staple for a client that asked for one or not; "fail": the certificate must not be shown without. */
export type ChooseStaple = (asked: boolean) => Uint8Array | undefined | "fail";

/** Why a handshake failed, in the terms of Envoy's counters. */
export type HandshakeFailure =
  | "no-certificate"
  | "certificate"
  | "san"
  | "hash"
  | "protocol"
  | "closed";

/** What OpenSSL found wrong with the peer's chain. */
export type ChainError = Error & { readonly code: string };

export type PeerVerdict =
  | { readonly accepted: true; readonly validated: boolean }
  | { readonly accepted: false; readonly failure: HandshakeFailure; readonly detail: string };

/** What both sides of a handshake need to know; made once for all connections of a configuration, replaced when it changes. */
export interface TlsSettings {
  readonly isServer: boolean;
  readonly identity: TlsIdentity;
  /** Server: ask the client for a certificate; refuse who has none. */
  readonly clientCertificate: "none" | "optional" | "required";
  /** RFC 7301 §3.1 ProtocolNameList without its own length. */
  readonly alpn: Uint8Array | undefined;
  /** Client: name to send, "" for none. */
  readonly serverName: string;
  /** Client: renegotiation and sessions to resume. */
  readonly sessions: SessionStore | undefined;
  readonly certificates: CertificateCache;
  /** SHA-256 fingerprints of trusted authorities: the runtime adds them to what the peer sent. */
  readonly anchors: ReadonlySet<string>;
  readonly keyLog: ((line: Buffer, connection: RawConnection) => void) | undefined;
  /** Server: the identity for a name; undefined: there is but one. */
  readonly choose: ((serverName: string) => TlsIdentity) | undefined;
  verify(info: TlsInfo, chainError: ChainError | undefined): PeerVerdict;
  onSecure(info: TlsInfo): void;
  onFailure(failure: HandshakeFailure): void;
  /** The protocol was broken after the handshake. */
  onBroken(): void;
  /** A handshake's error as logs shall have it. */
  describe(error: Error): string;
}

/** OpenSSL's session, and the certificate that it does not give back when it resumes one. */
export interface SavedSession {
  readonly session: Uint8Array;
  readonly peer: Certificate | undefined;
  /** A ticket of TLS 1.3. */
  readonly singleUse: boolean;
}

export interface SessionStore {
  take(): SavedSession | undefined;
  put(saved: SavedSession): void;
}

export interface TlsCallbacks {
  /** The peer is accepted; bytes flow from here on. */
  onSecure(): void;
  /** Instead of it, and after the connection is gone. */
  onFailed(detail: string): void;
}

const { ShutdownWrap } = stream;

function ignore(): void {}

/** TLS over the socket of a raw connection, which ends with it. Its contract is a raw connection's. */
export class TlsConnection extends RawConnection {
  readonly #socket: NativeHandle;
  readonly #handle: NativeTls;
  readonly #settings: TlsSettings;
  #callbacks: TlsCallbacks | undefined;
  #identity: TlsIdentity;
  #info: HandshakeInfo | undefined;
  #sni: string | undefined;
  #resumed: SavedSession | undefined;
  /** Came before the peer was accepted. */
  #newSession: Uint8Array | undefined;
  /** Decrypted while paused: the runtime gives out all that it has read. Bounded by one read of the socket. */
  #held: Uint8Array[] = [];
  #heldEnd = false;
  #peeked: Uint8Array | undefined;
  #begun = false;
  #accepted = false;

  /** `peeked`: bytes read before. Nothing happens before `start`. */
  constructor(
    raw: RawConnection,
    settings: TlsSettings,
    callbacks: TlsCallbacks,
    peeked?: Uint8Array,
  ) {
    const socket = raw.handOver();
    const handle = wrapTls(socket, settings.identity.context, settings.isServer);
    super(handle, raw.local, raw.remote, raw);
    this.bufferLimit = raw.bufferLimit;
    this.#socket = socket;
    this.#handle = handle;
    this.#settings = settings;
    this.#identity = settings.identity;
    this.#callbacks = callbacks;
    // The runtime keeps the socket alive, and this keeps the rest.
    socket.owner = this;
    handle.onhandshakestart = ignore;
    handle.onhandshakedone = onHandshakeDone;
    handle.onerror = onTlsError;
    if (settings.isServer) this.#prepareServer();
    else this.#prepareClient();
    if (settings.keyLog !== undefined) {
      handle.onkeylog = onKeyLog;
      handle.enableKeylogCallback();
    }
    this.#peeked = peeked;
  }

  override start(): void {
    if (this.#begun) return;
    this.#begun = true;
    super.start();
    const peeked = this.#peeked;
    this.#peeked = undefined;
    if (!this.#settings.isServer) this.#handle.start();
    else if (peeked !== undefined && peeked.length > 0) this.#handle.receive(peeked);
  }

  #prepareServer(): void {
    const { clientCertificate, choose, alpn } = this.#settings;
    const handle = this.#handle;
    if (clientCertificate !== "none") handle.setVerifyMode(true, clientCertificate === "required");
    if (choose !== undefined || this.#identity.staple !== undefined) {
      handle.oncertcb = onChoose;
      handle.enableCertCb();
    }
    if (alpn !== undefined) handle.setALPNProtocols(alpn);
  }

  #prepareClient(): void {
    const { alpn, serverName, sessions } = this.#settings;
    const handle = this.#handle;
    handle.setVerifyMode(true, false);
    if (alpn !== undefined) handle.setALPNProtocols(alpn);
    if (serverName !== "") {
      handle.setServername(serverName);
      this.#sni = serverName;
    }
    if (sessions === undefined) return;
    handle.onnewsession = onNewSession;
    handle.enableSessionCallbacks();
    this.#resumed = sessions.take();
    if (this.#resumed !== undefined) handle.setSession(this.#resumed.session);
  }

  override get tls(): TlsInfo | undefined {
    return this.#info;
  }

  // === Handshake ===

  onChoose(serverName: string, ocspAsked: boolean): void {
    const { choose } = this.#settings;
    if (this.closed) return;
    const identity = choose?.(serverName) ?? this.#identity;
    this.#sni = serverName === "" ? undefined : serverName;
    if (identity !== this.#identity) {
      this.#identity = identity;
      this.#handle.sni_context = identity.context;
    }
    const staple = identity.staple?.(ocspAsked);
    if (staple === "fail") {
      this.#refuse("protocol", "TLS_error:|OCSP response is missing or expired");
      return;
    }
    if (staple !== undefined) this.#handle.setOCSPResponse(staple);
    this.#handle.certCbDone();
  }

  onHandshakeDone(): void {
    if (this.closed || this.#info !== undefined) return;
    const settings = this.#settings;
    const handle = this.#handle;
    if (settings.isServer) this.#sni ??= handle.getServername() || undefined;
    const info = new HandshakeInfo(handle, {
      sni: this.#sni,
      local: this.#identity.certificate,
      resumedPeer: this.#resumed?.peer,
      certificates: settings.certificates,
      anchors: settings.anchors,
    });
    this.#info = info;
    const verdict = settings.verify(info, handle.verifyError() ?? undefined);
    if (!verdict.accepted) {
      this.#refuse(verdict.failure, verdict.detail);
      return;
    }
    info.peerValidated = verdict.validated;
    this.#accepted = true;
    if (this.#newSession !== undefined) this.onNewSession(this.#newSession);
    const callbacks = this.#callbacks;
    this.#callbacks = undefined;
    settings.onSecure(info);
    callbacks?.onSecure();
  }

  #refuse(failure: HandshakeFailure, detail: string): void {
    const callbacks = this.#callbacks;
    this.#callbacks = undefined;
    this.#settings.onFailure(failure);
    this.fail(detail);
    callbacks?.onFailed(detail);
  }

  onTlsError(error: Error): void {
    if (this.closed) return;
    const settings = this.#settings;
    const detail = settings.describe(error);
    if (this.#callbacks !== undefined) {
      this.#refuse(failureOf(error), detail);
      return;
    }
    settings.onBroken();
    this.fail(detail);
  }

  override onReadError(error: number): void {
    if (this.closed) return;
    if (this.#callbacks !== undefined) {
      this.#refuse("closed", "");
      return;
    }
    if (error === endOfFile && (this.#held.length > 0 || this.paused)) this.#heldEnd = true;
    else super.onReadError(error);
  }

  // === Bytes ===

  override onChunk(chunk: Uint8Array): void {
    if (this.closed) return;
    if (this.paused || this.#held.length > 0) this.#held.push(new Uint8Array(chunk));
    else super.onChunk(chunk);
  }

  override resume(): void {
    super.resume();
    if (!this.paused && (this.#held.length > 0 || this.#heldEnd)) process.nextTick(release, this);
  }

  /** Give out what was held, until the handler pauses again. */
  onRelease(): void {
    const held = this.#held;
    let given = 0;
    while (given < held.length && !this.paused && !this.closed) {
      super.onChunk(held[given] as Uint8Array);
      given++;
    }
    this.#held = held.slice(given);
    if (!this.#heldEnd || this.paused || this.closed || this.#held.length > 0) return;
    this.#heldEnd = false;
    super.onReadError(endOfFile);
  }

  // === The end ===

  onKeyLog(line: Buffer): void {
    this.#settings.keyLog?.(line, this);
  }

  onNewSession(session: Uint8Array): void {
    const info = this.#info;
    if (info === undefined || !this.#accepted) {
      this.#newSession = session;
      return;
    }
    const { peer, version } = info;
    this.#settings.sessions?.put({ session, peer, singleUse: version === "TLSv1.3" });
  }

  protected override closeHandle(reset: boolean): void {
    const handle = this.#handle;
    const socket = this.#socket;
    this.#held = [];
    // RFC 8446 §6.1: a close is said before it is done.
    if (this.#accepted && !reset && !this.shutdownSent) {
      const request = new ShutdownWrap();
      request.oncomplete = ignore;
      handle.shutdown(request);
    }
    this.#info?.onClose();
    // Not before the socket is closed: OpenSSL may be what called us.
    const freed = (): void => handle.destroySSL();
    if (reset && "reset" in socket) (socket as NativeTcp).reset(freed);
    else socket.close(freed);
  }
}

function onHandshakeDone(this: NativeTls): void {
  dispatch(() => (this.owner as TlsConnection).onHandshakeDone());
}

function onTlsError(this: NativeTls, error: Error): void {
  dispatch(() => (this.owner as TlsConnection).onTlsError(error));
}

function onChoose(
  this: NativeTls,
  hello: { readonly servername: string; readonly OCSPRequest: boolean },
): void {
  (this.owner as TlsConnection).onChoose(hello.servername, hello.OCSPRequest);
}

function onKeyLog(this: NativeTls, line: Buffer): void {
  (this.owner as TlsConnection).onKeyLog(line);
}

function onNewSession(this: NativeTls, _id: Buffer, session: Buffer): void {
  (this.owner as TlsConnection).onNewSession(session);
}

function release(connection: TlsConnection): void {
  dispatch(() => connection.onRelease());
}

function failureOf(error: Error): HandshakeFailure {
  return error.message.includes("peer did not return a certificate")
    ? "no-certificate"
    : "protocol";
}
