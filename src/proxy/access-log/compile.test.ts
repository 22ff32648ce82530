import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccessLogFilterJson } from "#gen/envoy/config/accesslog/v3/accesslog_pb.js";
import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import { ipAddress } from "#net/address.ts";
import { ResponseFlag } from "../response-flags.ts";
import { StreamInfo } from "../stream-info.ts";
import { compileAccessLogs } from "./compile.ts";
import { compileAccessLogFilter, type FilterServices } from "./filters.ts";

const services: FilterServices = {
  random: { unit: () => 0.5, below: () => 0, uuid: () => "" },
  runtime: {
    number: (key, absent) => (key === "overridden" ? 1 : absent),
    boolean: (_, absent) => absent,
    featureEnabled: (_, numerator, denominator, draw) => draw * denominator < numerator,
  },
};

function stream(change: (info: StreamInfo) => void = () => {}): StreamInfo {
  const address = ipAddress("127.0.0.1", 80);
  const info = new StreamInfo(
    {
      ...{ connectionId: 1, local: address, directLocal: address, remote: address },
      ...{ directRemote: address, tls: undefined, requestedServerName: undefined },
      ...{ listenerName: "", filterChainName: "", listenerMetadata: undefined },
    },
    0,
    0,
  );
  info.protocol = 11;
  info.requestHead = new RequestHead("GET", "/", "h", 11, new HeaderList());
  info.responseCode = 200;
  change(info);
  return info;
}

const matches = (config: AccessLogFilterJson, change?: (info: StreamInfo) => void): boolean =>
  compileAccessLogFilter(config, services)(stream(change));

const compare = (op: "EQ" | "GE" | "LE" | "NE", defaultValue: number, runtimeKey = "k") => ({
  comparison: { op, value: { defaultValue, runtimeKey } },
});

test("status codes are compared", () => {
  assert.equal(matches({ statusCodeFilter: compare("EQ", 200) }), true);
  assert.equal(matches({ statusCodeFilter: compare("GE", 201) }), false);
  assert.equal(matches({ statusCodeFilter: compare("LE", 200) }), true);
  assert.equal(matches({ statusCodeFilter: compare("NE", 200) }), false);
  assert.equal(matches({ statusCodeFilter: compare("LE", 300, "overridden") }), false);
});

test("durations are compared", () => {
  const slow = (info: StreamInfo): void => {
    info.endMs = 50.9;
  };
  assert.equal(matches({ durationFilter: compare("GE", 50) }, slow), true);
  assert.equal(matches({ durationFilter: compare("GE", 51) }, slow), false);
});

test("and, or", () => {
  const yes = { statusCodeFilter: compare("EQ", 200) };
  const no = { statusCodeFilter: compare("EQ", 500) };
  assert.equal(matches({ andFilter: { filters: [yes, no] } }), false);
  assert.equal(matches({ orFilter: { filters: [yes, no] } }), true);
  assert.throws(() => matches({ andFilter: { filters: [yes] } }), /and_filter\.filters/);
});

test("response flags: one of those named, or any", () => {
  const overflow = (info: StreamInfo): void => {
    info.responseFlags = ResponseFlag.upstreamOverflow;
  };
  assert.equal(matches({ responseFlagFilter: { flags: ["UO", "NR"] } }, overflow), true);
  assert.equal(matches({ responseFlagFilter: { flags: ["NR"] } }, overflow), false);
  assert.equal(matches({ responseFlagFilter: {} }, overflow), true);
  assert.equal(matches({ responseFlagFilter: {} }), false);
  assert.throws(
    () => matches({ responseFlagFilter: { flags: ["XX"] } }),
    /unknown response flag XX/,
  );
});

