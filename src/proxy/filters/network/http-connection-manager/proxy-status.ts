import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { ResponseHead } from "#http/message.ts";
import { flagsText, ResponseFlag } from "../../../response-flags.ts";
import type { Services } from "../../../services.ts";
import type { StreamInfo } from "../../../stream-info.ts";

/** Says in `proxy-status` (RFC 9209) why a response is the proxy's own. */
export type SetProxyStatus = (head: ResponseHead, info: StreamInfo) => void;

type Flag = keyof typeof ResponseFlag;

/** RFC 9209 §2.3: error types with the status that suits each, and the flags that mean them. The first that is set counts. */
const errors: readonly (readonly [error: string, status: number, ...flags: Flag[]])[] = [
  ["destination_unavailable", 503, "failedLocalHealthCheck", "noHealthyUpstream"],
  ["http_response_timeout", 504, "upstreamRequestTimeout"],
  ["connection_timeout", 504, "localReset"],
  ["connection_terminated", 502, "upstreamRemoteReset"],
  ["connection_refused", 502, "upstreamConnectionFailure"],
  ["connection_terminated", 502, "upstreamConnectionTermination"],
  ["connection_limit_reached", 503, "upstreamOverflow"],
  ["destination_not_found", 500, "noRouteFound"],
  ["connection_limit_reached", 503, "rateLimited", "rateLimitServiceError"],
  ["destination_unavailable", 503, "upstreamRetryLimitExceeded"],
  ["http_response_timeout", 504, "streamIdleTimeout", "upstreamMaxStreamDurationReached"],
  ["proxy_configuration_error", 500, "noFilterConfigFound"],
  ["http_protocol_error", 502, "upstreamProtocolError"],
  ["destination_unavailable", 503, "noClusterFound"],
  ["connection_limit_reached", 503, "overloadManager"],
];

interface ProxyError {
  readonly error: string;
  readonly status: number;
  readonly flags: number;
}

const compiled: readonly ProxyError[] = errors.map(([error, status, ...flags]) => ({
  error,
  status,
  flags: flags.reduce((bits, flag) => bits | ResponseFlag[flag], 0),
}));

const anyError: number = compiled.reduce((bits, { flags }) => bits | flags, 0);

export function compileProxyStatus(
  manager: HttpConnectionManagerJson,
  services: Pick<Services, "node">,
): SetProxyStatus | undefined {
  const config = manager.proxyStatusConfig;
  if (config === undefined) return undefined;
  const name = proxyName(manager, services);
  const recommends = config.setRecommendedResponseCode === true;
  return (head, info) => {
    const { responseFlags } = info;
    if ((responseFlags & anyError) === 0) return;
    const found = compiled.find(({ flags }) => (responseFlags & flags) !== 0);
    if (found === undefined) return;
    let value = `${name}; error=${found.error}`;
    if (config.removeDetails !== true && info.responseCodeDetails !== "") {
      const details = [info.responseCodeDetails];
      if (config.removeConnectionTerminationDetails !== true && info.connectionTerminationDetails)
        details.push(info.connectionTerminationDetails);
      if (config.removeResponseFlags !== true)
        details.push(flagsText(responseFlags, info.firstFlag));
      value += `; details="${details.join("; ")}"`;
    }
    const before = head.headers.get("proxy-status");
    head.headers.set("proxy-status", before === undefined ? value : `${before}; ${value}`);
    if (recommends) head.status = found.status;
  };
}

function proxyName(manager: HttpConnectionManagerJson, { node }: Pick<Services, "node">): string {
  const { useNodeId, literalProxyName } = manager.proxyStatusConfig ?? {};
  if (useNodeId === true) return node.id;
  const candidates = [literalProxyName, manager.serverName];
  return candidates.find((name) => name !== undefined && name !== "") ?? "envoy";
}
