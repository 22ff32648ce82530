import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import { ipAddress } from "#net/address.ts";
import type { Services } from "../../../services.ts";
import { type DownstreamInfo, StreamInfo } from "../../../stream-info.ts";
import type { LocalReply } from "../../http/filter.ts";
import { compileLocalReply } from "./local-reply.ts";

type Config = Parameters<typeof compileLocalReply>[0];

// The filters of these cases ask the runtime for thresholds and nothing else.
const services = {
  runtime: { number: (_: string, absent: number) => absent },
} as unknown as Services;

function replied(config: Config, reply: Partial<LocalReply>, fields: Record<string, string> = {}) {
  const address = ipAddress("127.0.0.1", 80);
  const downstream = {
    ...{ connectionId: 1, local: address, directLocal: address, remote: address },
    ...{ directRemote: address, tls: undefined, requestedServerName: undefined },
    ...{ listenerName: "", filterChainName: "", listenerMetadata: undefined },
  } satisfies DownstreamInfo;
  const info = new StreamInfo(downstream, 0, 0);
  const request = new RequestHead("GET", "/x", "h", 11, HeaderList.of(fields));
  info.requestHead = request;
  const made = compileLocalReply(config, services)(
    { status: 404, details: "", ...reply },
    info,
    request,
  );
  const lines: string[] = [];
  for (const [name, value] of made.head.headers) lines.push(`${name}: ${value}`);
  return { status: made.head.status, lines, body: made.body, codeAfter: info.responseCode };
}

const eq = (code: number) =>
  ({
    statusCodeFilter: { comparison: { op: "EQ", value: { defaultValue: code, runtimeKey: "k" } } },
  }) as const;

test("a plain reply has a length and a type, an empty one neither", () => {
  assert.deepEqual(replied(undefined, { status: 503, body: "nö" }), {
    ...{ status: 503, body: "nö", codeAfter: 0 },
    lines: ["content-length: 3", "content-type: text/plain"],
  });
  assert.deepEqual(replied(undefined, {}).lines, []);
});

test("a mapper's headers see the old code, the body format the new one", () => {
  const config: Config = {
    mappers: [
      { filter: eq(500), statusCode: 502 },
      {
        filter: eq(404),
        statusCode: 499,
        body: { inlineString: "mapped" },
        headersToAdd: [{ header: { key: "x-l", value: "%RESPONSE_CODE%" } }],
      },
    ],
    bodyFormat: {
      jsonFormat: { b: "%LOCAL_REPLY_BODY%", c: "%RESPONSE_CODE%", p: "%REQ(:path)%" },
    },
  };
  assert.deepEqual(replied(config, {}), {
    status: 499,
    lines: ["x-l: 404", "content-length: 32", "content-type: application/json"],
    body: '{"b":"mapped","c":499,"p":"/x"}\n',
    codeAfter: 0,
  });
});

test("body_format applies to every reply, an override to its mapper's", () => {
  const config: Config = {
    mappers: [{ filter: eq(503), bodyFormatOverride: { textFormat: "own" } }],
    bodyFormat: {
      textFormat: "<%RESPONSE_CODE%:%LOCAL_REPLY_BODY%:%REQ(n)%>",
      contentType: "text/html",
    },
  };
  assert.equal(replied(config, { status: 400, body: "d" }).body, "<400:d:->");
  assert.ok(replied(config, { status: 400 }).lines.includes("content-type: text/html"));
  assert.equal(replied(config, { status: 503, body: "d" }).body, "own");
});

test("a gRPC client gets the status in trailers-only form", () => {
  const grpc = { "content-type": "application/grpc" };
  assert.deepEqual(replied(undefined, { status: 503, body: "no 100%\n" }, grpc), {
    ...{ status: 200, body: "", codeAfter: 0 },
    lines: ["content-type: application/grpc", "grpc-status: 14", "grpc-message: no 100%25%0A"],
  });
  assert.ok(
    replied(undefined, { status: 403, grpcStatus: 3 }, grpc).lines.includes("grpc-status: 3"),
  );
});

test("a mapper without filter, and a bad code, are refused", () => {
  assert.throws(() => replied({ mappers: [{}] }, {}), /mappers\[0\]\.filter/);
  assert.throws(() => replied({ mappers: [{ filter: eq(1), statusCode: 99 }] }, {}), /status_code/);
});
