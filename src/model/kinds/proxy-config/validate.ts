import type { ProxyConfigJson } from "#gen/istio/networking/v1beta1/proxy_config_pb.js";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<ProxyConfigJson>, _report: Report): void {}
