/** How streams end before their time: by the upstream, by the client, by their connections. */
import {
  type FramePeer,
  frameUpstream,
  type ReceivedStream,
} from "../../testkit/http2/frame-peer.ts";
import {
  continuation,
  data,
  frame,
  goAway,
  headers,
  literals,
  rstStream,
} from "../../testkit/http2/frames.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import type { JsonObject } from "./harness/config.ts";
import { askFrames, http2, http2Cluster, request } from "./harness/http2.ts";
import { scene } from "./harness/scene.ts";

const both = (upstream: JsonObject = {}) => http2({}, { clusters: [http2Cluster(upstream)] });
const head = (id: number, end = false) => headers(id, literals([[":status", "200"]]), { end });

/** A field block that ends its stream, in as many frames as it takes. */
function inFrames(id: number, block: Buffer): readonly Buffer[] {
  const frames = [headers(id, block.subarray(0, 16_384), { end: true, more: true })];
  for (let at = 16_384; at < block.length; at += 16_384)
    frames.push(continuation(id, block.subarray(at, at + 16_384), at + 16_384 < block.length));
  return frames;
}

/** An upstream that does this when a request is whole. */
interface Ending {
  readonly name: string;
  readonly does: (stream: ReceivedStream, peer: FramePeer) => void;
  readonly sees: readonly string[];
  readonly options?: JsonObject;
  readonly stats?: Readonly<Record<string, number>>;
  readonly difference?: string;
}

const reset = (code: number) => (stream: ReceivedStream, peer: FramePeer) =>
  peer.send(rstStream(stream.id, code));

