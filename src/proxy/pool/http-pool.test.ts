import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import {
  type HttpVersion,
  RequestHead,
  type RequestStream,
  type ResponseSink,
} from "#http/message.ts";
import { ipAddress } from "#net/address.ts";
import type { Connection, ConnectionHandler } from "#net/connection.ts";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { ClusterStats } from "../cluster/cluster-stats.ts";
import { makeHost } from "../cluster/make-host.ts";
import type { UpstreamCallbacks, UpstreamConnection } from "../cluster/manager.ts";
import { compileUpstreamHttp } from "../cluster/upstream-http.ts";
import { LazyHttp2Services } from "../http2-options.ts";
import type { ConnectAttempt } from "./connect-attempt.ts";
import { HttpPool } from "./http-pool.ts";

const services = fakeServices();
const scope = services.stats.scope("cluster.c.");
const unlimited = { tryTake: () => true, release: () => undefined };
const nothing = (): void => undefined;
const sink: ResponseSink = {
  onInformational: nothing,
  onHead: nothing,
  onData: nothing,
  onTrailers: nothing,
  onReset: nothing,
  onWritable: nothing,
  onUnwritable: nothing,
};

/** Accepts, and never answers. */
let server: Server;
const sockets: Socket[] = [];

before(async () => {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", nothing);
    socket.resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

after(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

function makePool(
  protocol: HttpVersion,
  { port = (server.address() as AddressInfo).port, maxRequests = 0 } = {},
): HttpPool {
  const http = compileUpstreamHttp({ name: "c" }, 1024 * 1024);
  const now = (): number => 0;
  const host = makeHost({
    address: ipAddress("127.0.0.1", port),
    hostname: "",
    weight: 1,
    health: "healthy",
    edsHealth: "HEALTHY",
    metadata: undefined,
    locality: { region: "", zone: "", subZone: "" },
    priority: 0,
  });
  const settings = {
    protocol,
    expectedStreams: protocol === 20 ? 100 : 1,
    http1: http.http1,
    http2: { ...http.http2, services: new LazyHttp2Services(scope, now) },
    services,
    connect: {},
    transport: undefined,
    stats: new ClusterStats(scope),
    connectTimeout: undefined,
    idleTimeout: undefined,
    maxConnectionDuration: undefined,
    maxRequestsPerConnection: maxRequests,
    bufferLimit: 1024 * 1024,
    preconnectRatio: 1,
    connectionsPerHostMax: Number.POSITIVE_INFINITY,
    now,
  };
  return new HttpPool(host, settings, unlimited);
}

/** What came of a request. */
class Waiter implements UpstreamCallbacks {
  readonly done: Promise<void>;
  upstream: UpstreamConnection | undefined;
  failures = 0;
  #resolve: () => void = nothing;
  readonly #then: (waiter: Waiter) => void;

  constructor(then: (waiter: Waiter) => void = nothing) {
    this.#then = then;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  onReady(stream: RequestStream, upstream: UpstreamConnection): void {
    this.upstream = upstream;
    const head = new RequestHead("GET", "/", "host", 11, new HeaderList());
    stream.sendHead(head, true);
    this.#then(this);
    this.#resolve();
  }

  onFailure(): void {
    this.failures++;
    this.#then(this);
    this.#resolve();
  }
}

/** Open, with bytes the kernel does not take for as long as it is stuck. */
class StuckConnection implements Connection {
  readonly id = 1;
  stuck = true;
  handler: ConnectionHandler = {
    onData: nothing,
    onEnd: nothing,
    onUnwritable: nothing,
    onWritable: nothing,
    onClose: nothing,
  };
  readonly local = ipAddress("127.0.0.1", 1);
  readonly remote = ipAddress("127.0.0.1", 2);
  readonly tls = undefined;
  readonly bytesReceived = 0;
  readonly bytesSent = 0;
  readonly unsent = 1;
  closed = false;
  bufferLimit = 0;
  write = (): boolean => true;
  writeText = (): boolean => true;
  gather = nothing;
  pause = nothing;
  resume = nothing;
  shutdown = nothing;
  closeAfterFlush(): void {
    if (!this.stuck) this.destroy();
  }

  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    this.handler.onClose({ kind: "local", detail: "" });
  }
}

function adopt(pool: HttpPool, connection: Connection): void {
  // Proof: the pool asks an attempt only whether it was counted.
  pool.onConnected({ counted: false } as ConnectAttempt, connection);
}

test("requests that a new connection has no room for get connections of their own", async () => {
  const pool = makePool(20, { maxRequests: 1 });
  const waiters = [new Waiter(), new Waiter(), new Waiter()];
  for (const waiter of waiters) pool.request(sink, waiter);
  // None is ever answered: nobody can wait for the connection of another.
  for (const { done } of waiters) await done;
  assert.equal(new Set(waiters.map(({ upstream }) => upstream?.connection.id)).size, 3);
  pool.destroy();
});

for (const protocol of [11, 20] as const) {
  test(`a connection that closes while it is given to a request is given to no other (${protocol})`, async () => {
    const pool = makePool(protocol);
    const first = new Waiter((waiter) => waiter.upstream?.connection.destroy());
    pool.request(sink, first);
    await first.done;
    const second = new Waiter();
    pool.request(sink, second);
    await second.done;
    assert.equal(second.upstream?.connection.closed, false);
    pool.destroy();
  });

  test(`a connection whose peer has ended gets no request while it flushes (${protocol})`, async () => {
    const pool = makePool(protocol);
    const ending = new StuckConnection();
    adopt(pool, ending);
    ending.handler.onEnd();
    const waiter = new Waiter();
    pool.request(sink, waiter);
    await waiter.done;
    assert.notEqual(waiter.upstream?.connection, ending);
    pool.destroy();
  });

  test(`a connection that its peer ends is counted as ended by the peer, once (${protocol})`, () => {
    const pool = makePool(protocol);
    const { stats } = pool.settings;
    const earlier = [stats.connectionDestroyRemote.value, stats.connectionDestroyLocal.value];
    const ending = new StuckConnection();
    ending.stuck = false;
    adopt(pool, ending);
    ending.handler.onEnd();
    assert.equal(ending.closed, true);
    const [remote = 0, local = 0] = earlier;
    assert.equal(stats.connectionDestroyRemote.value, remote + 1);
    assert.equal(stats.connectionDestroyLocal.value, local);
  });
}

test("a request withdrawn while others fail is not told", async () => {
  const pool = makePool(20, { port: 1 });
  const second = new Waiter();
  const waits: { cancel(): void }[] = [];
  const first = new Waiter(() => waits[1]?.cancel());
  const third = new Waiter();
  for (const waiter of [first, second, third]) waits.push(pool.request(sink, waiter));
  await third.done;
  assert.deepEqual([first.failures, second.failures, third.failures], [1, 0, 1]);
  pool.destroy();
});
