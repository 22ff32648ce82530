/** Node's own HTTP/2 as a peer: what it accepts and sends is another implementation's opinion. */
import {
  type ClientHttp2Session,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import type { Script } from "../fake-upstream.ts";

export interface Http2Request {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
}

export interface Http2Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly interim: readonly number[];
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  /** RST_STREAM's code; 0: the stream ended well. */
  readonly resetCode: number;
}

/** Serves each connection with HTTP/2; `onRequest` gets a request when it is whole. */
export function http2Server(
  onRequest: (request: Http2Request) => void,
  settings: Settings = {},
): Script {
  return ({ socket }) => {
    const server = createServer({ settings });
    server.on("stream", (stream: ServerHttp2Stream, headers) => {
      let body = "";
      let trailers: IncomingHttpHeaders = {};
      stream.on("error", () => {});
      stream.setEncoding("latin1");
      stream.on("data", (text: string) => {
        body += text;
      });
      stream.on("trailers", (received) => {
        trailers = received;
      });
      stream.on("end", () => onRequest({ stream, headers, body, trailers }));
    });
    server.on("sessionError", () => {});
    server.emit("connection", socket);
  };
}

/** Answers with a head, a body and, when they are given, trailers. */
export function reply(
  stream: ServerHttp2Stream,
  headers: OutgoingHttpHeaders,
  body = "",
  trailers?: OutgoingHttpHeaders,
): void {
  if (trailers === undefined && body === "") {
    stream.respond(headers, { endStream: true });
    return;
  }
  stream.respond(headers, { waitForTrailers: trailers !== undefined });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers ?? {}));
  stream.end(body, "latin1");
}

/** A whole exchange. `trailers` are sent after the body. */
export function exchange(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string,
  trailers?: OutgoingHttpHeaders,
): Promise<Http2Response> {
  return new Promise((resolve) => {
    const stream = session.request(
      { ":authority": "a.example", ...headers },
      { waitForTrailers: trailers !== undefined, endStream: body === undefined && !trailers },
    );
    let [status, text] = [0, ""];
    let [head, last]: IncomingHttpHeaders[] = [{}, {}];
    const interim: number[] = [];
    stream.setEncoding("latin1");
    stream.on("headers", (received) => interim.push(Number(received[":status"])));
    stream.on("response", (received) => {
      head = received;
      status = Number(received[":status"]);
    });
    stream.on("data", (chunk: string) => {
      text += chunk;
    });
    stream.on("trailers", (received) => {
      last = received;
    });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers ?? {}));
    stream.on("error", () => {});
    stream.on("close", () =>
      resolve({
        status,
        headers: head ?? {},
        interim,
        body: text,
        trailers: last ?? {},
        resetCode: stream.rstCode ?? 0,
      }),
    );
    if (body !== undefined || trailers !== undefined) stream.end(body ?? "", "latin1");
  });
}
