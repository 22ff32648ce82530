import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { GrpcServer } from "#grpc/server.ts";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { type Address, ipAddress } from "#net/address.ts";
import { Pilot, type PilotOptions } from "./discovery.ts";
import type { Mesh } from "./mesh.ts";

export interface ListenAt {
  /** Undefined: every address of the machine. */
  readonly host?: string | undefined;
  /** 0: any that is free. */
  readonly port: number;
}

export interface PilotServerOptions
  extends Pick<
    PilotOptions,
    "debounceAfterMs" | "debounceMaxMs" | "log" | "pushThrottle" | "version" | "onConnect"
  > {
  readonly clock: Clock;
  readonly random: Random;
  readonly mesh: Mesh;
  /** xDS over gRPC. */
  readonly grpc: ListenAt;
  /** REST discovery, `/ready`, `/metrics`, `/debug`. */
  readonly http: ListenAt;
  /** Other paths of the HTTP port; false: it is not one of them. */
  handle?(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

/** Of a discovery request: names and versions, no resources. */
const bodyBytesMax = 4 * 1024 * 1024;
/** All proxies may come back at once. */
const backlog = 4096;
/** Istio's keepalive: a client that is gone without a word is noticed. */
const keepalive = { intervalMs: 30_000, timeoutMs: 10_000, idleMs: 0, jitter: 0.15 };

/** Pilot with its sockets. */
export class PilotServer {
  readonly pilot: Pilot;
  readonly #options: PilotServerOptions;
  readonly #grpc: GrpcServer;
  readonly #http: Server;
  #stopping = false;

  constructor(options: PilotServerOptions) {
    const { clock, random, mesh } = options;
    this.#options = options;
    this.pilot = new Pilot({
      ...options,
      objects: () => mesh.objects(),
      defer: (work) => setImmediate(work),
    });
    this.#grpc = new GrpcServer({ clock, random, keepalive });
    this.pilot.register(this.#grpc);
    this.#http = createServer((request, response) => void this.#answer(request, response));
  }

  /** Resolves with the addresses that were bound. */
  async start(): Promise<{ readonly grpc: Address; readonly http: Address }> {
    this.pilot.start();
    const { grpc, http } = this.#options;
    const bound = await this.#grpc.listen(ipAddress(grpc.host ?? "::", grpc.port), { backlog });
    try {
      return { grpc: bound, http: await this.#listenHttp(http) };
    } catch (error) {
      await this.stop(0);
      throw error;
    }
  }

  #listenHttp({ host, port }: ListenAt): Promise<Address> {
    return new Promise((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen({ port, host }, () => {
        // Proof: it listens on TCP.
        const address = this.#http.address() as AddressInfo;
        resolve(ipAddress(address.address, address.port));
      });
    });
  }

  /** Streams end, and proxies look for another Pilot; calls that run have `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.pilot.stop();
    await this.#grpc.close(graceMs);
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#http.closeAllConnections();
    if (this.#http.listening) await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if ((await this.#options.handle?.(request, response)) === true) return;
      const { method = "", url: path = "" } = request;
      if (this.#stopping && path === "/ready") {
        send(response, { status: 503, contentType: "text/plain", body: "stopping\n" });
        return;
      }
      const body = await readText(request);
      send(
        response,
        body === undefined
          ? { status: 413, contentType: "text/plain", body: "the body is too long\n" }
          : await this.pilot.answer({ method, path, body }),
      );
    } catch (error) {
      // The client has gone away, or a page has failed: neither ends Pilot.
      const message = error instanceof Error ? error.message : String(error);
      this.#options.log("warning", `${request.method} ${request.url}: ${message}`);
      response.destroy();
    }
  }
}

function send(
  response: ServerResponse,
  answer: { readonly status: number; readonly contentType: string; readonly body: string },
): void {
  response.writeHead(answer.status, { "content-type": answer.contentType });
  response.end(answer.body);
}

/** Undefined: it is longer than anybody's. */
async function readText(request: IncomingMessage): Promise<string | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request) {
    // Proof: a stream without encoding gives buffers.
    const bytes = piece as Buffer;
    length += bytes.length;
    if (length > bodyBytesMax) return undefined;
    pieces.push(bytes);
  }
  return Buffer.concat(pieces).toString("utf8");
}
