import assert from "node:assert/strict";
import { type ClientHttp2Session, connect, type Settings } from "node:http2";
import { connect as connectTcp } from "node:net";
import type { Script } from "../../../testkit/fake-upstream.ts";
import type { Message } from "../../../testkit/http-text.ts";
import {
  answerFrames,
  comparable,
  FramePeer,
  framePeerOf,
  type MessageOptions,
  type PeerOptions,
  type ReceivedStream,
} from "../../../testkit/http2/frame-peer.ts";
import {
  clientBegin,
  type Frame,
  frame,
  parseFrames,
  settingsAck,
} from "../../../testkit/http2/frames.ts";
import type { Field } from "../../../testkit/http2/header-stories.ts";
import type { RawClient } from "../../../testkit/raw-client.ts";
import { type CaseConfig, cluster, extension, type HttpOptions, http } from "./config.ts";
import type { CaseContext } from "./context.ts";
import type { JsonObject } from "./placeholders.ts";

/** A listener that speaks HTTP/2 by prior knowledge, with these protocol options. */
export function http2(options: JsonObject = {}, more: HttpOptions = {}): CaseConfig {
  const manager = {
    codec_type: "HTTP2",
    http2_protocol_options: options,
    delayed_close_timeout: "0.1s",
    ...more.manager,
  };
  return http({ ...more, manager });
}

/** A connection on which the preface, SETTINGS and the acknowledgement of the proxy's have been sent. */
export async function connectHttp2(t: CaseContext): Promise<RawClient> {
  const client = await t.connect();
  await send(client, clientBegin, settingsAck);
  return client;
}

const optionsType = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** The `HttpProtocolOptions` of a cluster. */
export function upstreamOptions(options: JsonObject): JsonObject {
  const { typed_config } = extension(optionsType, optionsType, options);
  return { typed_extension_protocol_options: { [optionsType]: typed_config } };
}

/** A cluster that speaks HTTP/2 by prior knowledge, with these protocol options; `common` are those of every HTTP. */
export function http2Cluster(
  options: JsonObject = {},
  { name = "main", common = {}, more = {} }: Http2ClusterOptions = {},
): JsonObject {
  const protocol = upstreamOptions({
    explicit_http_config: { http2_protocol_options: options },
    ...(Object.keys(common).length === 0 ? {} : { common_http_protocol_options: common }),
  });
  return cluster(name, { ...protocol, ...more });
}

interface Http2ClusterOptions {
  readonly name?: string;
  readonly common?: JsonObject;
  /** Merged over the cluster. */
  readonly more?: JsonObject;
}

/** Node's HTTP/2 client on a connection of the case's; closed after the case. */
export async function connectNode(
  t: CaseContext,
  { listener = "main", settings = {} }: { listener?: string; settings?: Settings } = {},
): Promise<ClientHttp2Session> {
  const socket = connectTcp(t.address(listener));
  const session = connect("http://a.example", { createConnection: () => socket, settings });
  session.on("error", () => {});
  t.cleanUp(() => session.destroy());
  return session;
}

export async function send(client: RawClient, ...pieces: readonly Uint8Array[]): Promise<void> {
  await client.write(Buffer.concat(pieces).toString("latin1"));
}

/** Waits for the answer to a PING of our own: what came before it has been dealt with, and the connection lives. */
export async function assertAlive(client: RawClient): Promise<void> {
  const payload = Buffer.from("alive?!!");
  await send(client, frame(6, 0, 0, payload));
  await client.readThrough(frame(6, 1, 0, payload).toString("latin1"));
}

/** What came so far; at the end of the connection a frame may be cut short. */
export function framesOf(client: RawClient): Frame[] {
  const bytes = Buffer.from(client.received, "latin1");
  let end = 0;
  while (end + 9 <= bytes.length && end + 9 + bytes.readUIntBE(end, 3) <= bytes.length)
    end += 9 + bytes.readUIntBE(end, 3);
  return parseFrames(bytes.subarray(0, end));
}

/** Waits for a frame of this type, and returns the first. */
export async function untilFrame(client: RawClient, type: number): Promise<Frame> {
  return client.until(`frame of type ${type}`, () =>
    framesOf(client).find((received) => received.type === type),
  );
}

export function assertNoFrame(client: RawClient, type: number): void {
  assert.ok(!framesOf(client).some((received) => received.type === type));
}

/** A client of frames; `listener` is the case's. */
export async function connectFrames(
  t: CaseContext,
  { listener = "main", ...options }: PeerOptions & { readonly listener?: string } = {},
): Promise<FramePeer> {
  return new FramePeer(await t.connect(listener), "client", options);
}

/** The frame upstream's side of its connection. */
export async function upstreamFrames(
  t: CaseContext,
  { upstream = "main", index = 0 }: { upstream?: string; index?: number } = {},
): Promise<FramePeer> {
  return framePeerOf(await t.upstream(upstream).connection(index));
}

/** The fields of a request for `path` from `a.example`. */
export const request = (
  method: string,
  path: string,
  ...more: readonly Field[]
): readonly Field[] => [
  [":method", method],
  [":scheme", "http"],
  [":path", path],
  [":authority", "a.example"],
  ...more,
];

/** One exchange on a connection of its own. */
export async function askFrames(
  t: CaseContext,
  fields: readonly Field[],
  options: MessageOptions = {},
): Promise<ReceivedStream> {
  const client = await connectFrames(t);
  client.message(1, fields, options);
  return client.whole(1);
}

/** What came on a stream, a line for each part: heads, body, trailers, how it ended. */
export function streamText({ sections, body, end }: ReceivedStream): readonly string[] {
  const parts = [...sections.map((fields) => fields.join("; ")), end ?? "open"];
  const heads = sections.findIndex(([first = ""]) => !first.startsWith(":status: 1")) + 1;
  if (body !== "") parts.splice(heads, 0, body);
  return parts;
}

/** The same of an HTTP/1 message. */
export function messageText({ startLine, fields, body, trailers }: Message): readonly string[] {
  const line = (all: Message["fields"]): readonly string[] =>
    comparable(all.map(([name, value]) => `${name.toLowerCase()}: ${value}`));
  const text = [[startLine, ...line(fields)].join("; ")];
  if (body !== "") text.push(body);
  if (trailers.length > 0) text.push(line(trailers).join("; "));
  return text;
}

/** HTTP/2 clients of an HTTP/1 upstream. */
export const toHttp1 = (http1: JsonObject = {}, manager: JsonObject = {}): CaseConfig => {
  const explicit = { explicit_http_config: { http_protocol_options: http1 } };
  return http2({}, { manager, clusters: [cluster("main", upstreamOptions(explicit))] });
};

export const okFrames: Script = answerFrames([[":status", "200"]], { body: "ok" });

/** What the frame upstream saw of its first request. */
export const forwardedFrames = async (t: CaseContext): Promise<readonly string[]> =>
  streamText(await (await upstreamFrames(t)).whole(1));

/** What the HTTP/1 upstream saw last. */
export const forwardedText = (t: CaseContext): readonly string[] => {
  const message = t.upstream().requests.at(-1);
  return message === undefined ? ["nothing"] : messageText(message);
};
