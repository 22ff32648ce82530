import { ResponseHead } from "#http/message.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { LocalReply } from "../../http/filter.ts";

export const continueHead: ResponseHead = new ResponseHead(100);

/** Before the end of the request the client is to blame, and the connection is out of step. */
export function idleReply(requestEnded: boolean): LocalReply {
  return {
    status: requestEnded ? 504 : 408,
    body: "stream timeout",
    details: "stream_idle_timeout",
    flags: ResponseFlag.streamIdleTimeout,
    close: !requestEnded,
  };
}

export const requestTimeoutReply: LocalReply = {
  status: 408,
  body: "request timeout",
  details: "request_overall_timeout",
  close: true,
};

const deadlineExceeded = 4;

export function durationReply(requestEnded: boolean): LocalReply {
  return {
    status: requestEnded ? 504 : 408,
    body: "downstream duration timeout",
    details: "max_duration_timeout",
    grpcStatus: deadlineExceeded,
    close: !requestEnded,
  };
}

/** A filter holds more of the request than the buffer limit. */
export function requestTooLargeReply(requestEnded: boolean): LocalReply {
  return {
    status: 413,
    body: "Payload Too Large",
    details: "request_payload_too_large",
    close: !requestEnded,
  };
}

export const overloadedReply: LocalReply = {
  status: 503,
  body: "envoy overloaded",
  details: "overload",
};

export const responseTooLargeReply: LocalReply = {
  status: 500,
  body: "Internal Server Error",
  details: "response_payload_too_large",
};

/** The codec refused what was to be a request. */
export function refusalReply(status: number, details: string): LocalReply {
  return {
    status,
    body: status === 400 ? "Bad Request" : "",
    details,
    flags: ResponseFlag.downstreamProtocolError,
    close: true,
  };
}
