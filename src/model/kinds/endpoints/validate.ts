import { addressProblem } from "../hosts.ts";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";
import type { EndpointsBody } from "./type.ts";

export function validate({ spec }: Validated<EndpointsBody>, report: Report): void {
  for (const [index, subset] of (spec.subsets ?? []).entries()) {
    for (const field of ["addresses", "notReadyAddresses"] as const) {
      for (const [place, { ip = "" }] of (subset[field] ?? []).entries()) {
        const here = report.at("subsets", index, field, place, "ip");
        here.check(ip === "" ? "is required" : addressProblem(ip));
      }
    }
  }
}
