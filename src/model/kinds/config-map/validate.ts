import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";
import type { ConfigMapBody } from "./type.ts";

export function validate({ spec }: Validated<ConfigMapBody>, report: Report): void {
  for (const key of Object.keys(spec.data ?? {})) {
    const here = report.at("data", key);
    if (!/^[-._A-Za-z0-9]{1,253}$/.test(key)) here.problem(`"${key}" is not a key`);
    if (spec.binaryData?.[key] !== undefined) here.problem("is in binaryData too");
  }
}
