import type { WasmPluginJson } from "#gen/istio/extensions/v1alpha1/wasm_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<WasmPluginJson>, _report: Report): void {}
