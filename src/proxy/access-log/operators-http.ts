import type { HeaderList } from "#http/headers.ts";
import { refuse } from "#lib/config-error.ts";
import type { StreamInfo } from "../stream-info.ts";
import { grpcStatusNames, grpcStatusOf } from "./grpc-status.ts";
import {
  never,
  number,
  type Operator,
  type OperatorSpec,
  type OperatorTable,
  text,
} from "./operator.ts";
import { toByteString } from "./parse-format.ts";

interface Readable {
  get(name: string): string | undefined;
}

/** `X` or `X?Y`: the first of the two that is there, even when it is empty. */
function headerOperator(source: (info: StreamInfo) => Readable | undefined): OperatorSpec {
  return {
    parameter: "required",
    length: true,
    compile: (parameter) => {
      const { main, alternative } = headerNames(parameter);
      if (alternative === undefined) {
        return { kind: "string", read: (info) => source(info)?.get(main) };
      }
      return {
        kind: "string",
        read: (info) => {
          const headers = source(info);
          return headers?.get(main) ?? headers?.get(alternative);
        },
      };
    },
  };
}

function headerNames(parameter: string): { main: string; alternative: string | undefined } {
  const names = parameter.toLowerCase().split("?");
  const [main = "", alternative] = names;
  if (names.length > 2) {
    throw refuse("", `more than 1 alternative header specified in token: ${parameter}`);
  }
  return { main, alternative };
}

const withoutQuery = (path: string | undefined): string | undefined => {
  const query = path === undefined ? -1 : path.indexOf("?");
  return query < 0 ? path : path?.slice(0, query);
};

function pathOperator(parameter: string): Operator {
  const [query = "", source = ""] = parameter.split(":");
  const read = pathSource(source);
  switch (query) {
    case "":
    case "WQ":
      return { kind: "string", read };
    case "NQ":
      return { kind: "string", read: (info) => withoutQuery(read(info)) };
    default:
      throw refuse("", `Invalid PATH option: '${query}', only 'WQ'/'NQ' are allowed`);
  }
}

function pathSource(source: string): (info: StreamInfo) => string | undefined {
  const original = (info: StreamInfo): string | undefined =>
    info.requestHead?.get("x-envoy-original-path");
  const current = (info: StreamInfo): string | undefined => info.requestHead?.path;
  switch (source) {
    case "ORIG":
      return original;
    case "PATH":
      return current;
    case "":
    case "ORIG_OR_PATH":
      return (info) => original(info) ?? current(info);
    default:
      throw refuse(
        "",
        `Invalid PATH option: '${source}', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed`,
      );
  }
}

const queryOf = (info: StreamInfo): string | undefined => {
  const path = info.requestHead?.path ?? "";
  const query = path.indexOf("?");
  return query < 0 ? undefined : path.slice(query + 1);
};

/** %XX to its byte; anything else, "+" included, stays. */
function percentDecode(value: string): string {
  if (!value.includes("%")) return value;
  return value.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** The first value of the key. `key` alone has the value "". */
function queryParameter(query: string, key: string): string | undefined {
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if ((equals < 0 ? pair : pair.slice(0, equals)) !== key) continue;
    return equals < 0 ? "" : percentDecode(pair.slice(equals + 1));
  }
  return undefined;
}

function queryParameters(parameter: string): Operator {
  switch (parameter) {
    case "":
    case "ORIG":
      return { kind: "string", read: queryOf };
    case "DECODED":
      return {
        kind: "string",
        untrusted: true,
        read: (info) => {
          const query = queryOf(info);
          return query === undefined ? undefined : percentDecode(query);
        },
      };
    default:
      throw refuse("", `Invalid QUERY_PARAMS option: '${parameter}'`);
  }
}

function grpcStatusOperator(parameter: string): Operator {
  switch (parameter) {
    case "":
    case "CAMEL_STRING":
      return { kind: "string", read: (info) => grpcStatusText(grpcStatusOf(info), 0) };
    case "SNAKE_STRING":
      return { kind: "string", read: (info) => grpcStatusText(grpcStatusOf(info), 1) };
    case "NUMBER":
      return { kind: "number", read: grpcStatusOf };
    default:
      throw refuse("", "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER.");
  }
}

function grpcStatusText(status: number | undefined, form: 0 | 1): string | undefined {
  if (status === undefined) return undefined;
  return grpcStatusNames[status]?.[form] ?? String(status);
}

/** Names and values without separators, as Envoy counts a header map. */
function headerMapBytes(headers: HeaderList | undefined): number {
  if (headers === undefined) return 0;
  let bytes = 0;
  for (const part of headers.list) bytes += part.length;
  return bytes;
}

function requestHeaderBytes(info: StreamInfo): number {
  const head = info.requestHead;
  if (head === undefined) return 0;
  const pseudo = ":method:path:authority:scheme".length + head.method.length + head.path.length;
  return pseudo + head.authority.length + head.scheme.length + headerMapBytes(head.headers);
}

const pathSpec: OperatorSpec = { parameter: "optional", length: true, compile: pathOperator };

export const requestHeader: OperatorSpec = headerOperator((info) => info.requestHead);

export const httpOperators: OperatorTable = {
  REQ: requestHeader,
  RESP: headerOperator((info) => info.responseHead),
  TRAILER: headerOperator((info) => info.responseTrailers),
  PATH: pathSpec,
  QUERY_PARAM: {
    parameter: "required",
    length: true,
    compile: (key) => ({
      kind: "string",
      untrusted: true,
      read: (info) => queryParameter(queryOf(info) ?? "", key),
    }),
  },
  QUERY_PARAMS: { parameter: "optional", length: true, compile: queryParameters },
  GRPC_STATUS: { parameter: "optional", length: false, compile: grpcStatusOperator },
  GRPC_STATUS_NUMBER: number(grpcStatusOf),
  REQUEST_HEADERS_BYTES: number(requestHeaderBytes),
  RESPONSE_HEADERS_BYTES: number((i) =>
    i.responseHead === undefined ? 0 : headerMapBytes(i.responseHead.headers) + ":status200".length,
  ),
  RESPONSE_TRAILERS_BYTES: number((i) => headerMapBytes(i.responseTrailers)),
  LOCAL_REPLY_BODY: text((i) => toByteString(i.localReplyBody)),
  STREAM_ID: text((i) => i.requestHead?.get("x-request-id")),
  XFCC_VALUE: never("required"),
  TRACE_ID: never(),
  SPAN_ID: never(),
};
