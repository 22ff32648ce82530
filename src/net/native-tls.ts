/**
 * The runtime's own TLS stream, below `node:tls` (docs/decisions/native-tls.md). Like native.ts the one file that names what it uses;
 * `native-tls.test.ts` fails when a new version of the runtime changes it.
 */
import type { X509Certificate } from "node:crypto";
import type { EphemeralKeyInfo, SecureContext, TLSSocket } from "node:tls";
import { binding, type NativeHandle } from "./native.ts";
import { nodeTls } from "./node-tls.ts";

/** What the runtime's `SecureContext` keeps in `context`. */
export interface NativeSecureContext {
  readonly _external: unknown;
  /** `onticketkeycallback` decides with which keys tickets are made and opened. */
  enableTicketKeyCallback(): void;
  /** Returns result, HMAC key, AES key, name, IV. Result: -1 failure, 0 unknown key, 1 use, 2 use and make a new ticket. */
  onticketkeycallback: (name: Buffer, iv: Buffer, encrypt: boolean) => readonly unknown[];
}

/** What a client asks for, when the server may still choose its certificate. */
export interface ClientHelloInfo {
  readonly servername: string;
  readonly OCSPRequest: boolean;
}

export interface NativeTls extends NativeHandle {
  onhandshakestart: () => void;
  onhandshakedone: (this: NativeTls) => void;
  onerror: (this: NativeTls, error: Error) => void;
  oncertcb: (this: NativeTls, info: ClientHelloInfo) => void;
  onkeylog: (this: NativeTls, line: Buffer) => void;
  onnewsession: (this: NativeTls, id: Buffer, session: Buffer) => void;
  ALPNCallback: (this: NativeTls, offered: Buffer) => number | undefined;
  /** The context to go on with; read by `certCbDone`. */
  sni_context: NativeSecureContext;
  /** Send the client's first message. */
  start(): void;
  /** Bytes that were read from the socket before it became TLS. */
  receive(chunk: Uint8Array): void;
  destroySSL(): void;
  setVerifyMode(request: boolean, require: boolean): void;
  enableCertCb(): void;
  certCbDone(): void;
  enableALPNCb(): void;
  enableKeylogCallback(): void;
  enableSessionCallbacks(): void;
  setALPNProtocols(wire: Uint8Array): void;
  setServername(name: string): void;
  setSession(session: Uint8Array): void;
  setOCSPResponse(response: Uint8Array): void;
  isSessionReused(): boolean;
  getALPNNegotiatedProtocol(): string | false;
  getServername(): string | false;
  getProtocol(): string;
  getCipher(): { readonly name: string; readonly standardName: string; readonly version: string };
  getEphemeralKeyInfo(): EphemeralKeyInfo | object | null;
  getSession(): Buffer | undefined;
  hasPeerCertificate(): boolean;
  verifyError(): (Error & { readonly code: string }) | null;
}

interface TlsBinding {
  wrap(
    handle: NativeHandle,
    context: NativeSecureContext,
    isServer: boolean,
    hasActiveWrite: boolean,
  ): NativeTls;
}

const tls = binding("tls_wrap") as TlsBinding;

export function wrapTls(
  handle: NativeHandle,
  context: NativeSecureContext,
  isServer: boolean,
): NativeTls {
  return tls.wrap(handle, context, isServer, false);
}

/** The type definitions call it `any`. */
export function nativeContext(context: SecureContext): NativeSecureContext {
  return context.context as NativeSecureContext;
}

/** The peer's certificate; its `issuerCertificate` is what the peer sent with it. The methods read nothing else of their socket. */
export function peerCertificate(handle: NativeTls): X509Certificate | undefined {
  return nodeTls().TLSSocket.prototype.getPeerX509Certificate.call({
    _handle: handle,
  } as unknown as TLSSocket);
}

export function localCertificate(handle: NativeTls): X509Certificate | undefined {
  return nodeTls().TLSSocket.prototype.getX509Certificate.call({
    _handle: handle,
  } as unknown as TLSSocket);
}
