import assert from "node:assert/strict";
import {
  clientBegin,
  type Frame,
  frame,
  parseFrames,
  settingsAck,
} from "../../../testkit/http2/frames.ts";
import type { RawClient } from "../../../testkit/raw-client.ts";
import { type CaseConfig, type HttpOptions, http } from "./config.ts";
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
