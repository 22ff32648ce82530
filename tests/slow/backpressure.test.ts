/**
 * A gibibyte through the real proxy to a reader that stops. While it stops, the sender must come to a stand and the proxy's memory
 * must not grow by more than its buffer limits and some slack; then the reader goes on and every byte must arrive.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { selectedSides } from "../parity/harness/sides.ts";

const mebibyte = 1024 * 1024;
const total = 1024 * mebibyte;
/** Both buffer limits are 1 MiB; the rest is the runtime's, whose heap grows in large steps. */
const growthMax = 96 * mebibyte;
/** What the kernel's four socket buffers and the proxy's two may take between a sender and a reader that stands still. */
const acceptedMax = 128 * mebibyte;

const period = 65_521;
/** A prime period: no buffer size divides it, so a lost or doubled piece shows. */
const pattern = Buffer.alloc(period * 34);
for (let i = 0; i < pattern.length; i++)
  pattern[i] = ((i % period) * 31 + ((i % period) >> 8)) & 0xff;

function patternAt(offset: number, length: number): Buffer {
  const start = offset % period;
  return pattern.subarray(start, start + length);
}

/** Writes the pattern as fast as the socket takes it. */
class Sender {
  sent = 0;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("drain", () => this.send());
  }

  send(): void {
    while (this.sent < total) {
      const size = Math.min(mebibyte, total - this.sent);
      const chunk = patternAt(this.sent, size);
      this.sent += size;
      if (!this.#socket.write(chunk)) return;
    }
  }

  /** Resolves when nothing has moved for half a second. */
  async standstill(): Promise<void> {
    for (let same = 0, last = -1; same < 10; await delay(50)) {
      same = this.#socket.bytesWritten - this.#socket.writableLength === last ? same + 1 : 0;
      last = this.#socket.bytesWritten - this.#socket.writableLength;
    }
  }
}

/** Reads until `total` body bytes have come, each checked against the pattern. */
async function readPattern(socket: Socket, already: Buffer): Promise<void> {
  let offset = 0;
  const check = (chunk: Buffer): void => {
    if (!chunk.equals(patternAt(offset, chunk.length)))
      throw new Error(`wrong bytes near ${offset}`);
    offset += chunk.length;
  };
  check(already);
  for await (const chunk of socket) {
    check(chunk);
    if (offset >= total) break;
  }
  assert.equal(offset, total);
}

/** Reads a head and stops: what came behind it is returned, and the socket stays paused. */
function readHead(socket: Socket): Promise<{ head: string; rest: Buffer }> {
  let text = Buffer.alloc(0);
  return new Promise((resolve) => {
    const onData = (chunk: Buffer): void => {
      text = Buffer.concat([text, chunk]);
      const end = text.indexOf("\r\n\r\n");
      if (end === -1) return;
      socket.off("data", onData);
      socket.pause();
      resolve({ head: text.toString("latin1", 0, end), rest: text.subarray(end + 4) });
    };
    socket.on("data", onData);
    socket.resume();
  });
}

function memoryOf(proxy: ProxyProcess): number {
  const status = readFileSync(`/proc/${proxy.child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

const filters = "type.googleapis.com/envoy.extensions.filters";

function listener(name: string, filter: object): object {
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    per_connection_buffer_limit_bytes: mebibyte,
    filter_chains: [{ filters: [filter] }],
  };
}

function bootstrap(port: number): object {
  const routes = {
    virtual_hosts: [
      {
        name: "all",
        domains: ["*"],
        routes: [{ match: { prefix: "/" }, route: { cluster: "main", timeout: "0s" } }],
      },
    ],
  };
  const manager = {
    "@type": `${filters}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "http",
    route_config: routes,
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": `${filters}.http.router.v3.Router` },
      },
    ],
  };
  const tcp = {
    "@type": `${filters}.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: "tcp",
    cluster: "main",
  };
  const address = { socket_address: { address: "127.0.0.1", port_value: port } };
  return {
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
    static_resources: {
      listeners: [
        listener("http", {
          name: "envoy.filters.network.http_connection_manager",
          typed_config: manager,
        }),
        listener("tcp", { name: "envoy.filters.network.tcp_proxy", typed_config: tcp }),
      ],
      clusters: [
        {
          name: "main",
          type: "STATIC",
          connect_timeout: "5s",
          per_connection_buffer_limit_bytes: mebibyte,
          load_assignment: {
            cluster_name: "main",
            endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
          },
        },
      ],
    },
  };
}

for (const side of selectedSides()) {
  describe(`backpressure: ${side.name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "backpressure-"));
    let upstream: Server;
    let proxy: ProxyProcess;
    let sockets: Socket[] = [];

    before(async () => {
      upstream = createServer({ pauseOnConnect: true, allowHalfOpen: true });
      upstream.listen(0, "127.0.0.1");
      await once(upstream, "listening");
      const { port } = upstream.address() as AddressInfo;
      proxy = await ProxyProcess.start({
        side,
        folder,
        bootstrap: JSON.parse(JSON.stringify(bootstrap(port))),
      });
    });

    after(async () => {
      for (const socket of sockets) socket.destroy();
      sockets = [];
      upstream?.close();
      await proxy?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    function dial(name: string): Socket {
      const address = proxy.listener(name);
      const socket = connect(address);
      socket.on("error", () => {});
      sockets.push(socket);
      return socket;
    }

    async function accept(): Promise<Socket> {
      const [socket] = (await once(upstream, "connection")) as [Socket];
      socket.on("error", () => {});
      sockets.push(socket);
      return socket;
    }

    /** The reader stands still: the sender must too, and the proxy must keep little. */
    async function assertHeldBack(sender: Sender, memory: number): Promise<void> {
      sender.send();
      await sender.standstill();
      assert.ok(
        sender.sent < acceptedMax,
        `${sender.sent} bytes were taken for a reader that stands still`,
      );
      const growth = memoryOf(proxy) - memory;
      assert.ok(growth < growthMax, `the proxy grew by ${growth} bytes`);
    }

    it("a response to a client that stops reading", async () => {
      const memory = memoryOf(proxy);
      const client = dial("http");
      const accepted = accept();
      client.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
      const server = await accepted;
      await readHead(server);
      // Closed, or the next case would find its request on this connection.
      server.write(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${total}\r\n\r\n`);
      const sender = new Sender(server);
      const { rest } = await readHead(client);
      await assertHeldBack(sender, memory);
      await readPattern(client, rest);
    });

    it("a request to an upstream that stops reading", async () => {
      const memory = memoryOf(proxy);
      const client = dial("http");
      const accepted = accept();
      client.write(`POST / HTTP/1.1\r\nhost: h\r\ncontent-length: ${total}\r\n\r\n`);
      const server = await accepted;
      const { rest } = await readHead(server);
      await assertHeldBack(new Sender(client), memory);
      await readPattern(server, rest);
    });

    for (const direction of ["downstream", "upstream"] as const) {
      it(`raw TCP to a reader ${direction} that stops`, async () => {
        const memory = memoryOf(proxy);
        const accepted = accept();
        const client = dial("tcp");
        client.pause();
        const server = await accepted;
        const [from, to] = direction === "downstream" ? [server, client] : [client, server];
        await assertHeldBack(new Sender(from), memory);
        await readPattern(to, Buffer.alloc(0));
      });
    }
  });
}
