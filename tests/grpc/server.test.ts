import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Stream, connect } from "node:http2";
import { type TestContext, test } from "node:test";
import { type DescService, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type BytesValue, BytesValueSchema } from "@bufbuild/protobuf/wkt";
import {
  Client,
  type ClientOptions,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { bidiStreaming, clientStreaming, serverStreaming, unary } from "#grpc/handlers.ts";
import { GrpcServer, type GrpcServerOptions, type Implementation } from "#grpc/server.ts";
import type { MethodHandler } from "#grpc/server-call.ts";
import { GrpcCode, GrpcError } from "#grpc/status.ts";
import { HeaderList } from "#http/headers.ts";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { ipAddress } from "#net/address.ts";
import { bytes, type EchoMethod, echoService } from "../../testkit/grpc/echo-service.ts";

type Handler = MethodHandler<EchoMethod>;
type Handlers = Partial<Record<"unary" | "serverStream" | "clientStream" | "bidi", Handler>>;

const write = (message: BytesValue): Buffer => Buffer.from(toBinary(BytesValueSchema, message));
const read = (data: Buffer): BytesValue => fromBinary(BytesValueSchema, data);
const text = (message: BytesValue | undefined): string =>
  Buffer.from(message?.value ?? []).toString();

async function started(
  t: TestContext,
  handlers: Handlers,
  options: Partial<GrpcServerOptions> = {},
  clientOptions: ClientOptions = {},
): Promise<{ client: Client; server: GrpcServer; port: number }> {
  const server = new GrpcServer({ clock: systemClock, random: systemRandom, ...options });
  // Proof: EchoMethod is what each method of the service is.
  server.add(echoService, handlers as unknown as Implementation<DescService>);
  const address = await server.listen(ipAddress("127.0.0.1", 0));
  const client = new Client(
    `127.0.0.1:${address.port}`,
    credentials.createInsecure(),
    clientOptions,
  );
  t.after(async () => {
    client.close();
    await server.close();
  });
  return { client, server, port: address.port };
}

function call(
  client: Client,
  message: BytesValue,
  metadata: Metadata = new Metadata(),
  options: { deadline?: number } = {},
): Promise<{ reply: BytesValue | undefined; error: ServiceError | undefined; head: Metadata }> {
  return new Promise((resolve) => {
    let head = new Metadata();
    const made = client.makeUnaryRequest(
      "/heddle.test.Echo/Unary",
      write,
      read,
      message,
      metadata,
      options,
      (error, reply) => resolve({ reply, error: error ?? undefined, head }),
    );
    made.on("metadata", (received) => {
      head = received;
    });
  });
}

const echo: Handler = unary((request) => request);

test("unary", async (t) => {
  const { client } = await started(t, { unary: echo });
  const { reply, error } = await call(client, bytes("hello"));
  assert.equal(error, undefined);
  assert.equal(text(reply), "hello");
});

test("messages of four megabytes, and no more", async (t) => {
  const { client } = await started(
    t,
    { unary: echo },
    { messageBytesMax: 4 * 1024 * 1024 + 16 },
    { "grpc.max_receive_message_length": -1 },
  );
  const big = Buffer.alloc(4 * 1024 * 1024, "x");
  const { reply } = await call(client, bytes(big));
  assert.equal(Buffer.compare(Buffer.from(reply?.value ?? []), big), 0);
  const { error } = await call(client, bytes(Buffer.alloc(4 * 1024 * 1024 + 100)));
  assert.equal(error?.code, status.RESOURCE_EXHAUSTED);
  assert.match(error?.details ?? "", /received message of \d+ bytes/);
  // The connection has outlived it.
  assert.equal(text((await call(client, bytes("again"))).reply), "again");
});

test("metadata both ways, binary too", async (t) => {
  const { client } = await started(t, {
    unary: unary((request, served) => {
      const head = new HeaderList();
      head.add("x-seen", served.metadata.get("x-sent") ?? "");
      head.add("x-seen-bin", served.metadata.get("x-sent-bin") ?? "");
      served.sendMetadata(head);
      return request;
    }),
  });
  const metadata = new Metadata();
  metadata.set("x-sent", "yes");
  metadata.set("x-sent-bin", Buffer.from([0, 255]));
  const { head } = await call(client, bytes(""), metadata);
  assert.deepEqual(head.get("x-seen"), ["yes"]);
  assert.deepEqual(head.get("x-seen-bin"), [Buffer.from([0, 255])]);
});

test("a GrpcError is the call's status, with its details and trailers", async (t) => {
  const { client } = await started(t, {
    unary: unary(() => {
      throw new GrpcError(GrpcCode.failedPrecondition, "100 % später", {
        details: Uint8Array.from([1, 2]),
        trailers: HeaderList.of({ "x-more": "1" }),
      });
    }),
  });
  const { error } = await call(client, bytes(""));
  assert.equal(error?.code, status.FAILED_PRECONDITION);
  assert.equal(error?.details, "100 % später");
  assert.deepEqual(error?.metadata.get("grpc-status-details-bin"), [Buffer.from([1, 2])]);
  assert.deepEqual(error?.metadata.get("x-more"), ["1"]);
});

test("what is thrown else is UNKNOWN, a method not there UNIMPLEMENTED", async (t) => {
  const { client } = await started(t, {
    unary: unary(() => Promise.reject(new Error("broken"))),
  });
  const { error } = await call(client, bytes(""));
  assert.equal(error?.code, status.UNKNOWN);
  assert.equal(error?.details, "broken");
  const stream = client.makeServerStreamRequest(
    "/heddle.test.Echo/ServerStream",
    write,
    read,
    bytes(""),
  );
  stream.resume();
  const [missing] = (await once(stream, "error")) as [ServiceError];
  assert.equal(missing.code, status.UNIMPLEMENTED);
});

test("server streaming", async (t) => {
  const { client } = await started(t, {
    serverStream: serverStreaming(async function* (request) {
      for (const word of text(request).split(" ")) yield bytes(word);
    }),
  });
  const stream = client.makeServerStreamRequest(
    "/heddle.test.Echo/ServerStream",
    write,
    read,
    bytes("a b c"),
  );
  const words: string[] = [];
  stream.on("data", (message: BytesValue) => words.push(text(message)));
  await once(stream, "end");
  assert.deepEqual(words, ["a", "b", "c"]);
});

test("a stream of answers waits for a client that does not read", async (t) => {
  const total = 400;
  let sent = 0;
  const { port } = await started(t, {
    serverStream: serverStreaming(async function* () {
      for (; sent < total; sent++) yield bytes(Buffer.alloc(64 * 1024));
    }),
    // Runs beside it on the same connection: when it is answered, the other has had its chance.
    unary: echo,
  });
  // Not grpc-js, which reads whether its user does or not.
  const session = connect(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  const request = (path: string): ClientHttp2Stream =>
    session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
  const slow = request("/heddle.test.Echo/ServerStream");
  slow.end(Buffer.alloc(5));
  await once(slow, "response");
  for (let before = -1; before !== sent; ) {
    before = sent;
    const other = request("/heddle.test.Echo/Unary").resume();
    other.end(Buffer.alloc(5));
    await once(other, "end");
  }
  assert.ok(sent < total, `all ${sent} were sent`);
  let received = 0;
  slow.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  await once(slow, "end");
  assert.ok(received > total * 64 * 1024);
  assert.equal(sent, total);
});

test("client streaming", async (t) => {
  const { client } = await started(t, {
    clientStream: clientStreaming(async (requests) => {
      let all = "";
      for await (const request of requests) all += text(request);
      return bytes(all);
    }),
  });
  const reply = await new Promise<BytesValue | undefined>((resolve, reject) => {
    const stream = client.makeClientStreamRequest(
      "/heddle.test.Echo/ClientStream",
      write,
      read,
      (error, message) => (error === null ? resolve(message) : reject(error)),
    );
    for (let i = 0; i < 100; i++) stream.write(bytes(`${i},`));
    stream.end();
  });
  assert.equal(text(reply), Array.from({ length: 100 }, (_, i) => `${i},`).join(""));
});

test("bidirectional streaming answers before the client ends", async (t) => {
  const { client } = await started(t, {
    bidi: bidiStreaming(async function* (requests) {
      for await (const request of requests) yield bytes(`<${text(request)}>`);
    }),
  });
  const stream = client.makeBidiStreamRequest("/heddle.test.Echo/Bidi", write, read);
  for (const word of ["a", "b", "c"]) {
    const answered = once(stream, "data");
    stream.write(bytes(word));
    const [message] = (await answered) as [BytesValue];
    assert.equal(text(message), `<${word}>`);
  }
  const ended = once(stream, "status");
  stream.end();
  const [last] = (await ended) as [{ code: number }];
  assert.equal(last.code, status.OK);
});

test("a client's cancellation reaches the method", async (t) => {
  const cancelled = Promise.withResolvers<number>();
  const { client, server } = await started(t, {
    bidi: (served) => {
      served.sendMetadata(undefined);
      return {
        onMessage: () => {},
        onHalfClose: () => {},
        onCancel: ({ code }) => cancelled.resolve(code),
      };
    },
  });
  const stream = client.makeBidiStreamRequest("/heddle.test.Echo/Bidi", write, read);
  stream.on("error", () => {});
  await once(stream, "metadata");
  assert.equal(server.calls, 1);
  stream.cancel();
  assert.equal(await cancelled.promise, GrpcCode.cancelled);
  assert.equal(server.calls, 0);
});

test("a deadline ends the call on both sides", async (t) => {
  const cancelled = Promise.withResolvers<number>();
  const { client } = await started(t, {
    unary: () => ({
      onMessage: () => {},
      onHalfClose: () => {},
      onCancel: ({ code }) => cancelled.resolve(code),
    }),
  });
  const { error } = await call(client, bytes(""), new Metadata(), { deadline: Date.now() + 100 });
  assert.equal(error?.code, status.DEADLINE_EXCEEDED);
  // Whoever's clock is first.
  const told: readonly number[] = [GrpcCode.deadlineExceeded, GrpcCode.cancelled];
  assert.ok(told.includes(await cancelled.promise));
});

test("gzip in, gzip out", async (t) => {
  const { client } = await started(
    t,
    { unary: echo },
    {},
    { "grpc.default_compression_algorithm": 2 },
  );
  const big = Buffer.alloc(100_000, "compressible ");
  const { reply, head } = await call(client, bytes(big));
  assert.equal(Buffer.compare(Buffer.from(reply?.value ?? []), big), 0);
  assert.deepEqual(head.get("grpc-encoding"), []);
});

test("closing lets a call finish and takes no other", async (t) => {
  const release = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const { client, server } = await started(t, {
    unary: unary(async (request) => {
      begun.resolve();
      await release.promise;
      return request;
    }),
  });
  const first = call(client, bytes("first"));
  await begun.promise;
  const closed = server.close(10_000);
  release.resolve();
  assert.equal(text((await first).reply), "first");
  await closed;
  const { error } = await call(client, bytes("second"));
  assert.equal(error?.code, status.UNAVAILABLE);
});

test("a server that closes still sends what waits for a client's window", async (t) => {
  const size = 200_000;
  const { server, port } = await started(t, { unary: unary(() => bytes("x".repeat(size))) });
  const session = connect(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": "/heddle.test.Echo/Unary",
    "content-type": "application/grpc",
    te: "trailers",
  });
  const trailed = once(stream, "trailers");
  const ended = once(stream, "close");
  const answered = once(stream, "response");
  stream.on("error", () => undefined);
  stream.end(Buffer.alloc(5));
  await answered;
  const goingAway = once(session, "goaway");
  const closed = server.close(3000);
  await goingAway;
  let received = 0;
  stream.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  await ended;
  assert.ok(received > size, `${received}`);
  const [trailers] = await trailed;
  assert.equal(trailers["grpc-status"], "0");
  await closed;
});
