import assert from "node:assert/strict";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import { TinyClient } from "../../testkit/http2/tiny-client.ts";
import { startTinyServer, type TinyServer } from "../../testkit/http2/tiny-server.ts";
import { authority, serverSettings } from "../../testkit/tls-sides.ts";

interface Answer {
  readonly headers: IncomingHttpHeaders & { readonly [":status"]?: number };
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: Buffer,
  trailers?: OutgoingHttpHeaders,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { waitForTrailers: trailers !== undefined });
    const chunks: Buffer[] = [];
    let head: IncomingHttpHeaders = {};
    let last: IncomingHttpHeaders = {};
    stream.on("response", (received) => {
      head = received;
    });
    stream.on("trailers", (received) => {
      last = received;
    });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers ?? {}));
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => resolve({ headers: head, body: Buffer.concat(chunks), trailers: last }));
    stream.on("error", reject);
    stream.end(body);
  });
}

describe("our server and node:http2's client", () => {
  let server: TinyServer;
  let session: ClientHttp2Session;

  before(async () => {
    server = await startTinyServer();
    session = connect(`http://127.0.0.1:${server.port}`);
    await once(session, "connect");
  });

  after(() => {
    session.destroy();
    server.close();
  });

  it("GET", async () => {
    const answer = await ask(session, { ":path": "/" });
    assert.equal(answer.headers[":status"], 200);
    assert.equal(answer.headers["content-length"], "13");
    assert.equal(answer.body.toString(), "hello, world\n");
  });

  it("HEAD", async () => {
    const answer = await ask(session, { ":path": "/", ":method": "HEAD" });
    assert.equal(answer.headers["content-length"], "13");
    assert.equal(answer.body.length, 0);
  });

  it("a hundred at once, large among small", async () => {
    const sizes = Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? 500_000 : i));
    const answers = await Promise.all(
      sizes.map((size) => ask(session, { ":path": `/size/${size}` })),
    );
    assert.deepEqual(
      answers.map(({ body }) => body.length),
      sizes,
    );
  });

  it("bodies both ways, with trailers", async () => {
    const body = Buffer.alloc(3_000_000, "abcdefghij");
    const answer = await ask(session, { ":path": "/echo", ":method": "POST" }, body, {
      "x-sum": "7",
    });
    assert.ok(answer.body.equals(body));
    assert.equal(answer.trailers["x-sum"], "7");
  });

  it("a field block of several frames, both ways", async () => {
    const value = "v".repeat(40_000);
    const answer = await ask(
      session,
      { ":path": "/echo", ":method": "POST", "content-type": value },
      Buffer.from("x"),
    );
    assert.equal(answer.headers["content-type"], value);
  });

  it("a stream that the client resets is gone, the others live", async () => {
    const stream = session.request({ ":path": "/size/5000000" });
    await once(stream, "response");
    const closed = once(stream, "close");
    stream.close(8);
    await closed;
    assert.equal((await ask(session, { ":path": "/" })).headers[":status"], 200);
    assert.equal(server.stats.get("rxReset"), 1);
    assert.equal(server.stats.get("streamsActive"), 0);
  });
});

it("our server and node:http2's client, over TLS", async () => {
  const tls = serverSettings({ alpn: Buffer.from("\x02h2", "latin1") });
  const server = await startTinyServer({}, tls);
  const session = connect(`https://127.0.0.1:${server.port}`, {
    ca: authority.certificate,
    servername: "a.test",
  });
  try {
    const body = Buffer.alloc(3_000_000, "abcdefghij");
    const answers = await Promise.all([
      ask(session, { ":path": "/echo", ":method": "POST" }, body),
      ask(session, { ":path": "/size/3000000" }),
      ask(session, { ":path": "/echo", ":method": "POST" }, body),
    ]);
    assert.ok(answers[0].body.equals(body));
    assert.equal(answers[1].body.length, 3_000_000);
    assert.ok(answers[2].body.equals(body));
  } finally {
    session.destroy();
    server.close();
  }
});

describe("our client and node:http2's server", () => {
  let server: Http2Server;
  let client: TinyClient;
  const path = (at: string, method = "GET"): RequestHead =>
    new RequestHead(method, at, "test", 20, HeaderList.of({ "x-a": "b" }));

  before(async () => {
    server = createServer({ settings: { maxConcurrentStreams: 200 } });
    server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on("error", () => {});
      switch (headers[":path"]) {
        case "/echo":
          stream.respond({ ":status": 200 });
          stream.pipe(stream);
          return;
        case "/large":
          stream.respond({ ":status": 200, "x-large": "l".repeat(30_000) });
          stream.end(Buffer.alloc(2_000_000, "z"));
          return;
        case "/trailers":
          stream.additionalHeaders({ ":status": 103 });
          stream.respond({ ":status": 200 }, { waitForTrailers: true });
          stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
          stream.end("body");
          return;
        case "/reset":
          stream.close(2);
          return;
        case "/refuse":
          stream.close(7);
          return;
        case "/goaway":
          stream.respond({ ":status": 204 }, { endStream: true });
          stream.session?.goaway(0);
          return;
        default:
          stream.respond({ ":status": 200, "x-a": String(headers["x-a"]) });
          stream.end("hi");
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    // A listening TCP server has such an address.
    client = await TinyClient.connect((server.address() as AddressInfo).port);
  });

  after(() => {
    client.close();
    server.close();
  });

  it("GET", async () => {
    const { head, body } = await client.send(path("/"));
    assert.equal(head?.status, 200);
    assert.equal(head?.version, 20);
    assert.equal(head?.get("x-a"), "b");
    assert.equal(body.toString(), "hi");
    assert.equal(client.codec.concurrency, 200);
  });

  it("bodies larger than the windows, both ways", async () => {
    const body = Buffer.alloc(1_000_000, "0123456789");
    const echoed = await Promise.all(
      [1, 2, 3].map(() => client.send(path("/echo", "POST"), [body, body])),
    );
    for (const answer of echoed) assert.ok(answer.body.equals(Buffer.concat([body, body])));
  });

  it("large fields and a large body", async () => {
    const { head, body } = await client.send(path("/large"));
    assert.equal(head?.get("x-large")?.length, 30_000);
    assert.equal(body.length, 2_000_000);
  });

  it("an informational response, trailers", async () => {
    const answer = await client.send(path("/trailers"));
    assert.deepEqual(answer.informational, [103]);
    assert.equal(answer.body.toString(), "body");
    assert.equal(answer.trailers?.get("grpc-status"), "0");
  });

  it("request trailers after data", async () => {
    const { head } = await client.send(
      path("/", "POST"),
      [Buffer.from("x")],
      HeaderList.of({ "x-t": "1" }),
    );
    assert.equal(head?.status, 200);
  });

  it("resets by their codes", async () => {
    assert.equal((await client.send(path("/reset"))).reset, "remote-reset http2.remote_reset");
    assert.equal((await client.send(path("/refuse"))).reset, "refused http2.remote_refuse");
  });

  it("PING", async () => {
    client.codec.ping();
    await client.until("pong");
  });

  it("GOAWAY: what runs ends, nothing more begins", async () => {
    const answer = client.send(path("/goaway"));
    await client.until("goaway");
    assert.equal((await answer).head?.status, 204);
    assert.equal(client.codec.concurrency, 0);
    assert.equal((await client.send(path("/"))).reset, "refused");
  });
});
