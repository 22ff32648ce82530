import type {
  TrafficPolicy_PortTrafficPolicyJson,
  TrafficPolicy_RetryBudgetJson,
  TrafficPolicy_TunnelSettingsJson,
  TrafficPolicyJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import { durationProblem, percentProblem, portProblem } from "../checks.ts";
import { fqdnProblem, isAddress } from "../hosts.ts";
import type { Report } from "../report.ts";
import { checkClientTls } from "./client-tls.ts";
import { checkConnectionPool } from "./connection-pool.ts";
import { checkLoadBalancer } from "./load-balancer.ts";
import { checkOutlierDetection } from "./outlier-detection.ts";

export function checkTrafficPolicy(policy: TrafficPolicyJson | undefined, report: Report): void {
  if (policy === undefined) return;
  if (Object.keys(policy).length === 0) report.problem("is empty: give at least one field");
  if (policy.tunnel !== undefined && policy.proxyProtocol !== undefined) {
    report.at("proxyProtocol").problem("cannot be given together with tunnel");
  }
  checkBlocks(policy, report);
  checkPorts(policy.portLevelSettings ?? [], report.at("portLevelSettings"));
  if (policy.tunnel !== undefined) checkTunnel(policy.tunnel, report.at("tunnel"));
  if (policy.retryBudget !== undefined) {
    checkRetryBudget(policy.retryBudget, report.at("retryBudget"));
  }
}

/** What a policy and its ports have in common. */
function checkBlocks(
  policy: TrafficPolicyJson | TrafficPolicy_PortTrafficPolicyJson,
  report: Report,
): void {
  const { outlierDetection } = policy;
  checkOutlierDetection(outlierDetection, report.at("outlierDetection"));
  checkConnectionPool(policy.connectionPool, report.at("connectionPool"));
  checkLoadBalancer(policy.loadBalancer, report.at("loadBalancer"), {
    outlierDetection: outlierDetection !== undefined,
  });
  checkClientTls(policy.tls, report.at("tls"));
}

const portsMax = 4096;

function checkPorts(ports: readonly TrafficPolicy_PortTrafficPolicyJson[], report: Report): void {
  if (ports.length > portsMax) report.problem(`has more than ${portsMax} entries`);
  const seen = new Set<number>();
  for (const [index, entry] of ports.entries()) {
    const here = report.at(index);
    const { port, ...blocks } = entry;
    if (port === undefined) here.at("port").problem("is required");
    else here.at("port", "number").check(portProblem(port.number));
    if (port?.number !== undefined && seen.has(port.number)) {
      here.at("port", "number").warning(`${port.number} is there already; the first one counts`);
    }
    seen.add(port?.number ?? 0);
    if (Object.keys(blocks).length === 0) here.problem("says nothing of the port");
    checkBlocks(entry, here);
  }
}

function checkTunnel(tunnel: TrafficPolicy_TunnelSettingsJson, report: Report): void {
  const { protocol = "", targetHost = "", targetPort } = tunnel;
  if (protocol !== "" && protocol !== "CONNECT" && protocol !== "POST") {
    report.at("protocol").problem(`"${protocol}" is neither CONNECT nor POST`);
  }
  if (!isAddress(targetHost)) {
    report.at("targetHost").check(targetHost === "" ? "is required" : fqdnProblem(targetHost));
  }
  report.at("targetPort").check(portProblem(targetPort));
}

function checkRetryBudget(budget: TrafficPolicy_RetryBudgetJson, report: Report): void {
  report.at("percent").check(percentProblem(budget.percent));
  report.at("budgetInterval").check(durationProblem(budget.budgetInterval));
}
