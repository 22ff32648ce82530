import { Http1ClientCodec, type Http1ClientOptions } from "#http/h1/client.ts";
import { type LenientName, lenientKeys } from "#http/h1/fields.ts";
import { type ByteSink, Http1ServerCodec, type Http1ServerOptions } from "#http/h1/server.ts";
import type { HeaderList } from "#http/headers.ts";
import {
  type RequestHead,
  type RequestSink,
  ResponseHead,
  type ResponseSink,
  type ResponseStream,
  type ServerCodecHandler,
} from "#http/message.ts";

/** For tests and fuzzers: what a codec says about a sequence of pieces, one event a line; data of one body is one line. */

export const strictServer: Http1ServerOptions = {
  headBytesMax: 8192,
  fieldsMax: 100,
  lenient: undefined,
  acceptHttp10: true,
  defaultHostForHttp10: "",
  allowAbsoluteUrl: true,
  allowChunkedLength: false,
  enableTrailers: true,
  nameCase: "lower",
  secure: false,
};

export const strictClient: Http1ClientOptions = {
  headBytesMax: 8192,
  fieldsMax: 100,
  lenient: undefined,
  enableTrailers: true,
  nameCase: "lower",
  allowChunkedLength: false,
};

export function lenient(names: readonly string[]): { readonly [Name in LenientName]?: boolean } {
  for (const name of names)
    if (!Object.hasOwn(lenientKeys, name)) throw new Error(`no leniency ${name}`);
  return Object.fromEntries(names.map((name) => [name, true]));
}

/** Keeps what is written; `paused` counts. */
export class MemorySink implements ByteSink {
  text = "";
  paused = 0;

  write(chunk: Uint8Array): boolean {
    this.text += Buffer.from(chunk).toString("latin1");
    return true;
  }

  writeText(text: string): boolean {
    this.text += text;
    return true;
  }

  pause(): void {
    this.paused++;
  }

  resume(): void {
    this.paused--;
  }
}

/** Shared by both directions: event lines, body data gathered until something else happens. */
class EventLog {
  readonly lines: string[] = [];
  #body = "";

  add(line: string): void {
    if (this.#body !== "") this.lines.push(`data ${printable(this.#body)}`);
    this.#body = "";
    this.lines.push(line);
  }

  data(chunk: Uint8Array, end: boolean): void {
    this.#body += Buffer.from(chunk).toString("latin1");
    if (end) this.add("end");
  }

  fields(headers: HeaderList): void {
    for (const [name, value] of headers) this.add(`  ${name}: ${printable(value)}`);
  }

  text(): string {
    if (this.#body !== "") this.add("…");
    return this.lines.join("\n");
  }
}

export function printable(text: string): string {
  const shown = text.replace(/[^\x20-\x7e]/g, (char) => {
    if (char === "\r") return "\\r";
    if (char === "\n") return "\\n";
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return shown.length > 120 ? `${shown.slice(0, 40)}…(${text.length})` : shown;
}

/** Receives requests and answers each one, when it is whole, with an empty 200. */
class RequestRecorder implements ServerCodecHandler, RequestSink {
  readonly log = new EventLog();
  readonly requests: RecordedRequest[] = [];
  #stream: ResponseStream | undefined;

  onStream(stream: ResponseStream): RequestSink {
    this.#stream = stream;
    return this;
  }

  onProtocolError(_stream: ResponseStream, status: number, detail: string): void {
    this.log.add(`refused ${status} ${detail}`);
  }

  onHead(head: RequestHead, end: boolean): void {
    this.requests.push({ head, body: "", end });
    const { method, path, authority, version } = head;
    const extras = [
      head.hostMissing ? " no-host" : "",
      head.expectsContinue ? " expects-continue" : "",
      head.upgrade === undefined ? "" : ` upgrade=${head.upgrade}`,
    ];
    this.log.add(
      `request ${method} ${printable(path)} ${printable(authority)} ${version}${extras.join("")}`,
    );
    this.log.fields(head.headers);
    if (end) this.#onEnd();
  }

  onData(chunk: Uint8Array, end: boolean): void {
    const request = this.requests.at(-1);
    if (request !== undefined) {
      request.body += Buffer.from(chunk).toString("latin1");
      request.end = end;
    }
    this.log.data(chunk, end);
    if (end) this.#answer();
  }

  onTrailers(trailers: HeaderList): void {
    const request = this.requests.at(-1);
    if (request !== undefined) request.end = true;
    this.log.add("trailers");
    this.log.fields(trailers);
    this.#onEnd();
  }

  #onEnd(): void {
    this.log.add("end");
    this.#answer();
  }

  #answer(): void {
    this.#stream?.sendHead(new ResponseHead(200), true);
  }

  onReset(reason: string, detail: string): void {
    this.log.add(`reset ${reason} ${detail}`);
  }

  onWritable(): void {}
  onUnwritable(): void {}
}

export interface RecordedRequest {
  readonly head: RequestHead;
  body: string;
  end: boolean;
}

/** Pipelined requests are read in later ticks: this lets all of them happen. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface ServerRun {
  readonly log: string;
  readonly requests: readonly RecordedRequest[];
  readonly written: string;
  readonly paused: number;
}

export async function runServer(
  pieces: readonly Uint8Array[],
  options: Http1ServerOptions = strictServer,
): Promise<ServerRun> {
  const recorder = new RequestRecorder();
  const sink = new MemorySink();
  const codec = new Http1ServerCodec(options, sink, recorder);
  for (const piece of pieces) {
    codec.feed(piece);
    // As on a connection: nothing is read while it is paused.
    if (sink.paused > 0) await settled();
  }
  await settled();
  return {
    log: recorder.log.text(),
    requests: recorder.requests,
    written: sink.text,
    paused: sink.paused,
  };
}

export function runClient(
  pieces: readonly Uint8Array[],
  request: RequestHead,
  options: Http1ClientOptions = strictClient,
  close = false,
): string {
  const log = new EventLog();
  const sink: ResponseSink = {
    onInformational: (head) => {
      log.add(`informational ${head.status}`);
      log.fields(head.headers);
    },
    onHead: (head, end) => {
      log.add(`response ${head.status} ${head.version}`);
      log.fields(head.headers);
      if (end) log.add("end");
    },
    onData: (chunk, end) => log.data(chunk, end),
    onTrailers: (trailers) => {
      log.add("trailers");
      log.fields(trailers);
      log.add("end");
    },
    onReset: (reason, detail) => log.add(`reset ${reason} ${detail}`.trimEnd()),
    onWritable: () => {},
    onUnwritable: () => {},
  };
  const codec = new Http1ClientCodec(options, new MemorySink(), {
    onStreamDone: (reusable) => log.add(reusable ? "reusable" : "not reusable"),
    onProtocolError: (detail) => log.add(`error ${detail}`),
    onGoAway: () => {},
    onConcurrency: () => {},
  });
  codec.newStream(sink).sendHead(request, true);
  for (const piece of pieces) codec.feed(piece);
  if (close) codec.onEnd();
  return log.text();
}
