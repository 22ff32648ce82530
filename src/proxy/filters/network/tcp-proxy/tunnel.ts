import { HeaderList } from "#http/headers.ts";
import {
  RequestHead,
  type RequestStream,
  type ResponseHead,
  type ResponseSink,
} from "#http/message.ts";
import type { CloseReason, Connection, ConnectionHandler } from "#net/connection.ts";
import type { Formatter } from "../../../access-log/access-log.ts";
import type { Host } from "../../../cluster/host.ts";
import type {
  Cluster,
  UpstreamCallbacks,
  UpstreamConnection,
  UpstreamFailure,
} from "../../../cluster/manager.ts";
import { applyChanges, type FieldChanges } from "../../../route/header-changes.ts";
import type { StreamInfo } from "../../../stream-info.ts";

/** The part of a connection that the proxy uses of its upstream; a stream of an HTTP connection has it too. */
export type UpstreamEnd = Pick<
  Connection,
  "write" | "shutdown" | "pause" | "resume" | "closeAfterFlush" | "destroy" | "unsent"
>;

export interface TunnelSettings {
  readonly method: "CONNECT" | "POST";
  readonly path: string;
  readonly hostname: Formatter;
  readonly headers: FieldChanges;
}

/** `refused`: the other proxy does not want to. */
export type TunnelFailure = UpstreamFailure | { readonly kind: "refused"; readonly reason: string };

export interface TunnelTarget {
  readonly cluster: Cluster;
  readonly host: Host;
  readonly info: StreamInfo;
  readonly handler: ConnectionHandler;
  readonly onReady: (upstream: UpstreamEnd, connection: Connection) => void;
  readonly onFailure: (failure: TunnelFailure) => void;
}

/** Waiting: for a stream. Asked: for the answer. Open: bytes flow. */
type State = "waiting" | "asked" | "open" | "closed";

const nothing = new Uint8Array(0);
const closedByUs: CloseReason = { kind: "local", detail: "" };
const closedByPeer: CloseReason = { kind: "remote", detail: "" };

/** A TCP connection's bytes as the payload of an HTTP request (`tunneling_config`). */
export class Tunnel implements ResponseSink, UpstreamCallbacks, UpstreamEnd {
  /** What the HTTP connection has not sent yet is its own. */
  readonly unsent = 0;
  readonly #target: TunnelTarget;
  #state: State = "waiting";
  #wait: { cancel(): void } | undefined;
  readonly #head: RequestHead;
  #upstream: RequestStream | undefined;
  #connection: UpstreamConnection | undefined;
  #requestEnded = false;
  #responseEnded = false;

  constructor(settings: TunnelSettings, target: TunnelTarget) {
    this.#target = target;
    this.#head = headOf(settings, target.info);
  }

  /** One of the target's callbacks is called, maybe before this returns. */
  open(): void {
    const { cluster, host, info } = this.#target;
    const wait = cluster.request({
      host,
      head: this.#head,
      downstream: 11,
      priority: "DEFAULT",
      info,
      sink: this,
      callbacks: this,
    });
    if (this.#state === "waiting") this.#wait = wait;
  }

  /** Give up before it is open. */
  cancel(): void {
    const wasAsked = this.#state === "asked";
    this.#state = "closed";
    if (wasAsked) this.#upstream?.reset("local");
    else this.#wait?.cancel();
  }

  // === The pool ===

  onReady(stream: RequestStream, connection: UpstreamConnection): void {
    this.#wait = undefined;
    this.#upstream = stream;
    this.#connection = connection;
    this.#state = "asked";
    stream.sendHead(this.#head, false);
  }

  onFailure(failure: UpstreamFailure): void {
    this.#state = "closed";
    this.#target.onFailure(failure);
  }

  // === The answer ===

  onInformational(): void {}

  onHead({ status }: ResponseHead, end: boolean): void {
    const upstream = this.#upstream;
    const under = this.#connection;
    if (this.#state !== "asked" || upstream === undefined || under === undefined) return;
    if (status < 200 || status > 299) {
      this.#state = "closed";
      upstream.reset("local");
      this.#target.onFailure({ kind: "refused", reason: `tunnel_response:${status}` });
      return;
    }
    this.#state = "open";
    this.#target.onReady(this, under.connection);
    if (end) this.#endResponse();
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (this.#state !== "open") return;
    if (chunk.length > 0) this.#target.handler.onData(chunk);
    if (end) this.#endResponse();
  }

  onTrailers(): void {
    this.#endResponse();
  }

  #endResponse(): void {
    if (this.#state !== "open" || this.#responseEnded) return;
    this.#responseEnded = true;
    if (this.#ownsConnection && !this.#requestEnded) {
      // The codec gives such a connection up with the answer's end: nothing more could be sent.
      this.#state = "closed";
      this.#target.handler.onClose(closedByPeer);
    } else this.#target.handler.onEnd();
  }

  /** HTTP/1: after CONNECT there is only the tunnel. */
  get #ownsConnection(): boolean {
    return this.#head.method === "CONNECT" && this.#connection?.protocol !== 20;
  }

  onReset(): void {
    const was = this.#state;
    this.#state = "closed";
    if (was === "asked") this.#target.onFailure({ kind: "refused", reason: "" });
    else if (was === "open") this.#target.handler.onClose(closedByPeer);
  }

  onWritable(): void {
    if (this.#state === "open") this.#target.handler.onWritable();
  }

  onUnwritable(): void {
    if (this.#state === "open") this.#target.handler.onUnwritable();
  }

  // === The proxy's side ===

  write(chunk: Uint8Array): boolean {
    if (this.#state === "open" && !this.#requestEnded) this.#upstream?.sendData(chunk, false);
    return true;
  }

  shutdown(): void {
    if (this.#state !== "open" || this.#requestEnded) return;
    this.#requestEnded = true;
    this.#upstream?.sendData(nothing, true);
    if (this.#ownsConnection) this.#connection?.connection.shutdown();
  }

  pause(): void {
    if (this.#state === "open" && !this.#responseEnded) this.#upstream?.pause();
  }

  resume(): void {
    if (this.#state === "open" && !this.#responseEnded) this.#upstream?.resume();
  }

  closeAfterFlush(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    if (!this.#requestEnded || !this.#responseEnded) this.#upstream?.reset("local");
    this.#target.handler.onClose(closedByUs);
  }
}

function headOf(settings: TunnelSettings, info: StreamInfo): RequestHead {
  const { method, path, hostname, headers } = settings;
  const list = new HeaderList();
  applyChanges(headers, list, info);
  return new RequestHead(method, path, hostname(info), 11, list);
}
