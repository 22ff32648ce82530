import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer, type Socket, type Server as TcpServer } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type BytesValue, BytesValueSchema } from "@bufbuild/protobuf/wkt";
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  status,
} from "@grpc/grpc-js";
import { GrpcChannel } from "#grpc/channel.ts";
import type { CallOptions } from "#grpc/client-call.ts";
import { GrpcCode, GrpcError, type GrpcStatus } from "#grpc/status.ts";
import { HeaderList } from "#http/headers.ts";
import { systemClock } from "#lib/clock.ts";
import { ipAddress } from "#net/address.ts";
import { connect } from "#net/connect.ts";
import { bytes, type EchoMethod, echoMethods } from "../../testkit/grpc/echo-service.ts";
import { seededRandom } from "../../testkit/seeded-random.ts";

interface Handlers {
  readonly Unary?: handleUnaryCall<BytesValue, BytesValue>;
  readonly ServerStream?: handleServerStreamingCall<BytesValue, BytesValue>;
  readonly ClientStream?: handleClientStreamingCall<BytesValue, BytesValue>;
  readonly Bidi?: handleBidiStreamingCall<BytesValue, BytesValue>;
}

const text = (message: BytesValue): string => Buffer.from(message.value).toString();

function definition(name: string, requestStream: boolean, responseStream: boolean) {
  const write = (message: BytesValue): Buffer => Buffer.from(toBinary(BytesValueSchema, message));
  const read = (data: Buffer): BytesValue => fromBinary(BytesValueSchema, data);
  return {
    path: `/heddle.test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: write,
    requestDeserialize: read,
    responseSerialize: write,
    responseDeserialize: read,
  };
}

const service = {
  Unary: definition("Unary", false, false),
  ServerStream: definition("ServerStream", false, true),
  ClientStream: definition("ClientStream", true, false),
  Bidi: definition("Bidi", true, true),
};

async function serve(t: TestContext, handlers: Handlers, port = 0): Promise<number> {
  return (await serveWith(t, handlers, port)).port;
}

async function serveWith(
  t: TestContext,
  handlers: Handlers,
  port = 0,
): Promise<{ server: Server; port: number }> {
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  server.addService(service, { ...handlers });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, chosen) =>
      error === null ? resolve(chosen) : reject(error),
    );
  });
  t.after(() => server.forceShutdown());
  return { server, port: bound };
}

function channelTo(t: TestContext, port: number, messageBytesMax?: number): GrpcChannel {
  const channel = new GrpcChannel({
    connect: (callbacks) => connect(ipAddress("127.0.0.1", port), {}, callbacks),
    authority: `127.0.0.1:${port}`,
    clock: systemClock,
    random: seededRandom(1),
    backoff: { initialMs: 20, maxMs: 100, multiplier: 1.6, jitter: 0.2 },
    ...(messageBytesMax === undefined ? {} : { messageBytesMax }),
  });
  t.after(() => channel.close());
  return channel;
}

const echoed: Handlers["Unary"] = (call, callback) => callback(null, call.request);

/** A whole call: what is sent, what comes. */
function talk(
  channel: GrpcChannel,
  method: EchoMethod,
  words: readonly string[],
  options: CallOptions = {},
): Promise<{ words: string[]; status: GrpcStatus; head: HeaderList; trailers: HeaderList }> {
  return new Promise((resolve) => {
    const received: string[] = [];
    let head = new HeaderList();
    const call = channel.call(
      method,
      {
        onMetadata: (metadata) => {
          head = metadata;
        },
        onMessage: (message) => received.push(text(message)),
        onEnd: (ended, trailers) => resolve({ words: received, status: ended, head, trailers }),
      },
      options,
    );
    for (const word of words) call.send(bytes(word));
    call.end();
  });
}

const rejected = async (promise: Promise<unknown>): Promise<GrpcError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof GrpcError, String(error));
  return error;
};

test("all four kinds of call", async (t) => {
  const port = await serve(t, {
    Unary: echoed,
    ServerStream: (call) => {
      for (const word of text(call.request).split(" ")) call.write(bytes(word));
      call.end();
    },
    ClientStream: (call, callback) => {
      let all = "";
      call.on("data", (message: BytesValue) => {
        all += text(message);
      });
      call.on("end", () => callback(null, bytes(all)));
    },
    Bidi: (call) => {
      call.on("data", (message: BytesValue) => call.write(bytes(`<${text(message)}>`)));
      call.on("end", () => call.end());
    },
  });
  const channel = channelTo(t, port);
  assert.equal(text(await channel.unary(echoMethods.unary, bytes("hello"))), "hello");
  const [served, collected, spoken] = await Promise.all([
    talk(channel, echoMethods.serverStream, ["a b c"]),
    talk(channel, echoMethods.clientStream, ["a", "b", "c"]),
    talk(channel, echoMethods.bidi, ["a", "b"]),
  ]);
  assert.deepEqual(served.words, ["a", "b", "c"]);
  assert.deepEqual(collected.words, ["abc"]);
  assert.deepEqual(spoken.words, ["<a>", "<b>"]);
  assert.deepEqual([served.status.code, collected.status.code, spoken.status.code], [0, 0, 0]);
});

test("four megabytes both ways; a limit on what is received", async (t) => {
  const port = await serve(t, { Unary: echoed });
  const big = Buffer.alloc(4 * 1024 * 1024, "x");
  const wide = channelTo(t, port, 5 * 1024 * 1024);
  const reply = await wide.unary(echoMethods.unary, bytes(big));
  assert.equal(Buffer.compare(Buffer.from(reply.value), big), 0);
  const narrow = channelTo(t, port, 1024 * 1024);
  const error = await rejected(narrow.unary(echoMethods.unary, bytes(big)));
  assert.equal(error.code, GrpcCode.resourceExhausted);
});

test("metadata, status, message and trailers", async (t) => {
  const port = await serve(t, {
    Unary: (call, callback) => {
      const head = new Metadata();
      head.set("x-seen", String(call.metadata.get("x-sent")[0]));
      call.sendMetadata(head);
      const trailers = new Metadata();
      trailers.set("x-more", "1");
      callback({ code: status.NOT_FOUND, details: "kein Müll %", metadata: trailers });
    },
  });
  const {
    status: ended,
    head,
    trailers,
  } = await talk(channelTo(t, port), echoMethods.unary, [""], {
    metadata: HeaderList.of({ "x-sent": "yes" }),
  });
  assert.equal(head.get("x-seen"), "yes");
  assert.deepEqual([ended.code, ended.message], [GrpcCode.notFound, "kein Müll %"]);
  assert.equal(trailers.get("x-more"), "1");
});

test("a method that the server lacks is UNIMPLEMENTED", async (t) => {
  const channel = channelTo(t, await serve(t, {}));
  const error = await rejected(channel.unary(echoMethods.unary, bytes("")));
  assert.equal(error.code, GrpcCode.unimplemented);
});

test("gzip", async (t) => {
  const port = await serve(t, { Unary: echoed });
  const big = "compressible ".repeat(10_000);
  const { words } = await talk(channelTo(t, port), echoMethods.unary, [big], { gzip: true });
  assert.deepEqual(words, [big]);
});

test("a deadline ends the call here, and tells the server", async (t) => {
  const cancelled = Promise.withResolvers<void>();
  const port = await serve(t, {
    Unary: (call) => {
      call.on("cancelled", () => cancelled.resolve());
    },
  });
  const error = await rejected(
    channelTo(t, port).unary(echoMethods.unary, bytes(""), { timeoutMs: 100 }),
  );
  assert.equal(error.code, GrpcCode.deadlineExceeded);
  await cancelled.promise;
});

test("a cancellation reaches the server", async (t) => {
  const begun = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<void>();
  const port = await serve(t, {
    Bidi: (call) => {
      call.on("cancelled", () => cancelled.resolve());
      call.on("data", () => begun.resolve());
    },
  });
  const ended = Promise.withResolvers<GrpcStatus>();
  const made = channelTo(t, port).call(echoMethods.bidi, {
    onMessage: () => {},
    onEnd: (last) => ended.resolve(last),
  });
  made.send(bytes("a"));
  await begun.promise;
  made.cancel();
  assert.equal((await ended.promise).code, GrpcCode.cancelled);
  await cancelled.promise;
});

test("without a server calls fail at once, or wait until there is one", async (t) => {
  const port = await serve(t, {});
  const unused = await new Promise<number>((resolve) => {
    const taken: TcpServer = createServer().listen(0, "127.0.0.1", () => {
      const address = taken.address();
      taken.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
  assert.notEqual(unused, port);
  const channel = channelTo(t, unused);
  const error = await rejected(channel.unary(echoMethods.unary, bytes("")));
  assert.equal(error.code, GrpcCode.unavailable);
  assert.match(error.message, /cannot reach 127\.0\.0\.1:\d+: ECONNREFUSED/);
  const patient = channel.unary(echoMethods.unary, bytes("there"), { waitForReady: true });
  await serve(t, { Unary: echoed }, unused);
  assert.equal(text(await patient), "there");
});

test("a server that speaks something else ends the call, and is not asked in a hurry", async (t) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on("error", () => {});
    socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const error = await rejected(channelTo(t, address.port).unary(echoMethods.unary, bytes("")));
  assert.equal(error.code, GrpcCode.unavailable);
  assert.equal(connections, 1);
});

test("a broken connection ends its calls, and the next call makes another", async (t) => {
  const begun = Promise.withResolvers<void>();
  const { server, port } = await serveWith(t, { Unary: () => begun.resolve() });
  const channel = channelTo(t, port);
  const lost = rejected(channel.unary(echoMethods.unary, bytes("x")));
  await begun.promise;
  server.forceShutdown();
  const { code } = await lost;
  assert.ok(code === GrpcCode.unavailable || code === GrpcCode.cancelled, String(code));
  await serve(t, { Unary: echoed }, port);
  const again = channel.unary(echoMethods.unary, bytes("y"), { waitForReady: true });
  assert.equal(text(await again), "y");
});

test("a server that accepts and says nothing is not waited for longer than the connect timeout", async (t) => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket.on("error", () => undefined)));
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const channel = new GrpcChannel({
    connect: (callbacks) => connect(ipAddress("127.0.0.1", port), {}, callbacks),
    authority: "silent",
    clock: systemClock,
    random: seededRandom(1),
    connectTimeoutMs: 50,
  });
  t.after(() => {
    channel.close();
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  await assert.rejects(channel.unary(echoMethods.unary, bytes("x")), {
    code: GrpcCode.unavailable,
  });
  assert.equal(channel.state, "transient-failure");
});

test("a call on a connection that goes away ends when the channel is closed", async (t) => {
  const begun = Promise.withResolvers<void>();
  const server = createHttp2Server();
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => undefined);
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.session?.goaway(0);
    begun.resolve();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const channel = channelTo(t, (server.address() as AddressInfo).port);
  t.after(() => server.close());
  const ended = Promise.withResolvers<GrpcStatus>();
  channel.call(echoMethods.bidi, { onMessage: () => undefined, onEnd: ended.resolve });
  await begun.promise;
  while (channel.state === "ready") await delay(5);
  channel.close();
  assert.equal((await ended.promise).code, GrpcCode.unavailable);
});
