import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate(_object: Validated<unknown>, _report: Report): void {}
