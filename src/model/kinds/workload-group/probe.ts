import type {
  HTTPHealthCheckConfigJson,
  ReadinessProbeJson,
} from "#gen/istio/networking/v1alpha3/workload_group_pb.js";
import { headerNameProblem, portProblem } from "../checks.ts";
import type { Report } from "../report.ts";

export function checkProbe(probe: ReadinessProbeJson, report: Report): void {
  const numbers = [
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
  ] as const;
  for (const field of numbers) {
    const value = probe[field] ?? 0;
    if (value < 0) report.at(field).problem(`${value} is negative`);
  }
  const { httpGet, tcpSocket, exec, grpc } = probe;
  if (httpGet !== undefined) checkHttpGet(httpGet, report.at("httpGet"));
  else if (tcpSocket !== undefined) {
    report.at("tcpSocket", "port").check(portProblem(tcpSocket.port));
  } else if (exec !== undefined) {
    const { command = [] } = exec;
    if (command.length === 0) report.at("exec", "command").problem("is required");
    if (command.includes("")) report.at("exec", "command").problem("has an empty word");
  } else if (grpc !== undefined) {
    report.at("grpc", "port").check(portProblem(grpc.port));
  } else {
    report.problem("one of httpGet, tcpSocket, exec and grpc is required");
  }
}

function checkHttpGet(get: HTTPHealthCheckConfigJson, report: Report): void {
  const { scheme = "", path = "" } = get;
  report.at("port").check(portProblem(get.port));
  if (scheme !== "" && scheme !== "HTTP" && scheme !== "HTTPS") {
    report.at("scheme").problem(`"${scheme}" is neither HTTP nor HTTPS`);
  }
  if (path !== "" && !path.startsWith("/")) report.at("path").warning("does not begin with /");
  for (const [index, { name = "" }] of (get.httpHeaders ?? []).entries()) {
    report.at("httpHeaders", index, "name").check(headerNameProblem(name));
  }
}
