/** grpc-js as client and as server, with the proxy between them: HTTP/2 on both sides. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import {
  Client,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  type StatusObject,
  status,
} from "@grpc/grpc-js";
import { http2Cluster } from "../parity/harness/http2.ts";
import { bootstrap, start, statBecomes } from "../proxy/support.ts";

const same = (bytes: Buffer): Buffer => bytes;

function definition(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/heddle.Test/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

const service = {
  Unary: definition("Unary", false, false),
  ServerStream: definition("ServerStream", false, true),
  ClientStream: definition("ClientStream", true, false),
  Bidi: definition("Bidi", true, true),
};

/** Calls that the server saw cancelled. */
let cancelled = 0;
let onCancelled = (): void => {};

const onUnary: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
  const wish = String(call.request);
  call.on("cancelled", () => {
    cancelled++;
    onCancelled();
  });
  if (wish === "never") return;
  if (wish === "fail") {
    const metadata = new Metadata();
    metadata.set("x-why", "because");
    callback({ code: status.NOT_FOUND, details: "not here: ü", metadata });
    return;
  }
  const head = new Metadata();
  head.set("x-seen", call.metadata.get("x-sent")[0] ?? "");
  head.set("x-seen-bin", call.metadata.get("x-sent-bin")[0] ?? Buffer.alloc(0));
  call.sendMetadata(head);
  const trailer = new Metadata();
  trailer.set("x-last", "1");
  callback(null, call.request, trailer);
};
const onServerStream: handleServerStreamingCall<Buffer, Buffer> = (call) => {
  call.on("cancelled", () => {
    cancelled++;
    onCancelled();
  });
  const [count = "0", last] = String(call.request).split(" ");
  for (let i = 0; i < Number(count); i++) call.write(Buffer.from(`word ${i}`));
  if (last === "end") call.end();
  else if (last === "break") call.emit("error", { code: status.ABORTED, details: "broke" });
};
const onClientStream: handleClientStreamingCall<Buffer, Buffer> = (call, callback) => {
  let size = 0;
  call.on("data", (chunk: Buffer) => {
    size += chunk.length;
  });
  call.on("end", () => callback(null, Buffer.from(String(size))));
};
const onBidi: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  call.on("data", (chunk: Buffer) => call.write(chunk));
  call.on("end", () => call.end());
};

const handlers = {
  Unary: onUnary,
  ServerStream: onServerStream,
  ClientStream: onClientStream,
  Bidi: onBidi,
};

/** A call's last event, error or not. */
function statusOf(call: { on(event: "status", take: (end: StatusObject) => void): unknown }) {
  return new Promise<StatusObject>((resolve) => {
    call.on("status", resolve);
  });
}

interface Through {
  readonly client: Client;
  readonly server: Server;
  stat(name: string, value: number): Promise<void>;
}

