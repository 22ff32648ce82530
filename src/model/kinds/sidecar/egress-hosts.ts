import { isLabel, partialWildcardProblem, wildcardHostProblem } from "../hosts.ts";
import type { Report } from "../report.ts";

/** `namespace/host`, of which the namespace may be `*`, `.` or `~`, and `~namespace` leaves out. */
export function checkEgressHosts(
  hosts: readonly string[],
  report: Report,
  namespace: string,
): void {
  if (hosts.length === 0) report.problem("is required");
  const seen = new Map<string, Set<string>>();
  for (const [index, text] of hosts.entries()) {
    const here = report.at(index);
    const slash = text.indexOf("/");
    if (slash < 0) {
      here.problem(`"${text}" is not namespace/host; for every namespace, write "*/${text}"`);
      continue;
    }
    const [space, host] = [text.slice(0, slash), text.slice(slash + 1)];
    checkNamespace(text, space, here);
    checkHost(text, host, here);
    const key = space === "." ? namespace : space;
    const known = seen.get(key) ?? new Set();
    if (known.has(host) || known.has("*") || (host === "*" && known.size > 0)) {
      here.warning(`"${text}" overlaps with one before it`);
    }
    seen.set(key, known.add(host));
  }
  const excludes = hosts.some((text) => /^~[^/]/.test(text));
  if (seen.get("*")?.has("*") === true && seen.size > 1 && !excludes) {
    report.warning('"*/*" is everything: the other hosts add nothing');
  }
}

function checkNamespace(text: string, namespace: string, report: Report): void {
  if (namespace === "*" || namespace === "." || namespace === "~") return;
  const name = namespace.startsWith("~") ? namespace.slice(1) : namespace;
  if (!isLabel(name)) {
    report.problem(`"${text}": "${namespace}" is none of "*", ".", "~" and a namespace`);
  }
}

function checkHost(text: string, host: string, report: Report): void {
  if (host !== "*" && host !== "" && !host.includes(".")) {
    report.problem(`"${text}": a host is a whole name, such as "reviews.shop.svc.cluster.local"`);
  } else {
    report.check(wildcardHostProblem(host) ?? partialWildcardProblem(host));
  }
}
