/** What an HTTP/2 upstream must not send, and what it may. */
import { frameUpstream } from "../../testkit/http2/frame-peer.ts";
import {
  continuation,
  data,
  frame,
  headers,
  literals,
  ping,
  priority,
  rstStream,
  settings,
  times,
  windowUpdate,
} from "../../testkit/http2/frames.ts";
import type { Field } from "../../testkit/http2/header-stories.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import type { JsonObject } from "./harness/config.ts";
import {
  askFrames,
  connectFrames,
  http2,
  http2Cluster,
  request,
  streamText,
} from "./harness/http2.ts";
import { scene } from "./harness/scene.ts";

const to = (options: JsonObject = {}) => http2({}, { clusters: [http2Cluster(options)] });
const lenient = { override_stream_error_on_invalid_http_message: true };
const ok: Field = [":status", "200"];
const head = (id: number, ...fields: readonly Field[]) =>
  headers(id, literals(fields), { end: true });
const empty = Buffer.alloc(0);

interface Breach {
  readonly name: string;
  /** Sent for a request; the answer follows where `answered`. */
  readonly frames: (id: number) => Uint8Array;
  readonly answered?: boolean;
  /** Of the cluster, that are not 0. */
  readonly stats?: Readonly<Record<string, number>>;
  readonly sees: readonly string[];
}

const broken: readonly string[] = [
  "502 protocol error",
  "502 UPE upstream_reset_before_response_started{protocol_error}",
];
const fine: readonly string[] = ["200 fine", "200 - via_upstream"];
const malformed = { "http2.rx_messaging_error": 1, upstream_cx_protocol_error: 1 };
const connectionError = { upstream_cx_protocol_error: 1 };

const breaches: readonly Breach[] = [
  {
    name: "300 PRIORITY frames",
    frames: () => times(300, () => priority(1)),
    stats: { ...connectionError, "http2.inbound_priority_frames_flood": 1 },
    sees: broken,
  },
  {
    name: "5 WINDOW_UPDATE frames",
    frames: () => times(5, () => windowUpdate(0, 1)),
    answered: true,
    sees: fine,
  },
  {
    name: "50 WINDOW_UPDATE frames",
    frames: () => times(50, () => windowUpdate(0, 1)),
    stats: { ...connectionError, "http2.inbound_window_update_frames_flood": 1 },
    sees: broken,
  },
  {
    name: "3000 SETTINGS frames",
    frames: () => times(3000, () => settings([])),
    stats: { ...connectionError, "http2.outbound_control_flood": 1 },
    sees: broken,
  },
  {
    name: "empty DATA frames",
    frames: (id) => Buffer.concat([headers(id, literals([ok])), data(id, ""), data(id, "")]),
    stats: { ...connectionError, "http2.inbound_empty_frames_flood": 1 },
    sees: ["200 ", "200 UPE upstream_reset_after_response_started{protocol_error}"],
  },
  {
    name: "empty CONTINUATION frames",
    frames: (id) =>
      Buffer.concat([
        headers(id, literals([ok]), { more: true }),
        continuation(id, empty, true),
        continuation(id, empty, true),
      ]),
    stats: { ...connectionError, "http2.inbound_empty_frames_flood": 1 },
    sees: broken,
  },
  {
    name: "bad HPACK",
    frames: (id) => headers(id, Buffer.from([0xff, 0x70])),
    stats: connectionError,
    sees: broken,
  },
  {
    name: "RST_STREAM of an idle stream",
    frames: () => rstStream(99, 2),
    stats: connectionError,
    sees: broken,
  },
  {
    name: "an answer on a stream of its own",
    frames: () => head(2, ok),
    stats: connectionError,
    sees: broken,
  },
  {
    name: "a window over the maximum",
    frames: () => windowUpdate(0, 0x7fff_ffff),
    stats: connectionError,
    sees: broken,
  },
  {
    name: "frames of an unknown type",
    frames: (id) => frame(0x42, 0, id, Buffer.from("x")),
    answered: true,
    sees: fine,
  },
  { name: "PINGs", frames: () => times(10, () => ping), answered: true, sees: fine },
  { name: "two statuses", frames: (id) => head(id, ok, ok), stats: malformed, sees: broken },
  {
    name: "an upper-case name",
    frames: (id) => head(id, ok, ["X-a", "1"]),
    stats: malformed,
    sees: broken,
  },
  {
    name: "LF in a value",
    frames: (id) => head(id, ok, ["x-a", "1\n2"]),
    stats: malformed,
    sees: broken,
  },
  {
    name: "a length that is no number",
    frames: (id) => head(id, ok, ["content-length", "x"]),
    stats: malformed,
    sees: broken,
  },
  {
    name: "two lengths",
    frames: (id) => head(id, ok, ["content-length", "0"], ["content-length", "0"]),
    stats: malformed,
    sees: broken,
  },
  {
    name: "a pseudo field of requests",
    frames: (id) => head(id, ok, [":path", "/"]),
    stats: malformed,
    sees: broken,
  },
  {
    name: "a status behind other fields",
    frames: (id) => head(id, ["x-a", "1"], ok),
    stats: malformed,
    sees: broken,
  },
  {
    name: "transfer-encoding",
    frames: (id) => head(id, ok, ["transfer-encoding", "chunked"]),
    stats: malformed,
    sees: broken,
  },
  {
    name: "an informational head that ends the stream",
    frames: (id) => head(id, [":status", "103"]),
    stats: malformed,
    sees: broken,
  },
  {
    name: "twenty informational heads",
    frames: (id) => times(20, () => headers(id, literals([[":status", "103"]]))),
    answered: true,
    sees: fine,
  },
];

