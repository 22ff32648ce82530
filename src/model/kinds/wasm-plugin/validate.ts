import type { WasmPluginJson } from "#gen/istio/extensions/v1alpha1/wasm_pb.js";
import type { Validated } from "../kind.ts";
import { checkTargets } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkTraffic, checkWasm } from "../wasm.ts";

export function validate({ spec }: Validated<WasmPluginJson>, report: Report): void {
  const here = report.at("spec");
  checkTargets(spec, here);
  checkWasm(spec, here);
  checkTraffic(spec.match, here.at("match"));
}
