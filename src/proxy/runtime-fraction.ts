import type { RuntimeFractionalPercentJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { FractionalPercentJson } from "#gen/envoy/type/v3/percent_pb.js";
import type { Runtime } from "./runtime.ts";

const denominators: Readonly<Record<string, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

/** Whether a draw in [0, 1) falls into the share that the configuration, or the runtime in its stead, gives. */
export type Fraction = (draw: number) => boolean;

/** `envoy.config.core.v3.RuntimeFractionalPercent`. */
export function compileRuntimeFraction(
  { defaultValue, runtimeKey }: RuntimeFractionalPercentJson,
  runtime: Runtime,
): Fraction {
  const { numerator, denominator } = fractionOf(defaultValue);
  const key = runtimeKey === "" ? undefined : runtimeKey;
  return (draw) => runtime.featureEnabled(key, numerator, denominator, draw);
}

/** `envoy.type.v3.FractionalPercent` as a quotient; absent: 0. */
export function fractionOf(config: FractionalPercentJson | undefined): {
  readonly numerator: number;
  readonly denominator: number;
} {
  return {
    numerator: config?.numerator ?? 0,
    denominator: denominators[String(config?.denominator ?? "HUNDRED")] ?? 100,
  };
}
