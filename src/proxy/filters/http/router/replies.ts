import type { RequestHead, ResetReason } from "#http/message.ts";
import { unreachable } from "#lib/assert.ts";
import { fromByteString } from "../../../access-log/parse-format.ts";
import type { Drop, UpstreamFailure } from "../../../cluster/manager.ts";
import { connectErrorText } from "../../../connect-error.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { DirectAction, ForwardAction, RedirectAction } from "../../../route/route.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import type { LocalReply } from "../filter.ts";
import type { AttemptFailure } from "./retry-state.ts";

export function directReply(route: DirectAction, info: StreamInfo): LocalReply {
  const { status, bodyFormat, body = "" } = route;
  const reply = { status, body, details: "direct_response" };
  if (bodyFormat === undefined) return reply;
  info.localReplyBody = body;
  const formatted = fromByteString(bodyFormat.format(info));
  return { ...reply, body: formatted, contentType: bodyFormat.contentType };
}

export function redirectReply(
  route: RedirectAction,
  head: RequestHead,
  info: StreamInfo,
): LocalReply {
  const location = route.location(head, info);
  return { status: route.status, details: "direct_response", headers: [["location", location]] };
}

const overloaded: readonly (readonly [string, string])[] = [["x-envoy-overloaded", "true"]];

export const maintenanceReply: LocalReply = {
  status: 503,
  body: "maintenance mode",
  details: "maintenance_mode",
  flags: ResponseFlag.upstreamOverflow,
  headers: overloaded,
};

export function dropReply(drop: Drop, envoyHeaders: boolean): LocalReply {
  const all = drop === "all";
  const name = all ? "x-envoy-unconditional-drop-overload" : "x-envoy-drop-overload";
  return {
    status: 503,
    body: all ? "unconditional drop overload" : "drop overload",
    details: all ? "unconditional_drop_overload" : "drop_overload",
    flags: all ? ResponseFlag.unconditionalDropOverload : ResponseFlag.dropOverload,
    ...(envoyHeaders ? { headers: [[name, "true"]] } : {}),
  };
}

export const noRouteReply: LocalReply = {
  status: 404,
  details: "route_not_found",
  flags: ResponseFlag.noRouteFound,
};

/** `strict_check_headers`. */
export function invalidHeaderReply(name: string, { headers }: RequestHead): LocalReply {
  return {
    status: 400,
    body: `invalid header '${name}' with value '${headers.get(name) ?? ""}'`,
    details: `request_headers_failed_strict_check{${name}}`,
    flags: ResponseFlag.invalidEnvoyRequestHeaders,
  };
}

/** `include_attempt_count_in_response` holds for answers in the upstream's stead too. */
export function withAttemptCount(
  reply: LocalReply,
  route: ForwardAction | undefined,
  { attemptCount }: StreamInfo,
): LocalReply {
  if (route?.includeAttemptCountResponse !== true || attemptCount === 0) return reply;
  const count = ["x-envoy-attempt-count", String(attemptCount)] as const;
  return { ...reply, headers: [...(reply.headers ?? []), count] };
}

/** How a retry policy sees that no stream could be had. */
export function attemptFailure({ kind }: UpstreamFailure): AttemptFailure {
  switch (kind) {
    case "connect-failure":
      return "connect";
    case "connect-timeout":
      return "connect-timeout";
    default:
      return "pool-overflow";
  }
}

export const noHealthyReply: LocalReply = {
  status: 503,
  body: "no healthy upstream",
  details: "no_healthy_upstream",
  flags: ResponseFlag.noHealthyUpstream,
};

export const retryBufferReply: LocalReply = {
  status: 507,
  body: "exceeded request buffer limit while retrying upstream",
  details: "request_payload_exceeded_retry_buffer_limit",
};

/** A route timeout (`response_timeout`) or one of a single attempt; 204 when the request asked for it. */
export function timeoutReply(status: number, details: string): LocalReply {
  return {
    status,
    body: status === 504 ? "upstream request timeout" : "",
    details,
    flags: ResponseFlag.upstreamRequestTimeout,
    grpcStatus: 14,
  };
}

/** As Envoy says it; `retried`: it was not the first attempt. */
function resetText(reason: string, retried: boolean): string {
  const again = retried ? "retried and the latest " : "";
  return `upstream connect error or disconnect/reset before headers. ${again}reset reason: ${reason}`;
}

/** Envoy's answer when no connection could be had. */
export function connectFailureReply(
  failure: UpstreamFailure,
  { envoyHeaders, retried }: { readonly envoyHeaders: boolean; readonly retried: boolean },
): LocalReply {
  switch (failure.kind) {
    case "overflow":
      return {
        status: 503,
        body: resetText("overflow", retried),
        details: "upstream_reset_before_response_started{overflow}",
        flags: ResponseFlag.upstreamOverflow,
        ...(envoyHeaders ? { headers: overloaded } : {}),
      };
    case "no-healthy-upstream":
      return noHealthyReply;
    case "connect-timeout":
      return {
        status: 503,
        body: resetText("connection timeout", retried),
        details: "upstream_reset_before_response_started{connection_timeout}",
        flags: ResponseFlag.upstreamConnectionFailure,
      };
    case "connect-failure":
      return {
        status: 503,
        body: resetText("remote connection failure", retried),
        details: `upstream_reset_before_response_started{remote_connection_failure${failure.detail === "" ? "" : `|${connectErrorText(failure.detail)}`}}`,
        flags: ResponseFlag.upstreamConnectionFailure,
      };
    default:
      return unreachable(failure);
  }
}

/** The upstream broke off: what is said when nothing was sent yet, and what is logged when something was. */
export function resetReply(
  reason: ResetReason,
  retried: boolean,
): { readonly reply: LocalReply; readonly reason: string; readonly flags: number } {
  const facts = resetFacts(reason);
  return {
    reason: facts.word,
    flags: facts.flags,
    reply: {
      status: facts.status,
      body: resetText(facts.text, retried),
      details: `upstream_reset_before_response_started{${facts.word}}`,
      flags: facts.flags,
    },
  };
}

function resetFacts(reason: ResetReason): {
  status: number;
  text: string;
  word: string;
  flags: number;
} {
  switch (reason) {
    case "protocol":
      return {
        status: 502,
        text: "protocol error",
        word: "protocol_error",
        flags: ResponseFlag.upstreamProtocolError,
      };
    case "remote-close":
      return {
        status: 503,
        text: "connection termination",
        word: "connection_termination",
        flags: ResponseFlag.upstreamConnectionTermination,
      };
    case "refused":
      return {
        status: 503,
        text: "remote refused stream reset",
        word: "remote_refused_stream_reset",
        flags: ResponseFlag.upstreamRemoteReset,
      };
    case "remote-reset":
    // A field section over the limits: as Envoy, as if the upstream had reset it.
    case "overflow":
      return {
        status: 503,
        text: "remote reset",
        word: "remote_reset",
        flags: ResponseFlag.upstreamRemoteReset,
      };
    case "connect":
    case "connect-timeout":
      return {
        status: 503,
        text: "remote connection failure",
        word: "remote_connection_failure",
        flags: ResponseFlag.upstreamConnectionFailure,
      };
    case "local":
      return {
        status: 503,
        text: "local reset",
        word: "local_reset",
        flags: ResponseFlag.localReset,
      };
    default:
      return unreachable(reason);
  }
}
