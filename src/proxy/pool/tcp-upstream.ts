import { ByteMeter } from "#http/byte-meter.ts";
import {
  type RequestHead,
  type RequestStream,
  ResponseHead,
  type ResponseSink,
} from "#http/message.ts";
import type { CloseReason, Connection, ConnectionHandler } from "#net/connection.ts";
import type { Host } from "../cluster/host.ts";
import type { Cluster, UpstreamCallbacks } from "../cluster/manager.ts";
import type { StreamInfo } from "../stream-info.ts";

export interface TcpTarget {
  readonly cluster: Cluster;
  readonly host: Host;
  readonly info: StreamInfo;
}

const nothing = new Uint8Array(0);

/**
 * A CONNECT request that ends here (`connect_config`): its payload is a TCP connection's bytes. The answer to the client is 200 as
 * soon as that connection is there (RFC 9110 §9.3.6).
 */
export class TcpUpstream implements RequestStream, ConnectionHandler {
  readonly #sink: ResponseSink;
  #connection: Connection | undefined;
  #ended = false;
  readonly meter: ByteMeter = new ByteMeter();

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  static open(
    { cluster, host, info }: TcpTarget,
    sink: ResponseSink,
    callbacks: UpstreamCallbacks,
  ): { cancel(): void } {
    const upstream = new TcpUpstream(sink);
    return cluster.connect({
      host,
      info,
      handler: upstream,
      onReady: (connection) => {
        upstream.#connection = connection;
        callbacks.onReady(upstream, { host, connection, protocol: 11, reused: false });
      },
      onFailure: (failure) => callbacks.onFailure(failure),
    });
  }

  /** The request's head stays here; the tunnel is open. */
  sendHead(_head: RequestHead, _end: boolean): void {
    this.#sink.onHead(new ResponseHead(200), false);
  }

  sendData(chunk: Uint8Array, end: boolean): void {
    this.meter.wireSent += chunk.length;
    if (chunk.length > 0) this.#connection?.write(chunk);
    if (end) this.#connection?.shutdown();
  }

  sendTrailers(): void {
    this.#connection?.shutdown();
  }

  reset(): void {
    this.#ended = true;
    this.#connection?.closeAfterFlush();
  }

  pause(): void {
    this.#connection?.pause();
  }

  resume(): void {
    this.#connection?.resume();
  }

  onData(chunk: Uint8Array): void {
    this.#sink.onData(chunk, false);
  }

  onEnd(): void {
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#sink.onData(nothing, true);
  }

  onUnwritable(): void {
    this.#sink.onUnwritable();
  }

  onWritable(): void {
    this.#sink.onWritable();
  }

  onClose(reason: CloseReason): void {
    if (this.#ended) return;
    // Without a FIN nobody knows whether that was all.
    if (reason.kind === "remote") this.#end();
    else {
      this.#ended = true;
      this.#sink.onReset("remote-close", reason.detail);
    }
  }
}
