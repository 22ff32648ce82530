import type { FractionalPercentJson } from "#gen/envoy/type/v3/percent_pb.js";
import type { PercentJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";

/** In millionths, as Istio counts them. */
export function fractionalPercent({ value }: PercentJson): FractionalPercentJson {
  return {
    ...numerator(Math.trunc((typeof value === "number" ? value : 0) * 10_000)),
    denominator: "MILLION",
  };
}

/** In hundredths: Envoy's default denominator. */
export function wholePercent(percent: number): FractionalPercentJson {
  return numerator(percent);
}

function numerator(value: number): FractionalPercentJson {
  return value === 0 ? {} : { numerator: value };
}
