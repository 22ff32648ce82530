import type { HeadersJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { Report } from "../report.ts";

export function isAuthority(name: string): boolean {
  return /^(?::authority|host)$/i.test(name);
}

/** What is set, added and removed of a request's and a response's headers. */
export function checkHeaders(headers: HeadersJson | undefined, report: Report): void {
  for (const side of ["request", "response"] as const) {
    for (const operation of ["set", "add"] as const) {
      for (const [name, value] of Object.entries(headers?.[side]?.[operation] ?? {})) {
        const here = report.at(side, operation, name);
        // Setting the authority is a rewrite.
        if (side === "response" || !isAuthority(name)) here.check(nameProblem(name));
        here.check(valueProblem(value));
      }
    }
    for (const [index, name] of (headers?.[side]?.remove ?? []).entries()) {
      report.at(side, "remove", index).check(nameProblem(name));
    }
  }
}

function nameProblem(name: string): string | undefined {
  if (name === "") return "a header's name must not be empty";
  if (name.startsWith(":"))
    return `"${name}" is not a header: the proxy does not let it be changed`;
  if (/^host$/i.test(name)) return `"${name}" cannot be changed here`;
  return /[\u0000-\u0020\u007f()<>@,;:\\"/[\]?={}]/.test(name)
    ? `"${name}" is not a header's name`
    : undefined;
}

/** Values are Envoy's formats: `%START_TIME%`, `%REQ(x)%`, `100%%`. */
function valueProblem(value: string): string | undefined {
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value))
    return "has characters that no header can have";
  const rest = value
    .replace(/%%/g, "")
    .replace(/%[A-Z][A-Z0-9_]*(?:\((?:[^()]|\([^()]*\))*\))?(?::\d+)?%/g, "");
  return rest.includes("%")
    ? "has a % that begins no operator such as %START_TIME%; a percent sign is %%"
    : undefined;
}
