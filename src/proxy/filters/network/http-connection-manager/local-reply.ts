import type {
  HttpConnectionManagerJson,
  ResponseMapperJson,
} from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { encodeStatusMessage, grpcStatusOfHttp, isGrpcContentType } from "#grpc/status.ts";
import { HeaderList } from "#http/headers.ts";
import { type RequestHead, ResponseHead } from "#http/message.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { type AccessLogPredicate, compileAccessLogFilter } from "../../../access-log/filters.ts";
import {
  type BodyFormat,
  compileSubstitutionFormatString,
  dataSourceText,
} from "../../../access-log/formatter.ts";
import { fromByteString } from "../../../access-log/parse-format.ts";
import { applyAdditions, compileAdditions } from "../../../route/header-changes.ts";
import type { Services } from "../../../services.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import type { LocalReply } from "../../http/filter.ts";

/** What goes on the wire. `body` is text, to be sent as UTF-8. */
export interface ReplyMessage {
  readonly head: ResponseHead;
  readonly body: string;
}

export type MakeReply = (
  reply: LocalReply,
  info: StreamInfo,
  request: RequestHead | undefined,
) => ReplyMessage;

/** A local reply while mappers and formats work on it. */
interface Draft {
  status: number;
  body: string;
  contentType: string;
  readonly headers: HeaderList;
}

/** From a local reply to a response: mappers, body format, and for a gRPC client trailers-only with the status as grpc-status. */
export function compileLocalReply(
  config: HttpConnectionManagerJson["localReplyConfig"],
  services: Services,
): MakeReply {
  const rewrite = within("local_reply_config", () => compileRewrite(config, services));
  return (reply, info, request) => {
    if (reply.unmapped === true) return { head: new ResponseHead(reply.status), body: "" };
    const draft: Draft = {
      status: reply.status,
      body: reply.body ?? "",
      contentType: reply.contentType ?? "text/plain",
      headers: new HeaderList(),
    };
    rewrite?.(draft, info);
    const head = new ResponseHead(draft.status, draft.headers);
    if (!info.becameGrpc && isGrpcContentType(request?.headers.get("content-type"))) {
      return grpcReply(head, draft, reply.grpcStatus);
    }
    if (draft.body !== "") {
      head.headers.set("content-length", String(Buffer.byteLength(draft.body)));
      if (!head.headers.has("content-type")) head.headers.add("content-type", draft.contentType);
    } else head.headers.remove("content-type");
    return { head, body: draft.body };
  };
}

function grpcReply(head: ResponseHead, draft: Draft, status: number | undefined): ReplyMessage {
  head.headers.set("content-type", "application/grpc");
  head.headers.set("grpc-status", String(status ?? grpcStatusOfHttp(draft.status)));
  if (draft.body !== "") head.headers.set("grpc-message", encodeStatusMessage(draft.body));
  head.status = 200;
  return { head, body: "" };
}

type Rewrite = (draft: Draft, info: StreamInfo) => void;

function compileRewrite(
  config: HttpConnectionManagerJson["localReplyConfig"],
  services: Services,
): Rewrite | undefined {
  if (config === undefined) return undefined;
  const { bodyFormat } = config;
  const format =
    bodyFormat === undefined
      ? undefined
      : within("body_format", () => compileSubstitutionFormatString(bodyFormat));
  const mappers = compileEach("mappers", config.mappers, (mapper) =>
    compileMapper(mapper, services),
  );
  if (mappers.length === 0 && format === undefined) return undefined;
  return (draft, info) => {
    const codeBefore = info.responseCode;
    // Filters and header formats of a mapper see the reply's own code, the body format the mapped one.
    info.responseCode = draft.status;
    info.localReplyBody = draft.body;
    const mapper = mappers.find((candidate) => candidate.matches(info));
    mapper?.apply(draft, info);
    info.responseCode = draft.status;
    info.localReplyBody = draft.body;
    const bodyFormatter = mapper?.format ?? format;
    if (bodyFormatter !== undefined) {
      draft.body = fromByteString(bodyFormatter.format(info));
      draft.contentType = bodyFormatter.contentType;
    }
    info.responseCode = codeBefore;
  };
}

interface Mapper {
  readonly matches: AccessLogPredicate;
  readonly apply: Rewrite;
  readonly format: BodyFormat | undefined;
}

function compileMapper(config: ResponseMapperJson, services: Services): Mapper {
  const { filter, statusCode, body, bodyFormatOverride } = config;
  if (filter === undefined) throw refuse("filter", "a filter is required");
  if (statusCode !== undefined && (statusCode < 200 || statusCode > 599)) {
    throw refuse("status_code", "must be in 200…599");
  }
  const newBody = body === undefined ? undefined : within("body", () => dataSourceText(body));
  const headers = compileAdditions("headers_to_add", config.headersToAdd);
  return {
    matches: within("filter", () => compileAccessLogFilter(filter, services)),
    format:
      bodyFormatOverride === undefined
        ? undefined
        : within("body_format_override", () => compileSubstitutionFormatString(bodyFormatOverride)),
    apply: (draft, info) => {
      applyAdditions(headers, draft.headers, info);
      if (statusCode !== undefined) draft.status = statusCode;
      if (newBody !== undefined) draft.body = newBody;
    },
  };
}
