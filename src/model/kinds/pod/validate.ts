import type { Validated } from "../kind.ts";
import { labelProblem } from "../names.ts";
import type { Report } from "../report.ts";
import type { PodSpec } from "./type.ts";

export function validate({ spec }: Validated<PodSpec>, report: Report): void {
  for (const [index, { name = "" }] of (spec.containers ?? []).entries()) {
    const here = report.at("spec", "containers", index, "name");
    here.check(name === "" ? "is required" : labelProblem(name));
  }
}