async function through(t: TestContext): Promise<Through> {
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  server.addService(service, handlers);
  const upstreamPort = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, chosen) =>
      error === null ? resolve(chosen) : reject(error),
    );
  });
  t.after(() => server.forceShutdown());
  const address = { socket_address: { address: "127.0.0.1", port_value: upstreamPort } };
  const cluster = {
    ...http2Cluster({}),
    name: "main",
    load_assignment: {
      cluster_name: "main",
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
  };
  const maxStreamDuration = { grpc_timeout_header_max: "0s" };
  const route = { cluster: "main", timeout: "0s", max_stream_duration: maxStreamDuration };
  const proxy = await start(
    t,
    bootstrap([{ match: { prefix: "/", grpc: {} }, route }], { clusters: [cluster] }),
  );
  const listener = proxy.listener("main");
  assert.ok("port" in listener);
  const client = new Client(`127.0.0.1:${listener.port}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
  });
  t.after(() => client.close());
  return { client, server, stat: (name, value) => statBecomes(proxy, name, value) };
}

interface Ended {
  readonly reply: Buffer | undefined;
  readonly error: ServiceError | undefined;
  readonly head: Metadata;
  readonly end: StatusObject;
}

function unary(
  client: Client,
  message: string | Buffer,
  { metadata = new Metadata(), deadline }: { metadata?: Metadata; deadline?: number } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    let head = new Metadata();
    let outcome: Pick<Ended, "reply" | "error">;
    const call = client.makeUnaryRequest(
      "/heddle.Test/Unary",
      same,
      same,
      Buffer.from(message),
      metadata,
      deadline === undefined ? {} : { deadline },
      (error, reply) => {
        outcome = { reply, error: error ?? undefined };
      },
    );
    call.on("metadata", (received) => {
      head = received;
    });
    // The last event of a call.
    call.on("status", (end) => setImmediate(() => resolve({ ...outcome, head, end })));
  });
}

test("through the proxy", async (t) => {
  const { client, stat } = await through(t);

  await t.test("unary, with metadata, binary too, and trailers", async () => {
    const metadata = new Metadata();
    metadata.set("x-sent", "text");
    metadata.set("x-sent-bin", Buffer.from([0, 255, 10]));
    const { reply, head, end } = await unary(client, "hello", { metadata });
    assert.equal(String(reply), "hello");
    assert.deepEqual(head.get("x-seen"), ["text"]);
    assert.deepEqual(head.get("x-seen-bin"), [Buffer.from([0, 255, 10])]);
    assert.deepEqual(end.metadata.get("x-last"), ["1"]);
  });

  await t.test("a status, its message and its trailers", async () => {
    const { error } = await unary(client, "fail");
    assert.equal(error?.code, status.NOT_FOUND);
    assert.equal(error?.details, "not here: ü");
    assert.deepEqual(error?.metadata.get("x-why"), ["because"]);
  });

  await t.test("four megabytes there and back", async () => {
    const big = Buffer.alloc(4 * 1024 * 1024, "0123456789abcdef!");
    const { reply } = await unary(client, big);
    assert.equal(reply?.equals(big), true);
  });

  await t.test("an empty message", async () => {
    assert.equal((await unary(client, "")).reply?.length, 0);
  });

  await t.test("a hundred calls at once, on one connection to the server", async () => {
    const words = Array.from({ length: 100 }, (_, i) => `call ${i}`);
    const ended = await Promise.all(words.map((word) => unary(client, word)));
    assert.deepEqual(
      ended.map(({ reply }) => String(reply)),
      words,
    );
    await stat("cluster.main.upstream_cx_http2_total", 1);
  });

  await t.test("server streaming", async () => {
    const call = client.makeServerStreamRequest(
      "/heddle.Test/ServerStream",
      same,
      same,
      Buffer.from("500 end"),
    );
    const words: string[] = [];
    call.on("data", (chunk: Buffer) => words.push(String(chunk)));
    const end = await statusOf(call);
    assert.equal(end.code, status.OK);
    assert.equal(words.length, 500);
    assert.equal(words[499], "word 499");
  });

  await t.test("server streaming that breaks off", async () => {
    const call = client.makeServerStreamRequest(
      "/heddle.Test/ServerStream",
      same,
      same,
      Buffer.from("3 break"),
    );
    const words: string[] = [];
    call.on("error", () => {});
    call.on("data", (chunk: Buffer) => words.push(String(chunk)));
    const end = await statusOf(call);
    assert.equal(end.code, status.ABORTED);
    assert.equal(end.details, "broke");
    assert.deepEqual(words, ["word 0", "word 1", "word 2"]);
  });

  await t.test("client streaming, more than any window", async () => {
    const piece = Buffer.alloc(256 * 1024);
    const reply = await new Promise<string>((resolve, reject) => {
      const call = client.makeClientStreamRequest(
        "/heddle.Test/ClientStream",
        same,
        same,
        (error, received) => (error === null ? resolve(String(received)) : reject(error)),
      );
      for (let i = 0; i < 32; i++) call.write(piece);
      call.end();
    });
    assert.equal(reply, String(32 * piece.length));
  });

  await t.test("both stream, in turn", async () => {
    const call = client.makeBidiStreamRequest("/heddle.Test/Bidi", same, same);
    const ended = statusOf(call);
    for (const word of ["one", "two", "three"]) {
      const answered = once(call, "data");
      call.write(Buffer.from(word));
      assert.equal(String((await answered)[0]), word);
    }
    call.end();
    assert.equal((await ended).code, status.OK);
  });
});

test("calls that end before their time", async (t) => {
  const { client, server, stat } = await through(t);

  await t.test("a deadline ends the call on both sides", async () => {
    const before = cancelled;
    const gone = new Promise<void>((resolve) => {
      onCancelled = resolve;
    });
    const { error } = await unary(client, "never", { deadline: Date.now() + 200 });
    assert.equal(error?.code, status.DEADLINE_EXCEEDED);
    await gone;
    assert.equal(cancelled, before + 1);
  });

  await t.test("the client cancels, and the server hears of it", async () => {
    const gone = new Promise<void>((resolve) => {
      onCancelled = resolve;
    });
    const call = client.makeServerStreamRequest(
      "/heddle.Test/ServerStream",
      same,
      same,
      Buffer.from("1"),
    );
    call.on("error", () => {});
    const ended = statusOf(call);
    await once(call, "data");
    call.cancel();
    assert.equal((await ended).code, status.CANCELLED);
    await gone;
    await stat("cluster.main.upstream_rq_active", 0);
    await stat("http.main.downstream_rq_active", 0);
  });

  await t.test("the server goes away in mid-call", async () => {
    const call = client.makeServerStreamRequest(
      "/heddle.Test/ServerStream",
      same,
      same,
      Buffer.from("1"),
    );
    call.on("error", () => {});
    const ended = statusOf(call);
    await once(call, "data");
    server.forceShutdown();
    const end = await ended;
    assert.notEqual(end.code, status.OK);
    await stat("http.main.downstream_rq_active", 0);
  });

  await t.test("a server that is not there is UNAVAILABLE", async () => {
    const { error } = await unary(client, "hello");
    assert.equal(error?.code, status.UNAVAILABLE);
    assert.match(error?.details ?? "", /upstream connect error/);
  });
});