const breachCases = breaches.map(
  ({ name, frames, answered = false, stats = {}, sees }): ParityCase =>
    scene({
      name: `from the upstream: ${name}`,
      config: to(),
      upstream: frameUpstream({
        onEnd: ({ id }, peer) => {
          peer.send(frames(id));
          if (answered) peer.message(id, [ok], { body: "fine" });
        },
      }),
      act: async (t) => {
        const { sections, body } = await askFrames(t, request("GET", "/"));
        const status = sections[0]?.[0]?.replace(":status: ", "");
        const line = await t.logLine();
        await t.stats(
          Object.fromEntries(
            Object.entries(stats).map(([stat, value]) => [`cluster.{case}-main.${stat}`, value]),
          ),
        );
        return [`${status} ${body.replace(/^.* reset reason: /, "")}`, line];
      },
      sees,
    }),
);

parityArea("http2-malformed", [
  ...breachCases,
  scene({
    name: "statuses of an HTTP/2 upstream",
    config: to(lenient),
    upstream: frameUpstream({
      onEnd: ({ id, sections }, peer) => {
        const wanted = /:path: \/(\S+)/.exec(sections[0]?.join(" ") ?? "")?.[1] ?? "";
        peer.message(id, [[":status", wanted.replace(";", "")]]);
      },
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      const seen: string[] = [];
      for (const [index, status] of ["200", "600", "999", "99", "1000", "2x0", "101"].entries()) {
        const id = 2 * index + 1;
        client.message(id, request("GET", `/${status}`));
        seen.push(`${status}: ${(await client.whole(id)).sections[0]?.[0]}`);
      }
      return seen;
    },
    sees: [
      "200: :status: 200",
      "600: :status: 600",
      "999: :status: 999",
      "99: :status: 502",
      "1000: :status: 502",
      "2x0: :status: 502",
      "101: :status: 502",
    ],
  }),
  scene({
    name: "bodies where there can be none",
    config: to(lenient),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) =>
        peer.message(id, [[":status", id === 1 ? "204" : "200"]], { body: "body" }),
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      const first = streamText(await client.whole(1));
      client.message(3, request("HEAD", "/"));
      return [first, streamText(await client.whole(3)), ...(await t.log(2))];
    },
    sees: [
      [":status: 204", "reset 2"],
      [":status: 200", "reset 2"],
      "204 UPE upstream_reset_after_response_started{protocol_error}",
      "200 UPE upstream_reset_after_response_started{protocol_error}",
    ],
  }),
  scene({
    name: "malformed trailers, and a second head",
    config: to(lenient),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        peer.message(id, [ok], { end: false });
        if (id === 1) peer.send(head(id, ["connection", "x"]));
        else peer.send(head(id, ok));
      },
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      const first = streamText(await client.whole(1));
      client.message(3, request("GET", "/"));
      return [first, streamText(await client.whole(3)), ...(await t.log(2))];
    },
    sees: [
      [":status: 200", "reset 2"],
      [":status: 200", "reset 2"],
      "200 UPE upstream_reset_after_response_started{protocol_error}",
      "200 UPE upstream_reset_after_response_started{protocol_error}",
    ],
  }),
  scene({
    name: "malformed trailers of a request",
    config: http2(lenient, { clusters: [http2Cluster()] }),
    upstream: frameUpstream(),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("POST", "/"), { body: "x", trailers: [["connection", "x"]] });
      const first = streamText(await client.whole(1));
      client.message(3, request("POST", "/"), { body: "x", trailers: [[":path", "/"]] });
      return [first, streamText(await client.whole(3)), ...(await t.log(2))];
    },
    sees: [
      ["reset 1"],
      ["reset 1"],
      "0 DPE http2.invalid.header.field",
      "0 DPE http2.invalid.header.field",
    ],
  }),
  scene({
    name: "refused heads are counted and logged without what they said",
    config: http2(lenient, {
      clusters: [http2Cluster()],
      logFormat: "%REQ(:PATH)% %REQ(:METHOD)% %PROTOCOL% %RESPONSE_CODE% %BYTES_SENT%",
    }),
    upstream: frameUpstream(),
    act: async (t) => {
      await askFrames(t, request("GET", "/", ["connection", "x"]));
      await t.stats({
        "http.{case}.downstream_rq_total": 1,
        "http.{case}.downstream_rq_http2_total": 1,
        "http.{case}.downstream_rq_completed": 0,
        "http.{case}.downstream_rq_rx_reset": 1,
        "http.{case}.downstream_rq_active": 0,
        "http.{case}.downstream_cx_protocol_error": 0,
      });
      return [await t.logLine()];
    },
    sees: ["- - HTTP/2 0 0"],
  }),
]);