test("gRPC statuses", () => {
  const grpc = (info: StreamInfo): void => {
    info.requestHead?.headers.add("content-type", "application/grpc");
    info.responseTrailers = HeaderList.of({ "grpc-status": "5" });
  };
  assert.equal(matches({ grpcStatusFilter: { statuses: ["NOT_FOUND"] } }, grpc), true);
  assert.equal(
    matches({ grpcStatusFilter: { statuses: ["NOT_FOUND"], exclude: true } }, grpc),
    false,
  );
});

test("a runtime fraction draws from the request id", () => {
  const half = { runtimeKey: "k", percentSampled: { numerator: 50 } };
  const withId = (id: string) => (info: StreamInfo) =>
    info.requestHead?.headers.add("x-request-id", id);
  const low = withId("00000001-0000-4000-8000-000000000000");
  const high = withId("ffffffff-0000-4000-8000-000000000000");
  assert.equal(matches({ runtimeFilter: half }, low), true);
  assert.equal(matches({ runtimeFilter: half }, high), false);
  assert.equal(matches({ runtimeFilter: { ...half, useIndependentRandomness: true } }, low), false);
});

test("dynamic metadata, and what an absent key means", () => {
  const matcher = { filter: "ns", path: [{ key: "a" }, { key: "b" }], value: { boolMatch: true } };
  const set = (info: StreamInfo): void => {
    info.dynamicMetadata = { ns: { a: { b: true } } };
  };
  assert.equal(matches({ metadataFilter: { matcher } }, set), true);
  assert.equal(matches({ metadataFilter: { matcher: { ...matcher, invert: true } } }, set), false);
  assert.equal(matches({ metadataFilter: { matcher } }), true);
  assert.equal(matches({ metadataFilter: { matcher, matchIfKeyNotFound: false } }), false);
});

test("log types, health checks, traces", () => {
  assert.equal(matches({ logTypeFilter: { types: ["DownstreamEnd"] } }), true);
  assert.equal(matches({ logTypeFilter: { types: ["DownstreamEnd"], exclude: true } }), false);
  assert.equal(matches({ notHealthCheckFilter: {} }), true);
  assert.equal(
    matches({ notHealthCheckFilter: {} }, (info) => {
      info.isHealthCheck = true;
    }),
    false,
  );
  assert.equal(matches({ traceableFilter: {} }), false);
});

/** A ProtoJSON Any: the generated type has only "@type". */
const any = (type: string, fields: object) => ({
  "@type": `type.googleapis.com/envoy.extensions.access_loggers.${type}`,
  ...fields,
});

test("loggers write to their sinks; the filter decides", () => {
  const written: string[] = [];
  const sink = (name: string) => ({
    write: (line: string) => void written.push(`${name} ${line}`),
  });
  const logSinks = {
    ...{ file: sink, stdout: sink("stdout"), stderr: sink("stderr") },
    ...{ reopen: () => {}, flush: () => {} },
  };
  const logFormat = { textFormatSource: { inlineString: "%RESPONSE_CODE%\n" } };
  const logs = compileAccessLogs(
    [
      { typedConfig: any("file.v3.FileAccessLog", { path: "/x", format: "old %RESPONSE_CODE%|" }) },
      {
        typedConfig: any("file.v3.FileAccessLog", {
          path: "/y",
          typedJsonFormat: { c: "%RESPONSE_CODE%" },
        }),
      },
      { typedConfig: any("stream.v3.StdoutAccessLog", { logFormat }) },
      {
        filter: { statusCodeFilter: compare("GE", 500) },
        typedConfig: any("stream.v3.StderrAccessLog", { logFormat }),
      },
    ],
    { ...services, logSinks },
  );
  const info = stream();
  for (const log of logs) log.log(info);
  assert.deepEqual(written, ["/x old 200|", '/y {"c":200}\n', "stdout 200\n"]);
  const unknown = { typedConfig: { "@type": "type.googleapis.com/x.Y" } };
  assert.throws(
    () => compileAccessLogs([unknown], { ...services, logSinks }),
    /\[0\]\.typed_config.*x\.Y is not supported/,
  );
});
