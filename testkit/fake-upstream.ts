import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import { type Message, readMessage } from "./http-text.ts";
import { PATIENCE_MS, Wire } from "./wire.ts";

/** What an upstream does with each connection it accepts. A script that fails resets the connection and is reported. */
export type Script = (
  connection: UpstreamConnection,
  index: number,
  upstream: FakeUpstream,
) => Promise<void> | void;

export class UpstreamConnection extends Wire {
  readonly #onRequest: (request: Message) => void;

  constructor(socket: Socket, onRequest: (request: Message) => void) {
    super(socket);
    this.#onRequest = onRequest;
  }

  /** The next whole request, or undefined when the peer ends the connection between two. */
  async request(): Promise<Message | undefined> {
    const request = await this.until("whole request", (wire) => {
      const message = readMessage(wire.unread, { kind: "request" });
      if (message !== undefined) return message;
      return wire.state !== "open" && wire.unread === "" ? ("ended" as const) : undefined;
    });
    if (request === "ended") return undefined;
    this.consume(request.raw.length);
    this.#onRequest(request);
    return request;
  }

  /** Only the head of the next request, left unread: for answers that come before the body. */
  async requestHead(): Promise<string> {
    return this.until("request head", (wire) => {
      const end = wire.unread.indexOf("\r\n\r\n");
      return end < 0 ? undefined : wire.unread.slice(0, end + 4);
    });
  }
}

/** A scripted TCP server that records exactly what it received. */
export class FakeUpstream {
  readonly connections: UpstreamConnection[] = [];
  /** Whole requests, over all connections, in the order they were read. */
  readonly requests: Message[] = [];
  /** Failures of scripts; a test that ends with one has not seen what it thinks. */
  readonly failures: Error[] = [];
  /** Serial numbers of the clients' certificates, by connection. */
  readonly clients: (string | undefined)[] = [];
  /** Handshakes that failed. */
  readonly refusals: Error[] = [];
  readonly #server: Server;
  readonly #script: Script;
  #waiters: (() => void)[] = [];

  /** `tls`: the script's bytes are what TLS carries; a client that fails its handshake is never seen. */
  constructor(script: Script, tls?: TlsOptions) {
    this.#script = script;
    this.#server =
      tls === undefined
        ? createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket))
        : createTlsServer({ allowHalfOpen: true, ...tls }, (socket) => {
            this.clients.push(socket.getPeerX509Certificate()?.serialNumber);
            this.#accept(socket);
          });
    this.#server.on("tlsClientError", (error) => this.refusals.push(error));
  }

  async listen(host = "127.0.0.1"): Promise<this> {
    this.#server.listen(0, host);
    await once(this.#server, "listening");
    return this;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    return address.port;
  }

  /** A connection's TLS. */
  tls(index = 0): TLSSocket {
    const socket = this.connections[index]?.socket;
    if (socket === undefined || !("encrypted" in socket)) throw new Error("not a TLS connection");
    // Proof: only TLS sockets have that property.
    return socket as TLSSocket;
  }

  /** The first connection's bytes: what most cases look at. */
  get received(): string {
    return this.connections.map((connection) => connection.received).join("");
  }

  /** Waits for the connection with this index. */
  async connection(index = 0): Promise<UpstreamConnection> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const found = this.connections[index];
      if (found !== undefined) return found;
      if (deadline.aborted) throw new Error(`upstream connection ${index} never came`);
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
        deadline.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  async close(): Promise<void> {
    for (const connection of this.connections) connection.close();
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(socket: Socket): void {
    const connection = new UpstreamConnection(socket, (request) => this.requests.push(request));
    const index = this.connections.push(connection) - 1;
    for (const wake of this.#waiters.splice(0)) wake();
    Promise.resolve(this.#script(connection, index, this)).catch((error: unknown) => {
      // The peer going away in mid-script is what many cases are about; only an open connection is a surprise.
      if (connection.state === "open")
        this.failures.push(error instanceof Error ? error : new Error(String(error)));
      connection.close();
    });
  }
}

/** Answers each request, on every connection, with the same bytes. */
export function answer(raw: string): Script {
  return async (connection) => {
    while ((await connection.request()) !== undefined) await connection.write(raw);
    connection.end();
  };
}

/** Answers the first request with the first bytes and so on, over all connections; then repeats the last. */
export function answers(...raws: readonly string[]): Script {
  // Counted for each upstream: the same script serves a case once on Envoy's side and once on Heddle's.
  const served = new WeakMap<FakeUpstream, number>();
  return async (connection, _index, upstream) => {
    while ((await connection.request()) !== undefined) {
      const next = served.get(upstream) ?? 0;
      served.set(upstream, next + 1);
      await connection.write(raws[Math.min(next, raws.length - 1)] ?? "");
    }
    connection.end();
  };
}

/** Sends back every byte, and the FIN. */
export function echo(): Script {
  return (connection) => {
    connection.socket.on("data", (text) => connection.socket.write(text, "latin1"));
    connection.socket.on("end", () => connection.end());
  };
}

/** Accepts and does nothing: the test drives `await upstream.connection()` itself. */
export function byHand(): Script {
  return () => undefined;
}

/** A response with a content-length, spelt once for all tests. */
export function response(status: number | string, body = "", ...fields: readonly string[]): string {
  const line =
    typeof status === "string" ? status : `${status} ${status === 200 ? "OK" : "Status"}`;
  return [`HTTP/1.1 ${line}`, ...fields, `content-length: ${body.length}`, "", body].join("\r\n");
}
