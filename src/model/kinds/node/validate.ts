import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";
import type { NodeSpec } from "./type.ts";

/** Only its labels are read; those are checked with every object's. */
export function validate(_object: Validated<NodeSpec>, _report: Report): void {}
