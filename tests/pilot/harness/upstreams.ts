/** The workloads of a mesh, all in this process: each listens where its Pod or endpoint is, and says who it is. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { ConfigObject } from "#model/object.ts";
import type { Issued } from "../../../testkit/pki.ts";

/** What a workload saw of a call. */
export interface Seen {
  readonly from: string;
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Header that tells the calls of a test apart. */
export const callHeader = "x-call";

interface Place {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: "http" | "https" | "tcp";
}

export class Upstreams {
  readonly #certificate: Issued;
  readonly #servers = new Map<string, Server>();
  readonly #sockets = new Set<Socket>();
  readonly #seen = new Map<string, Seen[]>();
  readonly #waiting = new Set<() => void>();

  /** `certificate`: of all that speak TLS. */
  constructor(certificate: Issued) {
    this.#certificate = certificate;
  }

  /** Starts those of the objects' workloads that do not run yet. */
  async start(objects: readonly ConfigObject[]): Promise<void> {
    await Promise.all(
      objects.flatMap(placesOf).map(async (place) => {
        const key = `${place.address}:${place.port}`;
        if (this.#servers.has(key)) return;
        const server = this.#serverOf(place);
        this.#servers.set(key, server);
        server.on("connection", (socket: Socket) => {
          this.#sockets.add(socket);
          socket.on("close", () => this.#sockets.delete(socket)).on("error", () => undefined);
        });
        server.listen(place.port, place.address);
        await once(server, "listening");
      }),
    );
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      [...this.#servers.values()].map((server) => new Promise((done) => server.close(done))),
    );
  }

  /** What of a call has come so far, in its order. */
  seen(call: string): readonly Seen[] {
    return this.#seen.get(call) ?? [];
  }

  /** Resolves when each of the workloads has seen the call. */
  async arrived(call: string, names: readonly string[]): Promise<void> {
    const missing = (): boolean =>
      names.some((name) => !this.seen(call).some(({ from }) => from === name));
    while (missing()) await new Promise<void>((wake) => this.#waiting.add(wake));
  }

  #serverOf(place: Place): Server {
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      this.#answer(place, request, response);
    const { certificate: cert, key } = this.#certificate;
    switch (place.protocol) {
      case "http":
        return createServer(answer);
      case "https":
        return createHttpsServer({ cert, key }, answer);
      default:
        // It says its name once the client has said something.
        return createTcpServer((socket) =>
          socket.once("data", () => socket.end(`${place.name}\n`)),
        );
    }
  }

  #answer(place: Place, request: IncomingMessage, response: ServerResponse): void {
    const { method = "", url: path = "" } = request;
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const call = headers[callHeader] ?? "";
    const { name: from, port } = place;
    const seen: Seen = { from, port, method, path, host: headers["host"] ?? "", headers };
    const before = this.seen(call);
    this.#seen.set(call, [...before, seen]);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
    if (path.includes("/never")) return;
    response.writeHead(statusFor(path, { from, earlier: before.length }), {
      "content-type": "application/json",
      "x-upstream": from,
    });
    response.end(JSON.stringify(seen));
  }
}

/** The path says how a workload shall behave: `/status/429`, `/fails/reviews-v1`, `/fails-twice/…`. */
function statusFor(
  path: string,
  { from, earlier }: { readonly from: string; readonly earlier: number },
): number {
  const [, word, value] = path.split("/");
  if (word === "status") return Number(value);
  if (word === "fails") return value === from ? 503 : 200;
  return word === "fails-twice" && earlier < 2 ? 503 : 200;
}

function placesOf({ kind, metadata, spec, status }: ConfigObject): readonly Place[] {
  if (kind === "Pod") return podPlaces(metadata.name, spec, status);
  return kind === "ServiceEntry" ? endpointPlaces(spec) : [];
}

interface PodSpec {
  readonly containers: readonly {
    readonly ports?: readonly { readonly containerPort: number; readonly name?: string }[];
  }[];
}

function podPlaces(name: string, body: unknown, status: unknown): readonly Place[] {
  const pod = { ...objectOf(body), ...objectOf(status) };
  const { podIP: address } = { ...objectOf(pod["status"]), ...pod };
  assert(typeof address === "string", `the Pod ${name} has no address`);
  // The tests' own files.
  const { containers } = (pod["spec"] ?? pod) as PodSpec;
  return containers.flatMap(({ ports = [] }) =>
    ports.map(({ containerPort: port, name: portName = "http" }) => ({
      name,
      address,
      port,
      protocol: protocolOf(portName),
    })),
  );
}

interface EntrySpec {
  readonly ports?: readonly {
    readonly number: number;
    readonly targetPort?: number;
    readonly protocol?: string;
  }[];
  readonly endpoints?: readonly {
    readonly address: string;
    readonly labels?: Readonly<Record<string, string>>;
  }[];
}

function endpointPlaces(body: unknown): readonly Place[] {
  // Checked by the reader of objects.
  const { ports = [], endpoints = [] } = body as EntrySpec;
  return endpoints.flatMap(({ address, labels = {} }) =>
    ports.map(({ number, targetPort = number, protocol = "" }) => ({
      name: labels["instance"] ?? address,
      address,
      port: targetPort,
      protocol: protocolOf(protocol),
    })),
  );
}

function protocolOf(word: string): Place["protocol"] {
  const lower = word.toLowerCase();
  if (lower.startsWith("tcp")) return "tcp";
  return lower.startsWith("tls") || lower.startsWith("https") ? "https" : "http";
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
