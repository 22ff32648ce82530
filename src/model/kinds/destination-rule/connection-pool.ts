import type {
  ConnectionPoolSettings_HTTPSettingsJson,
  ConnectionPoolSettings_TCPSettings_TcpKeepaliveJson,
  ConnectionPoolSettings_TCPSettingsJson,
  ConnectionPoolSettingsJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import { durationProblem } from "../checks.ts";
import type { Report } from "../report.ts";

export function checkConnectionPool(
  pool: ConnectionPoolSettingsJson | undefined,
  report: Report,
): void {
  if (pool === undefined) return;
  const { tcp, http } = pool;
  if (tcp === undefined && http === undefined) report.problem("one of tcp and http is required");
  if (tcp !== undefined) checkTcp(tcp, report.at("tcp"));
  if (http !== undefined) checkHttp(http, report.at("http"));
}

function checkTcp(tcp: ConnectionPoolSettings_TCPSettingsJson, report: Report): void {
  checkCount(tcp.maxConnections, report.at("maxConnections"));
  for (const field of ["connectTimeout", "maxConnectionDuration", "idleTimeout"] as const) {
    report.at(field).check(durationProblem(tcp[field]));
  }
  checkKeepalive(tcp.tcpKeepalive, report.at("tcpKeepalive"));
}

export function checkKeepalive(
  keepalive: ConnectionPoolSettings_TCPSettings_TcpKeepaliveJson | undefined,
  report: Report,
): void {
  report.at("time").check(durationProblem(keepalive?.time));
  report.at("interval").check(durationProblem(keepalive?.interval));
}

function checkHttp(http: ConnectionPoolSettings_HTTPSettingsJson, report: Report): void {
  const counts = [
    "http1MaxPendingRequests",
    "http2MaxRequests",
    "maxRequestsPerConnection",
    "maxRetries",
    "maxConcurrentStreams",
  ] as const;
  for (const field of counts) checkCount(http[field], report.at(field));
  report.at("idleTimeout").check(durationProblem(http.idleTimeout));
  report.at("http2KeepAlive", "interval").check(durationProblem(http.http2KeepAlive?.interval));
  report.at("http2KeepAlive", "timeout").check(durationProblem(http.http2KeepAlive?.timeout));
  if (http.useClientProtocol === true && http.h2UpgradePolicy === "UPGRADE") {
    report.at("useClientProtocol").problem("cannot be given together with h2UpgradePolicy UPGRADE");
  }
}

function checkCount(count: number | undefined, report: Report): void {
  if (count !== undefined && count < 0) report.problem(`${count} is negative`);
}
