import type {
  HealthCheck_HttpHealthCheckJson as HttpHealthCheckJson,
  HealthCheck_PayloadJson as PayloadJson,
} from "#gen/envoy/config/core/v3/health_check_pb.js";
import type { Int64RangeJson } from "#gen/envoy/type/v3/range_pb.js";
import { HeaderList } from "#http/headers.ts";
import {
  RequestHead,
  type RequestStream,
  type ResponseHead,
  type ResponseSink,
} from "#http/message.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { compileStringMatcher, type StringPredicate } from "../matching/string-matcher.ts";
import { applyChanges, compileLevel, type FieldChanges } from "../route/header-changes.ts";
import type { CheckProtocol } from "./connector.ts";
import { CheckClient } from "./http-client.ts";
import { compilePayload, compilePayloads, containsPayloads } from "./payload.ts";
import type { Probe, ProbeContext, ProbeFactory } from "./probe.ts";

interface StatusRange {
  readonly start: number;
  /** Not in it. */
  readonly end: number;
}

interface HttpSettings {
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly send: Buffer | undefined;
  readonly receive: readonly Buffer[];
  /** 0: no limit but the connection's. */
  readonly responseBytesMax: number;
  readonly changes: FieldChanges;
  readonly expected: readonly StatusRange[];
  readonly retriable: readonly StatusRange[];
  readonly protocol: CheckProtocol;
  readonly serviceName: StringPredicate | undefined;
}

const bodyless: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "TRACE"]);
const responseBytesDefault = 1024;

/** Throws ConfigError. */
export function compileHttpCheck(config: HttpHealthCheckJson): ProbeFactory {
  const settings = compileSettings(config);
  return { type: "HTTP", make: (context) => new HttpProbe(settings, context) };
}

function compileSettings(config: HttpHealthCheckJson): HttpSettings {
  const path = config.path ?? "";
  if (path === "") throw refuse("path", "is required");
  const method = compileMethod(config.method);
  const receive = compilePayloads("receive", config.receive);
  const responseBytesMax = Number(config.responseBufferSize ?? responseBytesDefault);
  const length = receive.reduce((sum, block) => sum + block.length, 0);
  if (responseBytesMax !== 0 && length > responseBytesMax)
    throw refuse(
      "receive",
      `The expected response length '${length}' is over than http health response buffer size '${responseBytesMax}'`,
    );
  const expected = compileRanges("expected", config.expectedStatuses);
  const { serviceNameMatcher } = config;
  return {
    host: config.host ?? "",
    path,
    method,
    send: within("send", () => compileSend(method, config.send)),
    receive,
    responseBytesMax,
    changes: compileLevel(config).request,
    expected: expected.length === 0 ? [{ start: 200, end: 201 }] : expected,
    retriable: compileRanges("retriable", config.retriableStatuses),
    protocol: compileProtocol(config.codecClientType),
    serviceName:
      serviceNameMatcher === undefined
        ? undefined
        : within("service_name_matcher", () => compileStringMatcher(serviceNameMatcher)),
  };
}

function compileMethod(method: HttpHealthCheckJson["method"]): string {
  if (method === "CONNECT") throw refuse("method", "CONNECT is not allowed");
  return method === undefined || method === "METHOD_UNSPECIFIED" ? "GET" : method;
}

function compileProtocol(type: HttpHealthCheckJson["codecClientType"]): CheckProtocol {
  if (type === "HTTP3") throw refuse("codec_client_type", "HTTP3 is not supported by Heddle");
  return type === "HTTP2" ? 20 : 11;
}

function compileSend(method: string, send: PayloadJson | undefined): Buffer | undefined {
  if (send === undefined) return undefined;
  if (bodyless.has(method))
    throw refuse(
      "",
      `HTTP health check cannot specify a request payload with method '${method}'. Only methods that support a request body (POST, PUT, PATCH, OPTIONS) can be used with payload.`,
    );
  return compilePayload(send);
}

function compileRanges(
  kind: "expected" | "retriable",
  configs: readonly Int64RangeJson[] | undefined,
): readonly StatusRange[] {
  return compileEach(`${kind}_statuses`, configs, (config) => {
    const start = Number(config.start ?? 0);
    const end = Number(config.end ?? 0);
    const bad = `Invalid http ${kind} status range: expecting`;
    if (start >= end)
      throw refuse("", `${bad} start < end, but found start=${start} and end=${end}`);
    if (start < 100) throw refuse("", `${bad} start >= 100, but found start=${start}`);
    if (end > 600) throw refuse("", `${bad} end <= 600, but found end=${end}`);
    return { start, end };
  });
}

