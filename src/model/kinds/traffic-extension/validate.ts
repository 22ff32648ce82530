import type { TrafficExtensionJson } from "#gen/istio/extensions/v1alpha1/traffic_extension_pb.js";
import type { Validated } from "../kind.ts";
import { checkTargets } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkTraffic, checkWasm } from "../wasm.ts";

const codeBytesMax = 65_536;

export function validate({ spec }: Validated<TrafficExtensionJson>, report: Report): void {
  const here = report.at("spec");
  const { wasm, lua } = spec;
  checkTargets(spec, here);
  checkTraffic(spec.match, here.at("match"));
  if (wasm !== undefined) checkWasm(wasm, here.at("wasm"));
  else if (lua !== undefined) checkCode(lua.inlineCode ?? "", here.at("lua", "inlineCode"));
  else here.problem("one of wasm and lua is required");
}

function checkCode(code: string, report: Report): void {
  if (code === "") report.problem("is required");
  else if (Buffer.byteLength(code) > codeBytesMax) report.problem("is longer than 64 KiB");
}
