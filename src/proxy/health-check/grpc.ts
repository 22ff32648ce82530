import type { HealthCheck_GrpcHealthCheckJson as GrpcHealthCheckJson } from "#gen/envoy/config/core/v3/health_check_pb.js";
import { frameMessage } from "#grpc/frame.ts";
import { isGrpcContentType, parseStatusCode } from "#grpc/status.ts";
import { formatWholeGrpcTimeout } from "#grpc/timeout.ts";
import { HeaderList } from "#http/headers.ts";
import {
  RequestHead,
  type RequestStream,
  type ResponseHead,
  type ResponseSink,
} from "#http/message.ts";
import { type Additions, applyAdditions, compileAdditions } from "../route/header-changes.ts";

import { CheckClient } from "./http-client.ts";
import type { Probe, ProbeContext, ProbeFactory } from "./probe.ts";

interface GrpcSettings {
  readonly request: Uint8Array;
  readonly authority: string;
  readonly metadata: Additions;
}

const path = "/grpc.health.v1.Health/Check";
const serving = 1;
const answerBytesMax = 64 * 1024;
const prefixLength = 5;

/** The cluster speaks HTTP/2. Throws ConfigError. */
export function compileGrpcCheck(config: GrpcHealthCheckJson): ProbeFactory {
  const settings = {
    request: frameMessage(healthCheckRequest(config.serviceName ?? "")),
    authority: config.authority ?? "",
    metadata: compileAdditions("initial_metadata", config.initialMetadata),
  };
  return { type: "GRPC", make: (context) => new GrpcProbe(settings, context) };
}

/** grpc.health.v1.HealthCheckRequest: field 1, the service. */
function healthCheckRequest(service: string): Uint8Array {
  if (service === "") return new Uint8Array(0);
  const name = Buffer.from(service);
  return Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  while (left > 0x7f) {
    bytes.push((left & 0x7f) | 0x80);
    left >>>= 7;
  }
  return [...bytes, left];
}

/** A call of grpc.health.v1.Health/Check: well is who answers SERVING. */
class GrpcProbe implements Probe, ResponseSink {
  readonly #settings: GrpcSettings;
  readonly #context: ProbeContext;
  #client: CheckClient | undefined;
  #active = false;
  #answer: Buffer[] = [];
  #answerBytes = 0;

  constructor(settings: GrpcSettings, context: ProbeContext) {
    this.#settings = settings;
    this.#context = context;
  }

  begin(): void {
    if (this.#client === undefined || this.#client.ended)
      this.#client = new CheckClient(this.#context.connector, 20);
    this.#active = true;
    this.#answer = [];
    this.#answerBytes = 0;
    this.#client.request(this, (stream) => this.#send(stream));
  }

  #send(stream: RequestStream): void {
    const { authority, metadata, request } = this.#settings;
    const { hostname, cluster, timeoutMs, connector, streamInfo } = this.#context;
    const headers = new HeaderList(["te", "trailers", "content-type", "application/grpc"]);
    headers.add("user-agent", "Envoy/HC");
    const head = new RequestHead("POST", path, hostname || authority || cluster, 20, headers);
    head.scheme = connector.secure ? "https" : "http";
    applyAdditions(metadata, headers, streamInfo(20));
    headers.set("grpc-timeout", formatWholeGrpcTimeout(timeoutMs));
    stream.sendHead(head, false);
    stream.sendData(request, true);
  }

  giveUp(): void {
    this.#active = false;
    if (this.#context.reuseConnection) this.#client?.resetStream();
    else this.#client?.close();
  }

  destroy(): void {
    this.#active = false;
    this.#client?.close();
    this.#client = undefined;
  }

  onInformational(): void {}

  onHead(head: ResponseHead, end: boolean): void {
    if (!this.#active) return;
    if (head.status !== 200) this.#complete(statusOf(head.headers) === 0 && end, end);
    else if (end) this.#complete(statusOf(head.headers) === 0, true);
    else if (!isGrpcContentType(head.headers.get("content-type"))) this.#complete(false, false);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (!this.#active) return;
    this.#answerBytes += chunk.length;
    if (end || this.#answerBytes > answerBytesMax) this.#complete(false, end);
    else this.#answer.push(Buffer.from(chunk));
  }

  onTrailers(trailers: HeaderList): void {
    if (this.#active) this.#complete(statusOf(trailers) === 0, true);
  }

  onReset(): void {
    if (!this.#active) return;
    this.#active = false;
    if (!this.#context.reuseConnection) this.#client?.finish();
    this.#context.owner.onFailed({ type: "NETWORK" });
  }

  onWritable(): void {}

  onUnwritable(): void {}

  #complete(ok: boolean, ended: boolean): void {
    this.#active = false;
    const { owner, reuseConnection } = this.#context;
    if (!reuseConnection) this.#client?.finish();
    if (!ended) this.#client?.resetStream();
    if (ok && healthOf(Buffer.concat(this.#answer)) === serving) owner.onPassed(false);
    else owner.onFailed({ type: "ACTIVE" });
  }
}

function statusOf(headers: HeaderList): number | undefined {
  return parseStatusCode(headers.get("grpc-status"));
}

/** The status in the one message of an answer; undefined: it is not such a message. */
function healthOf(answer: Buffer): number | undefined {
  if (answer.length < prefixLength || answer[0] !== 0) return undefined;
  if (answer.readUInt32BE(1) !== answer.length - prefixLength) return undefined;
  // grpc.health.v1.HealthCheckResponse: field 1, an enumeration. What else may stand there is not known yet.
  const message = answer.subarray(prefixLength);
  return message.length >= 2 && message[0] === 0x08 ? message[1] : undefined;
}