/** A request, whose answer's status and body say how the host is. */
class HttpProbe implements Probe, ResponseSink {
  readonly #settings: HttpSettings;
  readonly #context: ProbeContext;
  #client: CheckClient | undefined;
  #active = false;
  #head: ResponseHead | undefined;
  #body: Buffer[] = [];
  #bodyBytes = 0;

  constructor(settings: HttpSettings, context: ProbeContext) {
    this.#settings = settings;
    this.#context = context;
  }

  begin(): void {
    if (this.#client === undefined || this.#client.ended)
      this.#client = new CheckClient(this.#context.connector, this.#settings.protocol);
    this.#active = true;
    this.#head = undefined;
    this.#body = [];
    this.#bodyBytes = 0;
    this.#client.request(this, (stream) => this.#send(stream));
  }

  #send(stream: RequestStream): void {
    const { host, path, method, send, changes, protocol } = this.#settings;
    const { hostname, cluster, connector, streamInfo } = this.#context;
    const authority = hostname || host || cluster;
    const headers = new HeaderList(["user-agent", "Envoy/HC"]);
    const head = new RequestHead(method, path, authority, protocol, headers);
    head.scheme = connector.secure ? "https" : "http";
    applyChanges(changes, headers, streamInfo(protocol));
    if (send !== undefined) headers.set("content-length", String(send.length));
    stream.sendHead(head, send === undefined);
    if (send !== undefined) stream.sendData(send, true);
  }

  giveUp(): void {
    this.destroy();
  }

  destroy(): void {
    this.#active = false;
    this.#client?.close();
    this.#client = undefined;
  }

  onInformational(): void {}

  onHead(head: ResponseHead, end: boolean): void {
    if (!this.#active) return;
    this.#head = head;
    if (end) this.#complete(head);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (!this.#active || this.#head === undefined) return;
    this.#keep(chunk);
    if (end) this.#complete(this.#head);
  }

  #keep(chunk: Uint8Array): void {
    const { receive, responseBytesMax } = this.#settings;
    if (receive.length === 0) return;
    const room = (responseBytesMax || bodyBytesMax) - this.#bodyBytes;
    if (room <= 0) return;
    const kept = Buffer.from(chunk.subarray(0, room));
    this.#body.push(kept);
    this.#bodyBytes += kept.length;
  }

  onTrailers(): void {
    if (this.#active && this.#head !== undefined) this.#complete(this.#head);
  }

  onReset(): void {
    if (!this.#active) return;
    this.#active = false;
    if (!this.#context.reuseConnection || this.#settings.protocol === 11) this.#client?.finish();
    this.#context.owner.onFailed({ type: "NETWORK" });
  }

  onWritable(): void {}

  onUnwritable(): void {}

  #complete(head: ResponseHead): void {
    this.#active = false;
    if (!this.#context.reuseConnection) this.#client?.finish();
    const { owner, stats } = this.#context;
    const excluded = head.headers.has("x-envoy-immediate-health-check-fail");
    const { receive, expected, retriable, serviceName } = this.#settings;
    if (receive.length > 0 && !containsPayloads(receive, Buffer.concat(this.#body))) {
      owner.onFailed({ type: "ACTIVE", excluded });
      return;
    }
    if (!inRanges(expected, head.status)) {
      owner.onFailed({ type: "ACTIVE", excluded, retriable: inRanges(retriable, head.status) });
      return;
    }
    if (serviceName !== undefined && this.#verifies()) {
      stats.verifyCluster.inc();
      if (!serviceName(head.headers.get("x-envoy-upstream-healthchecked-cluster") ?? "")) {
        owner.onFailed({ type: "ACTIVE" });
        return;
      }
    }
    owner.onPassed(head.headers.has("x-envoy-degraded"));
  }

  #verifies(): boolean {
    const { runtime, random } = this.#context;
    return runtime.featureEnabled("health_check.verify_cluster", 100, 100, random.unit());
  }
}

/** Where the configuration sets no limit. */
const bodyBytesMax = 1024 * 1024;

function inRanges(ranges: readonly StatusRange[], status: number): boolean {
  return ranges.some(({ start, end }) => status >= start && status < end);
}
