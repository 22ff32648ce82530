import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from "node:tls";
import {
  authority,
  clientSettings,
  closeListeners,
  dial,
  leaf,
  pair,
  type Side,
  serve,
  serverSettings,
} from "../../testkit/tls-sides.ts";
import { dispatch } from "./raw-connection.ts";

after(closeListeners);

describe("a TLS connection", () => {
  it("carries bytes both ways and ends on each side by itself", async () => {
    const [server, client] = await pair();
    client.connection.writeText("question");
    await server.seen.until(() => server.seen.text === "question");
    client.connection.shutdown();
    await server.seen.until(() => server.seen.ended);
    server.connection.write(Buffer.from("answer"));
    await client.seen.until(() => client.seen.text === "answer");
    server.connection.closeAfterFlush();
    await client.seen.until(() => client.seen.ended);
    client.connection.destroy();
    assert.equal(server.seen.closed?.kind, "local");
    assert.equal(client.seen.closes, 1);
    assert.equal(client.connection.bytesSent, 8);
    assert.equal(client.connection.bytesReceived, 6);
    assert.equal(server.connection.bytesReceived, 8);
  });

  it("serves a client of node:tls", async () => {
    const listener = await serve(serverSettings({ alpn: Buffer.from("\x08http/1.1\x02h2") }));
    const peer = tlsConnect({
      ...{ host: "127.0.0.1", port: listener.port, servername: "a.test" },
      ...{ ca: authority.certificate, ALPNProtocols: ["h2"] },
    });
    let got = "";
    peer.on("data", (chunk) => {
      got += chunk;
    });
    const ended = new Promise((resolve) => peer.on("end", resolve));
    const { connection, seen } = await listener.next();
    peer.write("hello");
    await seen.until(() => seen.text === "hello");
    assert.equal(connection.tls?.sni, "a.test");
    assert.equal(connection.tls?.alpn, "h2");
    assert.equal(connection.tls?.version, "TLSv1.3");
    assert.equal(connection.tls?.cipher, "TLS_AES_128_GCM_SHA256");
    assert.equal(connection.tls?.peerPresented, false);
    assert.equal(connection.tls?.sessionReused, false);
    assert.equal(connection.tls?.sessionId, "");
    connection.writeText("bye");
    connection.closeAfterFlush();
    await ended;
    assert.equal(got, "bye");
  });

  it("is a client of node:tls", async () => {
    const server = createTlsServer({ key: leaf.key, cert: leaf.certificate });
    const served = new Promise<TLSSocket>((resolve) => server.on("secureConnection", resolve));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    const { connection, seen } = await dial(address.port, clientSettings({ serverName: "a.test" }));
    const socket = await served;
    assert.equal(Reflect.get(socket, "servername"), "a.test");
    socket.write("hello");
    await seen.until(() => seen.text === "hello");
    assert.deepEqual(connection.tls?.peerDnsSans, ["a.test"]);
    assert.equal(connection.tls?.peerSubject, "CN=server");
    assert.equal(connection.tls?.peerValidated, true);
    socket.destroy();
    await seen.until(() => seen.ended || seen.closed !== undefined);
    connection.destroy();
    server.close();
  });

  it("gathers the writes of one event", async () => {
    const [server, client] = await pair();
    client.connection.writeText("a");
    client.connection.write(Buffer.from("b"));
    client.connection.writeText("c");
    let chunks = 0;
    server.seen.onText = () => {
      chunks++;
    };
    await server.seen.until(() => server.seen.text === "abc");
    assert.equal(chunks, 1);
    client.connection.destroy();
    server.connection.destroy();
  });

  it("keeps what was written although the caller uses its buffer again", async () => {
    const [server, client] = await pair();
    const chunk = Buffer.alloc(100_000, "a");
    client.connection.write(chunk);
    client.connection.write(chunk);
    await new Promise((resolve) => setImmediate(resolve));
    chunk.fill("b");
    await server.seen.until(() => server.seen.size === 200_000);
    assert.doesNotMatch(server.seen.text, /b/);
    client.connection.destroy();
    server.connection.destroy();
  });

  it("is paused and resumed by count, and gives nothing out in between", async () => {
    const [server, client] = await pair();
    server.seen.onText = () => {
      server.connection.pause();
      server.connection.pause();
      server.seen.onText = undefined;
    };
    // Several records that the runtime decrypts from one read.
    client.connection.write(Buffer.alloc(60_000, "a"));
    client.connection.shutdown();
    await server.seen.until(() => server.seen.size > 0);
    const first = server.seen.size;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(server.seen.size, first);
    server.connection.resume();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(server.seen.size, first);
    assert.equal(server.seen.ended, false);
    server.connection.resume();
    await server.seen.until(() => server.seen.ended);
    assert.equal(server.seen.size, 60_000);
    client.connection.destroy();
    server.connection.destroy();
  });

  it("says when unsent bytes pass the limit and when they are below again", async () => {
    const [server, client] = await pair();
    server.connection.pause();
    client.connection.bufferLimit = 100_000;
    const chunk = Buffer.alloc(64 * 1024, "x");
    let written = 0;
    while (client.seen.unwritable === 0) {
      client.connection.write(chunk);
      written += chunk.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    server.connection.resume();
    await client.seen.until(() => client.seen.writable > 0);
    await server.seen.until(() => server.seen.size === written);
    client.connection.destroy();
    server.connection.destroy();
  });

  it("carries ten megabytes each way at once", async () => {
    const [server, client] = await pair();
    const total = 10 * 1024 * 1024;
    const chunk = Buffer.alloc(100 * 1024, "x");
    const pump = async (side: Side): Promise<void> => {
      for (let sent = 0; sent < total; sent += chunk.length) {
        if (side.connection.write(chunk)) continue;
        const times = side.seen.writable;
        await side.seen.until(() => side.seen.writable > times);
      }
    };
    await Promise.all([pump(server), pump(client)]);
    const size = Math.ceil(total / chunk.length) * chunk.length;
    await Promise.all([
      server.seen.until(() => server.seen.size === size),
      client.seen.until(() => client.seen.size === size),
    ]);
    client.connection.destroy();
    server.connection.destroy();
  });

  it("says close_notify when it is destroyed, and a reset when asked for one", async () => {
    const [server, client] = await pair();
    // After an answer the session tickets are read too: closing with unread bytes is a reset on any socket.
    server.connection.writeText("x");
    await client.seen.until(() => client.seen.text === "x");
    client.connection.destroy();
    await server.seen.until(() => server.seen.ended);
    assert.equal(server.seen.closed, undefined);
    server.connection.destroy();
    const [second, peer] = await pair();
    second.connection.writeText("x");
    await peer.seen.until(() => peer.seen.text === "x");
    peer.connection.destroy(true);
    await second.seen.until(() => second.seen.closed !== undefined);
    assert.equal(second.seen.closed?.kind, "remote-reset");
  });

  it("ends when the peer goes away while it writes, wherever the write fails", async () => {
    const listener = await serve(serverSettings());
    for (let round = 0; round < 40; round++) {
      const peer = tlsConnect({
        ...{ host: "127.0.0.1", port: listener.port, servername: "a.test" },
        ca: authority.certificate,
      });
      peer.on("error", () => {});
      peer.once("data", () => peer.destroy());
      const { connection, seen } = await listener.next();
      const chunk = Buffer.alloc(64 * 1024, "x");
      // A proxy's way: go on while it takes bytes, close at the end of the peer's.
      const write = (): void => {
        while (!connection.closed && connection.write(chunk));
      };
      connection.bufferLimit = 256 * 1024;
      connection.handler = {
        onData: () => {},
        onEnd: () => connection.closeAfterFlush(),
        onUnwritable: () => {},
        onWritable: () => dispatch(write),
        onClose: (reason) => seen.onClose(reason),
      };
      const timer = setInterval(() => dispatch(() => connection.write(chunk)), 1);
      await seen.until(() => seen.closed !== undefined);
      clearInterval(timer);
      assert.equal(seen.closes, 1);
    }
  });

  it("may be destroyed in any of its calls", async () => {
    const [server, client] = await pair();
    server.seen.onText = () => server.connection.destroy();
    client.connection.write(Buffer.alloc(100_000, "a"));
    await server.seen.until(() => server.seen.closed !== undefined);
    assert.equal(server.seen.closes, 1);
    await client.seen.until(() => client.seen.ended || client.seen.closed !== undefined);
    client.connection.destroy();
    assert.equal(client.seen.closes, 1);
  });
});
