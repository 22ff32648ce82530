import type { ProxyConfigJson } from "#gen/istio/networking/v1beta1/proxy_config_pb.js";
import type { Validated } from "../kind.ts";
import { checkSelector } from "../policy.ts";
import type { Report } from "../report.ts";

const valueLengthMax = 2048;

export function validate({ spec }: Validated<ProxyConfigJson>, report: Report): void {
  const here = report.at("spec");
  const { concurrency = 0, environmentVariables = {} } = spec;
  checkSelector(spec.selector, here.at("selector"));
  if (concurrency < 0) here.at("concurrency").problem(`${concurrency} is negative`);
  for (const [name, value] of Object.entries(environmentVariables)) {
    const entry = here.at("environmentVariables", name);
    if (name === "" || /[=\u0000]/.test(name)) entry.problem(`"${name}" is no variable's name`);
    if (value.length > valueLengthMax) entry.problem(`is longer than ${valueLengthMax} characters`);
  }
}
