/** What a route tells the HTTP filters on its way: faults and CORS. */

import type { RouteJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { CorsPolicyJson as CorsFilterPolicyJson } from "#gen/envoy/extensions/filters/http/cors/v3/cors_pb.js";
import type { HTTPFaultJson } from "#gen/envoy/extensions/filters/http/fault/v3/fault_pb.js";
import type {
  CorsPolicyJson,
  HTTPFaultInjectionJson,
  HTTPRouteJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { grpcStatusCode } from "./grpc-status.ts";
import { stringMatcher } from "./match.ts";
import { fractionalPercent, wholePercent } from "./percent.ts";

const faultType = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
const corsType = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy";

type FilterConfigs = Pick<RouteJson, "typedPerFilterConfig">;

export function filterConfigs({ fault, corsPolicy }: HTTPRouteJson): FilterConfigs {
  const faults = fault && httpFault(fault);
  if (!faults && !corsPolicy) return {};
  return {
    typedPerFilterConfig: {
      ...(faults && { "envoy.filters.http.fault": { "@type": faultType, ...faults } }),
      ...(corsPolicy && {
        "envoy.filters.http.cors": { "@type": corsType, ...corsFilterPolicy(corsPolicy) },
      }),
    },
  };
}

function httpFault({ delay, abort }: HTTPFaultInjectionJson): HTTPFaultJson | undefined {
  const faults: HTTPFaultJson = {
    ...delayFault(delay),
    ...abortFault(abort),
  };
  return faults.delay || faults.abort ? faults : undefined;
}

/** An exponential delay is ignored, as by Istio: its API has the field, and Envoy nothing for it. */
function delayFault(delay: HTTPFaultInjectionJson["delay"]): Pick<HTTPFaultJson, "delay"> {
  if (delay?.fixedDelay === undefined) return {};
  const percentage = delay.percentage
    ? fractionalPercent(delay.percentage)
    : wholePercent(delay.percent ?? 0);
  return { delay: { fixedDelay: delay.fixedDelay, percentage } };
}

/** An HTTP/2 error is ignored, as by Istio: Envoy's filter answers with an HTTP or a gRPC status only. */
function abortFault(abort: HTTPFaultInjectionJson["abort"]): Pick<HTTPFaultJson, "abort"> {
  const percentage = abort?.percentage && { percentage: fractionalPercent(abort.percentage) };
  if (abort?.httpStatus !== undefined) {
    return { abort: { httpStatus: abort.httpStatus, ...percentage } };
  }
  const grpcStatus = abort?.grpcStatus && grpcStatusCode(abort.grpcStatus);
  return typeof grpcStatus === "number" ? { abort: { grpcStatus, ...percentage } } : {};
}

function corsFilterPolicy(cors: CorsPolicyJson): CorsFilterPolicyJson {
  const origins =
    cors.allowOrigins?.map(stringMatcher) ?? cors.allowOrigin?.map((exact) => ({ exact })) ?? [];
  const list = (values: readonly string[] | undefined): string => (values ?? []).join(",");
  const fields = {
    allowMethods: list(cors.allowMethods),
    allowHeaders: list(cors.allowHeaders),
    exposeHeaders: list(cors.exposeHeaders),
    maxAge: cors.maxAge === undefined ? "" : wholeSeconds(cors.maxAge),
  };
  return {
    ...(origins.length > 0 && { allowOriginStringMatch: origins }),
    ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "")),
    ...(cors.allowCredentials !== undefined && { allowCredentials: cors.allowCredentials }),
    filterEnabled: { defaultValue: wholePercent(100) },
    forwardNotMatchingPreflights: cors.unmatchedPreflights !== "IGNORE",
  };
}

/** "86400.5s": "86400" */
function wholeSeconds(duration: string): string {
  return String(Math.trunc(Number.parseFloat(duration)));
}
