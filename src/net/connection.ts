import type { Address } from "./address.ts";
import type { Certificate } from "./certificate.ts";

/**
 * Why a connection is gone. `remote`: the peer's FIN or a broken read; `remote-reset`: RST; `local`: we closed it; `error`: see `detail`.
 */
export interface CloseReason {
  readonly kind: "remote" | "remote-reset" | "local" | "error";
  readonly detail: string;
}

/** What a connection tells its one owner. */
export interface ConnectionHandler {
  /** The chunk lives in a buffer that all connections share: it is valid only during the call. Who keeps it copies it. */
  onData(chunk: Uint8Array): void;
  /** The peer's FIN: no more data; writing still works. */
  onEnd(): void;
  /** Unsent bytes passed the high watermark: stop producing. */
  onUnwritable(): void;
  /** Unsent bytes fell below the low watermark again. */
  onWritable(): void;
  /** Exactly once, last. */
  onClose(reason: CloseReason): void;
}

/** What TLS says about a connection, from the end of its handshake on; absent on raw connections. */
export interface TlsInfo {
  /** "TLSv1.2", "TLSv1.3" */
  readonly version: string;
  /** OpenSSL's name; the standard one in TLS 1.3. */
  readonly cipher: string;
  /** The key exchange; "" when it is not known: a server is not told. */
  readonly group: string;
  readonly sni: string | undefined;
  readonly alpn: string | undefined;
  readonly sessionReused: boolean;
  /** Lower-case hexadecimal; "" when there is none, as in TLS 1.3. */
  readonly sessionId: string;
  readonly peerPresented: boolean;
  readonly peerValidated: boolean;
  readonly peer: Certificate | undefined;
  /** What the peer sent, its own first. */
  readonly peerChain: readonly Certificate[];
  readonly local: Certificate | undefined;
  readonly peerUriSans: readonly string[];
  readonly peerDnsSans: readonly string[];
  readonly peerSubject: string;
  readonly localUriSans: readonly string[];
  readonly localSubject: string;
}

/** Puts its output together itself, in place: a codec that encodes frames into a buffer of its own. */
export interface GatheredOutput {
  /** Write now. The bytes need live only until this call and the flush that made it are over. */
  onGather(): void;
}

/**
 * A byte stream to one peer. Writes are gathered and leave in one system call at the end of the event that caused them.
 * `write` copies or sends the chunk before it returns to the event loop: the caller may reuse it after the current event.
 */
export interface Connection {
  /** Unique in this worker, counting up. */
  readonly id: number;
  handler: ConnectionHandler;
  readonly local: Address;
  readonly remote: Address;
  readonly tls: TlsInfo | undefined;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly closed: boolean;
  /** Unsent bytes above this call `onUnwritable`; half of it is the low watermark. Soft, as Envoy's per_connection_buffer_limit_bytes. */
  bufferLimit: number;
  /** Returns false when unsent bytes are above the limit. */
  write(chunk: Uint8Array): boolean;
  /** Write a latin1 string: message heads. */
  writeText(text: string): boolean;
  /**
   * Call `source.onGather` once, at the end of this turn of the event loop, and let what it writes leave. Later than `write`, which leaves with
   * its event: streams of many other connections share this one. One source a connection.
   */
  gather(source: GatheredOutput): void;
  /** Written and not yet taken by the kernel. */
  readonly unsent: number;
  /** Counted: stop and start reading. */
  pause(): void;
  resume(): void;
  /** FIN after everything written has left; reading goes on. */
  shutdown(): void;
  /** Close after everything written has left. */
  closeAfterFlush(): void;
  /** Close now; unsent bytes are lost. `reset` sends RST. */
  destroy(reset?: boolean): void;
}
