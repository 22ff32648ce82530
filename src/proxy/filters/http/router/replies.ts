import type { RequestHead, ResetReason } from "#http/message.ts";
import { unreachable } from "#lib/assert.ts";
import { fromByteString } from "../../../access-log/parse-format.ts";
import type { Drop, UpstreamFailure } from "../../../cluster/manager.ts";
import { connectErrorText } from "../../../connect-error.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { DirectAction, RedirectAction } from "../../../route/route.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import type { LocalReply } from "../filter.ts";

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

const prefix = "upstream connect error or disconnect/reset before headers. reset reason: ";

/** Envoy's answer when no connection could be had. */
export function connectFailureReply(failure: UpstreamFailure, envoyHeaders: boolean): LocalReply {
  switch (failure.kind) {
    case "overflow":
      return {
        status: 503,
        body: `${prefix}overflow`,
        details: "upstream_reset_before_response_started{overflow}",
        flags: ResponseFlag.upstreamOverflow,
        ...(envoyHeaders ? { headers: overloaded } : {}),
      };
    case "no-healthy-upstream":
      return {
        status: 503,
        body: "no healthy upstream",
        details: "no_healthy_upstream",
        flags: ResponseFlag.noHealthyUpstream,
      };
    case "connect-timeout":
      return {
        status: 503,
        body: `${prefix}connection timeout`,
        details: "upstream_reset_before_response_started{connection_timeout}",
        flags: ResponseFlag.upstreamConnectionFailure,
      };
    case "connect-failure":
      return {
        status: 503,
        body: `${prefix}remote connection failure`,
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
  _detail: string,
): { readonly reply: LocalReply; readonly reason: string; readonly flags: number } {
  const facts = resetFacts(reason);
  return {
    reason: facts.word,
    flags: facts.flags,
    reply: {
      status: facts.status,
      body: prefix + facts.text,
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
