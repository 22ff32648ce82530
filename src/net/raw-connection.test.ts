import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { unlinkSync } from "node:fs";
import { connect as nodeConnect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { type Address, ipAddress, pipeAddress } from "./address.ts";
import { connect } from "./connect.ts";
import type { CloseReason, Connection, ConnectionHandler } from "./connection.ts";
import { type ListeningSocket, listen } from "./listen.ts";
import type { RawConnection } from "./raw-connection.ts";

/** Records what a connection says; `until` waits for the next event of a kind. */
class Recorder implements ConnectionHandler {
  readonly events: string[] = [];
  text = "";
  received = 0;
  reason: CloseReason | undefined;
  #waiting: { name: string; resolve: () => void }[] = [];

  until(name: string): Promise<void> {
    if (this.events.includes(name)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ name, resolve }));
  }

  #say(name: string): void {
    this.events.push(name);
    const ready = this.#waiting.filter((waiter) => waiter.name === name);
    this.#waiting = this.#waiting.filter((waiter) => waiter.name !== name);
    for (const { resolve } of ready) resolve();
  }

  onData(chunk: Uint8Array): void {
    this.received += chunk.length;
    if (this.text.length < 1000) this.text += Buffer.from(chunk).toString("latin1");
    this.#say("data");
  }

  onEnd(): void {
    this.#say("end");
  }

  onUnwritable(): void {
    this.#say("unwritable");
  }

  onWritable(): void {
    this.#say("writable");
  }

  onClose(reason: CloseReason): void {
    this.reason = reason;
    this.#say("close");
  }
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Pair {
  readonly server: RawConnection;
  readonly said: Recorder;
  readonly client: Socket;
  readonly listening: ListeningSocket;
}

async function serve(
  address: Address,
): Promise<{ listening: ListeningSocket; accepted: Promise<RawConnection> }> {
  const { promise: accepted, resolve } = Promise.withResolvers<RawConnection>();
  const listening = await listen(address, {}, resolve);
  cleanups.push(() => listening.close());
  return { listening, accepted };
}

/** A client of node:net and our end of its connection, which reads only after `start`. */
async function pair(): Promise<Pair> {
  const { listening, accepted } = await serve(ipAddress("127.0.0.1", 0));
  const client = nodeConnect({
    host: "127.0.0.1",
    port: listening.address.port,
    allowHalfOpen: true,
  });
  client.on("error", () => {});
  const server = await accepted;
  const said = new Recorder();
  server.handler = said;
  cleanups.push(() => {
    client.destroy();
    server.destroy();
  });
  return { server, said, client, listening };
}

async function dialled(address: Address): Promise<{ connection: Connection; said: Recorder }> {
  const said = new Recorder();
  const connection = await new Promise<Connection>((resolve, reject) => {
    connect(
      address,
      {},
      {
        onConnect: (made) => {
          made.handler = said;
          resolve(made);
        },
        onError: (detail) => reject(new Error(detail)),
      },
    );
  });
  cleanups.push(() => connection.destroy());
  return { connection, said };
}

