/** Hosts that mostly answer, and in some percent fail, hang, reset, break off and close, by a seeded random. */
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Random } from "#lib/random.ts";
import { type ClusterName, healthPath } from "./config.ts";

const hostsPerCluster: Readonly<Record<ClusterName, number>> = {
  plain: 6,
  hashed: 5,
  secure: 4,
  streams: 4,
  mirror: 2,
};

const text = "a line that a compressor finds easy to shorten, again and again\n";
const small = Buffer.from(text.repeat(20));
const big = Buffer.from(text.repeat(16_384));

/** What is the same in Node's HTTP/1.1 and HTTP/2. */
interface Request {
  readonly url?: string | undefined;
  on(event: "error", listener: () => void): this;
  resume(): this;
}
interface Response {
  readonly destroyed: boolean;
  readonly socket: Socket | null | undefined;
  readonly stream?: ServerHttp2Stream;
  on(event: "error", listener: () => void): this;
  writeHead(status: number, headers: Record<string, string>): unknown;
  write(chunk: Buffer): boolean;
  end(chunk: Buffer): unknown;
}

export interface UpstreamOptions {
  readonly name: ClusterName;
  readonly random: Random;
  readonly tls: { readonly cert: string; readonly key: string };
}

/** One host. */
export class Upstream {
  readonly name: ClusterName;
  /** Answers nothing but 503: what outlier detection is there for. */
  sick = false;
  /** Answers whatever it is asked: at rest nobody may be found to be ill. */
  calm = true;
  readonly #random: Random;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor({ name, random, tls }: UpstreamOptions) {
    this.name = name;
    this.#random = random;
    const onRequest = (request: Request, response: Response): void =>
      this.#serve(request, response);
    if (name === "streams") {
      this.#server = createHttp2Server(onRequest).on("sessionError", () => {});
    } else if (name === "secure") {
      this.#server = createSecureServer(tls, onRequest);
    } else {
      this.#server = createServer(onRequest);
    }
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket));
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get port(): number {
    // Proof: it listens on TCP.
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(request: Request, response: Response): void {
    request.on("error", () => {}).resume();
    response.on("error", () => {});
    const dice = this.#random.below(100);
    if (this.sick) this.#answer(response, 503);
    else if (this.calm || (request.url === healthPath && dice > 5)) this.#answer(response, 200);
    else if (dice < 4) this.#answer(response, dice < 2 ? 503 : 500);
    else if (dice < 6) return;
    else if (dice < 8) reset(response);
    else if (dice < 9) this.#breakOff(response);
    else if (dice < 11) this.#closeAfter(response);
    else if (dice < 16) this.#later(response, 50 + this.#random.below(400));
    else if (request.url?.includes("big")) this.#send(response, 200, big);
    else this.#answer(response, 200);
  }

  #answer(response: Response, status: number): void {
    this.#send(response, status, small);
  }

  #send(response: Response, status: number, body: Buffer): void {
    response.writeHead(status, { "content-type": "text/plain" });
    response.end(body);
  }

  #later(response: Response, ms: number): void {
    setTimeout(() => {
      if (!response.destroyed) this.#answer(response, 200);
    }, ms);
  }

  /** The head and some of the body. */
  #breakOff(response: Response): void {
    response.writeHead(200, { "content-type": "text/plain" });
    response.write(small);
    setTimeout(() => reset(response), 20);
  }

  /** Closes without a word, as a host does that restarts; the next request may be on its way. */
  #closeAfter(response: Response): void {
    const { socket } = response;
    this.#answer(response, 200);
    setTimeout(() => socket?.destroy(), 5);
  }
}

function reset(response: Response): void {
  if (response.stream !== undefined) response.stream.close(2);
  // Node refuses to reset a TLS connection; there it breaks off without close_notify.
  else if (response.socket !== null && response.socket !== undefined)
    "encrypted" in response.socket ? response.socket.destroy() : response.socket.resetAndDestroy();
}

export async function startUpstreams(options: Omit<UpstreamOptions, "name">): Promise<Upstream[]> {
  const upstreams = Object.entries(hostsPerCluster).flatMap(([name, count]) =>
    // Proof: the keys of the table above are cluster names.
    Array.from({ length: count }, () => new Upstream({ ...options, name: name as ClusterName })),
  );
  await Promise.all(upstreams.map((upstream) => upstream.listen()));
  return upstreams;
}
