import type { TelemetryJson } from "#gen/istio/telemetry/v1alpha1/telemetry_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const telemetry: Kind<TelemetryJson> = {
  kind: "Telemetry",
  group: "telemetry.istio.io",
  versions: ["v1", "v1alpha1"],
  plural: "telemetries",
  shortNames: ["telemetry"],
  namespaced: true,
  body: { message: "istio.telemetry.v1alpha1.Telemetry" },
  validate,
};