describe("a raw connection", () => {
  it("reads, writes texts and bytes in order, and counts both", async () => {
    const { server, said, client } = await pair();
    server.start();
    client.write("hello");
    await said.until("data");
    assert.equal(said.text, "hello");
    const bytes = Buffer.from("bytes ");
    server.writeText("text \xe9 ");
    server.write(bytes);
    server.writeText("end");
    server.closeAfterFlush();
    const got = Buffer.concat(await client.toArray()).toString("latin1");
    assert.equal(got, "text \xe9 bytes end");
    assert.deepEqual(
      [server.bytesReceived, server.bytesSent, server.closed],
      [5, got.length, true],
    );
    assert.deepEqual(said.reason, { kind: "local", detail: "" });
  });

  it("knows both addresses", async () => {
    const { server, client, listening } = await pair();
    assert.deepEqual(server.local, listening.address);
    assert.deepEqual(server.remote, ipAddress("127.0.0.1", client.localPort ?? 0));
  });

  it("loses nothing that comes before start, or while it is paused", async () => {
    const { server, said, client } = await pair();
    client.write("early ");
    server.pause();
    server.pause();
    server.start();
    server.resume();
    client.end("late");
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(said.received, 0, "one pause is left");
    server.resume();
    await said.until("end");
    assert.equal(said.text, "early late");
  });

  it("does not read before start, though it was paused and resumed", async () => {
    const { server, said, client } = await pair();
    server.pause();
    server.resume();
    await new Promise<void>((resolve) => client.write("early", () => resolve()));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(said.received, 0);
    server.start();
    await said.until("data");
    assert.equal(said.text, "early");
  });

  it("writes on after the peer's FIN", async () => {
    const { server, said, client } = await pair();
    server.start();
    client.end("question");
    await said.until("end");
    server.writeText("answer");
    server.shutdown();
    assert.equal(Buffer.concat(await client.toArray()).toString(), "answer");
    assert.equal(server.closed, false, "the owner closes");
  });

  it("tells a reset from a close", async () => {
    const { server, said, client } = await pair();
    server.start();
    await once(client, "connect");
    client.resetAndDestroy();
    await said.until("close");
    assert.equal(said.reason?.kind, "remote-reset");
  });

  it("resets when asked to", async () => {
    const { server, client } = await pair();
    server.start();
    const failed = once(client, "error");
    client.resume();
    server.destroy(true);
    const [error] = await failed;
    assert.equal(error.code, "ECONNRESET");
  });

  it("closes once, and then takes nothing", async () => {
    const { server, said } = await pair();
    server.destroy();
    server.destroy();
    server.writeText("nothing");
    server.closeAfterFlush();
    assert.deepEqual(said.events, ["close"]);
    assert.equal(server.unsent, 0);
  });

  it("says when a slow reader leaves too much, keeps a copy of it, and sends every byte", async () => {
    const { server, said, client } = await pair();
    server.bufferLimit = 256 * 1024;
    server.start();
    await once(client, "connect");
    const sent = createHash("sha256");
    const chunk = Buffer.alloc(64 * 1024);
    let size = 0;
    // Reused for every write, as the read buffer of a proxy is.
    for (let value = 1; !said.events.includes("unwritable"); value++) {
      chunk.fill(value);
      sent.update(chunk);
      size += chunk.length;
      server.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(
      server.unsent <= server.bufferLimit + 2 * chunk.length + 128 * 1024,
      `${server.unsent} unsent`,
    );
    const got = createHash("sha256");
    let received = 0;
    client.on("data", (data) => {
      received += data.length;
      got.update(data);
    });
    await said.until("writable");
    server.closeAfterFlush();
    await once(client, "end");
    assert.equal(received, size);
    assert.equal(got.digest("hex"), sent.digest("hex"));
  });

  it("sends a text and bytes larger than the write buffer", async () => {
    const { server, client } = await pair();
    server.start();
    server.writeText("t".repeat(300_000));
    server.write(Buffer.alloc(300_000, "b"));
    server.closeAfterFlush();
    const got = Buffer.concat(await client.toArray()).toString();
    assert.equal(got, "t".repeat(300_000) + "b".repeat(300_000));
  });
});

describe("connect", () => {
  it("makes a connection that reads by itself", async () => {
    const { listening, accepted } = await serve(ipAddress("127.0.0.1", 0));
    const { connection, said } = await dialled(listening.address);
    const peer = await accepted;
    cleanups.push(() => peer.destroy());
    peer.start();
    peer.writeText("hello");
    await said.until("data");
    assert.equal(said.text, "hello");
    assert.deepEqual(peer.remote, connection.local);
  });

  it("works over a Unix socket", async () => {
    const path = join(tmpdir(), `heddle-net-${process.pid}.sock`);
    cleanups.push(() => {
      try {
        unlinkSync(path);
      } catch {
        // Closing the listener has removed it.
      }
    });
    const { accepted } = await serve(pipeAddress(path));
    const { connection } = await dialled(pipeAddress(path));
    const peer = await accepted;
    const said = new Recorder();
    peer.handler = said;
    cleanups.push(() => peer.destroy());
    peer.start();
    connection.writeText("hello");
    await said.until("data");
    assert.equal(said.text, "hello");
    assert.equal(peer.remote.family, "pipe");
  });

  it("names the error of a refused connection", async () => {
    const { listening } = await serve(ipAddress("127.0.0.1", 0));
    listening.close();
    await assert.rejects(dialled(listening.address), /ECONNREFUSED/);
    await assert.rejects(dialled(pipeAddress("/nowhere/x.sock")), /ENOENT/);
  });

  it("calls nobody after cancel", async () => {
    const { listening } = await serve(ipAddress("127.0.0.1", 0));
    let calls = 0;
    const count = (): void => {
      calls++;
    };
    const pending = connect(listening.address, {}, { onConnect: count, onError: count });
    pending.cancel();
    pending.cancel();
    const { connection } = await dialled(listening.address);
    connection.destroy();
    assert.equal(calls, 0);
  });
});

describe("listen", () => {
  it("refuses an address that is taken", async () => {
    const { listening } = await serve(ipAddress("127.0.0.1", 0));
    await assert.rejects(
      listen(listening.address, {}, () => {}),
      /EADDRINUSE/,
    );
  });

  it("lets workers share a port with reusePort", async () => {
    const first = await listen(ipAddress("127.0.0.1", 0), { reusePort: true }, () => {});
    const second = await listen(first.address, { reusePort: true }, () => {});
    assert.deepEqual(second.address, first.address);
    first.close();
    second.close();
  });
});
