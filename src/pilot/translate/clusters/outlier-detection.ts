import type { OutlierDetectionJson as EnvoyOutlierDetectionJson } from "#gen/envoy/config/cluster/v3/outlier_detection_pb.js";
import type { OutlierDetectionJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { ClusterDraft } from "./draft.ts";

/** Ejection of bad endpoints: Envoy's defaults where the rule says nothing, never by success rate. */
export function applyOutlierDetection(
  draft: ClusterDraft,
  settings: OutlierDetectionJson | undefined,
): void {
  if (settings === undefined) return;
  draft.cluster.outlierDetection = translated(settings);
  const codes = settings.outlierDetectionHttpErrorCodes ?? [];
  if (codes.length > 0) countOnly(draft, codes);
}

function translated(settings: OutlierDetectionJson): EnvoyOutlierDetectionJson {
  const { interval, baseEjectionTime, maxEjectionPercent = 0 } = settings;
  // `consecutiveErrors` is what the field was called when only gateway errors were counted.
  const gatewayErrors =
    settings.consecutiveGatewayErrors ??
    ((settings.consecutiveErrors ?? 0) > 0 ? settings.consecutiveErrors : undefined);
  const serverErrors = settings.consecutive5xxErrors;
  return {
    enforcingSuccessRate: 0,
    ...(serverErrors === undefined
      ? {}
      : { consecutive5xx: serverErrors, enforcingConsecutive5xx: serverErrors > 0 ? 100 : 0 }),
    ...(gatewayErrors === undefined
      ? {}
      : {
          consecutiveGatewayFailure: gatewayErrors,
          enforcingConsecutiveGatewayFailure: gatewayErrors > 0 ? 100 : 0,
        }),
    ...(interval === undefined ? {} : { interval }),
    ...(baseEjectionTime === undefined ? {} : { baseEjectionTime }),
    ...(maxEjectionPercent > 0 ? { maxEjectionPercent } : {}),
    ...(settings.splitExternalLocalOriginErrors === true ? localOrigin(settings) : {}),
  };
}

function localOrigin({
  consecutiveLocalOriginFailures: failures,
}: OutlierDetectionJson): EnvoyOutlierDetectionJson {
  return {
    splitExternalLocalOriginErrors: true,
    ...((failures ?? 0) > 0
      ? {
          consecutiveLocalOriginFailure: failures ?? 0,
          enforcingConsecutiveLocalOriginFailure: 100,
        }
      : {}),
    enforcingLocalOriginSuccessRate: 0,
  };
}

/** Which answers are errors, instead of all 5xx. */
function countOnly(draft: ClusterDraft, codes: readonly number[]): void {
  const rules = codes.map((code) => ({
    httpResponseHeadersMatch: {
      headers: [{ name: ":status", stringMatch: { exact: String(code) } }],
    },
  }));
  const [only] = rules;
  const errorMatcher = rules.length === 1 && only !== undefined ? only : { orMatch: { rules } };
  draft.http = { ...draft.http, outlierDetection: { errorMatcher } };
}