const endings: readonly Ending[] = [
  {
    name: "RST_STREAM(REFUSED_STREAM)",
    does: reset(7),
    sees: [
      "503, remote refused stream reset, end",
      "503 UR upstream_reset_before_response_started{remote_refused_stream_reset}",
    ],
    stats: { upstream_rq_rx_reset: 0, "http2.rx_reset": 1 },
  },
  {
    name: "RST_STREAM(CANCEL)",
    does: reset(8),
    sees: ["503, remote reset, end", "503 UR upstream_reset_before_response_started{remote_reset}"],
    stats: { upstream_rq_rx_reset: 1 },
  },
  {
    name: "RST_STREAM(INTERNAL_ERROR)",
    does: reset(2),
    sees: ["503, remote reset, end", "503 UR upstream_reset_before_response_started{remote_reset}"],
  },
  {
    name: "RST_STREAM(NO_ERROR) without an answer",
    does: reset(0),
    sees: ["503, remote reset, end", "503 UR upstream_reset_before_response_started{remote_reset}"],
  },
  {
    name: "RST_STREAM(PROTOCOL_ERROR)",
    does: reset(1),
    sees: [
      "502, protocol error, end",
      "502 UPE upstream_reset_before_response_started{protocol_error}",
    ],
    stats: { upstream_rq_rx_reset: 0, upstream_cx_protocol_error: 0 },
  },
  {
    name: "RST_STREAM(HTTP_1_1_REQUIRED)",
    does: reset(13),
    sees: ["503, remote reset, end", "503 UR upstream_reset_before_response_started{remote_reset}"],
  },
  {
    name: "RST_STREAM after the head",
    does: ({ id }, peer) => peer.send(head(id), data(id, "part"), rstStream(id, 2)),
    sees: ["200, part, reset 2", "200 UR upstream_reset_after_response_started{remote_reset}"],
  },
  {
    name: "GOAWAY that leaves the request out",
    does: (_stream, peer) => peer.send(goAway(0, 0)),
    sees: [
      "503, remote refused stream reset, end",
      "503 UR upstream_reset_before_response_started{remote_refused_stream_reset}",
    ],
    stats: { upstream_cx_close_notify: 1 },
  },
  {
    name: "GOAWAY with an error that leaves the request out",
    does: (_stream, peer) => peer.send(goAway(0, 11)),
    sees: [
      "503, remote refused stream reset, end",
      "503 UR upstream_reset_before_response_started{remote_refused_stream_reset}",
    ],
  },
  {
    name: "GOAWAY that takes the request in",
    does: ({ id }, peer) => peer.send(goAway(id, 0), head(id), data(id, "whole", true)),
    sees: ["200, whole, end", "200 - via_upstream"],
    stats: { upstream_cx_close_notify: 1, upstream_cx_destroy: 1 },
  },
  {
    name: "the connection's end before the head",
    does: (_stream, peer) => peer.wire.close(),
    sees: [
      "503, connection termination, end",
      "503 UC upstream_reset_before_response_started{connection_termination}",
    ],
    stats: { upstream_cx_destroy_remote_with_active_rq: 1, upstream_rq_rx_reset: 0 },
  },
  {
    name: "the connection's end after the head",
    does: ({ id }, peer) => {
      peer.send(head(id), data(id, "part"));
      peer.wire.end();
    },
    sees: [
      "200, part, reset 2",
      "200 UC upstream_reset_after_response_started{connection_termination}",
    ],
  },
  {
    name: "a frame that breaks the protocol",
    does: (_stream, peer) => peer.send(frame(8, 0, 0, Buffer.alloc(3))),
    sees: [
      "502, protocol error, end",
      "502 UPE upstream_reset_before_response_started{protocol_error}",
    ],
    stats: { upstream_cx_protocol_error: 1 },
  },
  {
    name: "no HTTP/2 at all",
    does: (_stream, peer) => peer.send(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")),
    sees: [
      "502, protocol error, end",
      "502 UPE upstream_reset_before_response_started{protocol_error}",
    ],
    stats: { upstream_cx_protocol_error: 1 },
  },
  {
    name: "a malformed head",
    does: ({ id }, peer) =>
      peer.send(
        headers(
          id,
          literals([
            [":status", "200"],
            ["connection", "close"],
          ]),
          { end: true },
        ),
      ),
    sees: [
      "502, protocol error, end",
      "502 UPE upstream_reset_before_response_started{protocol_error}",
    ],
    stats: { "http2.rx_messaging_error": 1 },
  },
  {
    name: "a malformed head that costs its stream only",
    options: { override_stream_error_on_invalid_http_message: true },
    does: ({ id }, peer) =>
      peer.send(
        headers(
          id,
          literals([
            [":status", "200"],
            ["connection", "close"],
          ]),
          { end: true },
        ),
      ),
    sees: [
      "502, protocol error, end",
      "502 UPE upstream_reset_before_response_started{protocol_error}",
    ],
  },
  {
    name: "a head without a status",
    does: ({ id }, peer) => peer.send(headers(id, literals([["x-a", "1"]]), { end: true })),
    sees: [
      "502, protocol error, end",
      "502 UPE upstream_reset_before_response_started{protocol_error}",
    ],
  },
  {
    name: "a head that is too large",
    does: ({ id }, peer) =>
      peer.send(
        ...inFrames(
          id,
          literals([
            [":status", "200"],
            ["x-a", "a".repeat(62_000)],
          ]),
        ),
      ),
    stats: { "http2.header_list_size_too_large": 1 },
    sees: ["503, remote reset, end", "503 UR upstream_reset_before_response_started{remote_reset}"],
  },
  {
    name: "too many fields",
    does: ({ id }, peer) =>
      peer.send(
        headers(
          id,
          literals([
            [":status", "200"],
            ...Array.from({ length: 100 }, (_, i) => [`x-${i}`, "1"] as const),
          ]),
          { end: true },
        ),
      ),
    sees: ["503, remote reset, end", "503 UR upstream_reset_before_response_started{remote_reset}"],
    stats: { "http2.header_overflow": 1 },
  },
  {
    name: "a body shorter than its length",
    does: ({ id }, peer) =>
      peer.message(
        id,
        [
          [":status", "200"],
          ["content-length", "9"],
        ],
        { body: "short" },
      ),
    sees: ["200, , reset 2", "200 UPE upstream_reset_after_response_started{protocol_error}"],
  },
  {
    name: "PUSH_PROMISE",
    does: ({ id }, peer) => peer.send(frame(5, 4, id, Buffer.from([0, 0, 0, 2, 0x88]))),
    sees: [
      "502, protocol error, end",
      "502 UPE upstream_reset_before_response_started{protocol_error}",
    ],
  },
  {
    name: "DATA before the head",
    does: ({ id }, peer) => peer.send(data(id, "x", true)),
    sees: [
      "502, protocol error, end",
      "502 UPE upstream_reset_before_response_started{protocol_error}",
    ],
  },
];

/** Status, what the body says, how the stream ended. */
function brief({ sections, body, end }: ReceivedStream): string {
  const status = sections[0]?.[0]?.replace(":status: ", "");
  return `${status}, ${body.replace(/^.* reset reason: /, "")}, ${end}`;
}

const endingCases = endings.map(
  ({ name, does, sees, options, stats = {} }): ParityCase =>
    scene({
      name: `from the upstream: ${name}`,
      config: both(options),
      upstream: frameUpstream({ onEnd: does }),
      act: async (t) => {
        const got = brief(await askFrames(t, request("GET", "/")));
        await t.stats(
          Object.fromEntries(
            Object.entries(stats).map(([stat, value]) => [`cluster.{case}-main.${stat}`, value]),
          ),
        );
        return [got, await t.logLine()];
      },
      sees,
    }),
);

parityArea("http2-resets", endingCases);
