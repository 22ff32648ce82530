import { hint } from "#config/nearest.ts";
import type { HTTPRetryJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { durationProblem, isKnownStatus } from "../checks.ts";
import type { Report } from "../report.ts";

/** Envoy's conditions, of HTTP and of gRPC. */
const conditions: readonly string[] = [
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "envoy-ratelimited",
  "retriable-4xx",
  "refused-stream",
  "retriable-status-codes",
  "retriable-headers",
  "http3-post-connect-failure",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
];

export function checkRetries(retries: HTTPRetryJson | undefined, report: Report): void {
  if (retries === undefined) return;
  const { attempts = 0, retryOn = "" } = retries;
  if (attempts < 0) report.at("attempts").problem(`${attempts} is negative`);
  if (attempts === 0) {
    const set = (["perTryTimeout", "retryOn", "retryRemoteLocalities", "backoff"] as const).find(
      (field) => retries[field] !== undefined && retries[field] !== "",
    );
    if (set !== undefined) {
      report.at("attempts").problem(`is 0, which turns retries off: ${set} has no meaning`);
    }
  }
  report.at("perTryTimeout").check(durationProblem(retries.perTryTimeout));
  report.at("backoff").check(durationProblem(retries.backoff));
  if (retryOn === "") return;
  for (const word of retryOn.split(",")) {
    if (!conditions.includes(word) && !isKnownStatus(word)) {
      const text = `"${word}" is no condition of Envoy's and no status code`;
      report.at("retryOn").problem(`${text}${hint(word, conditions)}`);
    }
  }
}
