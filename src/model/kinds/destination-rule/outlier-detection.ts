import type { OutlierDetectionJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import { durationProblem, percentProblem } from "../checks.ts";
import type { Report } from "../report.ts";

export function checkOutlierDetection(
  outlier: OutlierDetectionJson | undefined,
  report: Report,
): void {
  if (outlier === undefined) return;
  if (outlier.consecutiveErrors) {
    report
      .at("consecutiveErrors")
      .warning("is deprecated; use consecutive5xxErrors or consecutiveGatewayErrors");
  }
  const { consecutiveLocalOriginFailures: local = 0 } = outlier;
  if (local > 0 && outlier.splitExternalLocalOriginErrors !== true) {
    report
      .at("consecutiveLocalOriginFailures")
      .problem("needs splitExternalLocalOriginErrors: true");
  }
  report.at("interval").check(durationProblem(outlier.interval));
  report.at("baseEjectionTime").check(durationProblem(outlier.baseEjectionTime));
  report.at("maxEjectionPercent").check(percentProblem(outlier.maxEjectionPercent));
  report.at("minHealthPercent").check(percentProblem(outlier.minHealthPercent));
  for (const [index, status] of (outlier.outlierDetectionHttpErrorCodes ?? []).entries()) {
    if (status < 100 || status > 599) {
      const here = report.at("outlierDetectionHttpErrorCodes", index);
      here.problem(`${status} is not a status between 100 and 599`);
    }
  }
}
