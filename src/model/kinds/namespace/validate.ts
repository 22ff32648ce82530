import type { Validated } from "../kind.ts";
import { labelProblem } from "../names.ts";
import type { Report } from "../report.ts";
import type { NamespaceSpec } from "./type.ts";

export function validate({ metadata }: Validated<NamespaceSpec>, report: Report): void {
  if (metadata.name !== "") report.at("metadata", "name").check(labelProblem(metadata.name));
}
