import type {
  HTTPFaultInjection_AbortJson,
  HTTPFaultInjection_DelayJson,
  HTTPFaultInjectionJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { type Double, durationProblem, percentProblem, statusProblem } from "../checks.ts";
import type { Report } from "../report.ts";

const grpcStatuses: ReadonlySet<string> = new Set([
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
]);

export function checkFault(fault: HTTPFaultInjectionJson | undefined, report: Report): void {
  if (fault === undefined) return;
  const { abort, delay } = fault;
  if (abort === undefined && delay === undefined) {
    report.problem("one of abort and delay is required");
  }
  if (abort !== undefined) checkAbort(abort, report.at("abort"));
  if (delay !== undefined) checkDelay(delay, report.at("delay"));
}

function checkAbort(abort: HTTPFaultInjection_AbortJson, report: Report): void {
  checkShare(abort.percentage?.value, report);
  if (abort.grpcStatus !== undefined) {
    if (!grpcStatuses.has(abort.grpcStatus)) {
      const text = `"${abort.grpcStatus}" is no status of gRPC, such as UNAVAILABLE`;
      report.at("grpcStatus").problem(text);
    }
  } else if (abort.http2Error !== undefined) {
    report.at("http2Error").problem("is not supported; use httpStatus or grpcStatus");
  } else if (abort.httpStatus !== undefined) {
    report.at("httpStatus").check(statusProblem(abort.httpStatus));
  } else {
    report.warning("says no error: give httpStatus or grpcStatus");
  }
}

function checkDelay(delay: HTTPFaultInjection_DelayJson, report: Report): void {
  checkShare(delay.percentage?.value, report, delay.percent);
  if (delay.percent !== undefined) {
    report.at("percent").warning("is deprecated; use percentage");
    report.at("percent").check(percentProblem(delay.percent));
  }
  if (delay.exponentialDelay !== undefined) {
    report.at("exponentialDelay").problem("is not supported; use fixedDelay");
  } else if (delay.fixedDelay === undefined) {
    report.at("fixedDelay").problem("is required");
  }
  report.at("fixedDelay").check(durationProblem(delay.fixedDelay));
}

/** Envoy counts in millionths. */
function checkShare(value: Double | undefined, report: Report, percent = 0): void {
  const here = report.at("percentage", "value");
  here.check(percentProblem(value));
  if (typeof value === "number" && value > 0 && value < 0.0001) {
    here.problem(`${value} is less than 0.0001, the least share`);
  }
  if ((value ?? percent) === 0) {
    report.at("percentage").warning("is 0: no call is affected");
  }
}
