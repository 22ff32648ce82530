import { fqdnProblem, isLabel } from "../hosts.ts";
import type { Report } from "../report.ts";

/** `namespace/name`, `name`, or `mesh`. */
export function checkGatewayNames(names: readonly string[] | undefined, report: Report): void {
  for (const [index, name] of (names ?? []).entries()) {
    const here = report.at(index);
    const slash = name.indexOf("/");
    if (slash < 0) {
      const [gateway, namespace] = name.split(".");
      if (namespace) here.warning(`is the old form of a name; write "${namespace}/${gateway}"`);
      here.check(fqdnProblem(name));
      continue;
    }
    const parts = [name.slice(0, slash), name.slice(slash + 1)];
    if (!parts.every(isLabel)) here.problem(`"${name}" is not namespace/name of a Gateway`);
  }
}
