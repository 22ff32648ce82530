import type {
  CorsPolicyJson,
  HTTPDirectResponseJson,
  HTTPRedirectJson,
  HTTPRewriteJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import {
  durationProblem,
  headerNameProblem,
  nanosOf,
  patternProblem,
  portProblem,
  statusProblem,
} from "../checks.ts";
import type { Report } from "../report.ts";
import { checkStringMatch } from "./http-match.ts";

const methods: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "CONNECT",
  "OPTIONS",
  "TRACE",
]);

export function checkCors(cors: CorsPolicyJson | undefined, report: Report): void {
  if (cors === undefined) return;
  if ((cors.allowOrigin ?? []).length > 0) {
    report.at("allowOrigin").warning("is deprecated; use allowOrigins");
  }
  for (const [index, origin] of (cors.allowOrigins ?? []).entries()) {
    const here = report.at("allowOrigins", index);
    if (!(origin.exact || origin.prefix || origin.regex)) {
      here.problem("one of exact, prefix and regex is required");
    } else {
      checkStringMatch(origin, here, { merged: false });
    }
  }
  for (const [index, method] of (cors.allowMethods ?? []).entries()) {
    if (!methods.has(method)) {
      report.at("allowMethods", index).problem(`"${method}" is none of ${[...methods].join(", ")}`);
    }
  }
  for (const field of ["allowHeaders", "exposeHeaders"] as const) {
    for (const [index, name] of (cors[field] ?? []).entries()) {
      if (name !== "*") report.at(field, index).check(headerNameProblem(name));
    }
  }
  const { maxAge } = cors;
  if (maxAge === undefined) return;
  const fraction = nanosOf(maxAge) % 1_000_000_000n !== 0n;
  report.at("maxAge").check(fraction ? `${maxAge} must be whole seconds` : durationProblem(maxAge));
}

export function checkRedirect(redirect: HTTPRedirectJson | undefined, report: Report): void {
  if (redirect === undefined) return;
  const { uri, prefixRewrite, authority, scheme, redirectCode, port, derivePort } = redirect;
  if (!(uri || prefixRewrite || authority || scheme) && port === undefined && !derivePort) {
    report.problem("changes nothing: give uri, prefixRewrite, authority, scheme or port");
  }
  if (uri && prefixRewrite) {
    report.at("prefixRewrite").problem("cannot be given together with uri");
  }
  if (redirectCode && ![301, 302, 303, 307, 308].includes(redirectCode)) {
    if (redirectCode < 300 || redirectCode > 399) {
      report.at("redirectCode").problem(`${redirectCode} is not a status between 300 and 399`);
    } else {
      report.at("redirectCode").warning(`${redirectCode} is none of 301, 302, 303, 307 and 308`);
    }
  }
  if (scheme && scheme !== "http" && scheme !== "https") {
    report.at("scheme").problem(`"${scheme}" is neither http nor https`);
  }
  if (port !== undefined) report.at("port").check(portProblem(port));
}

const bodyWarnBytes = 100 * 1024;
const bodyBytesMax = 1024 * 1024;

export function checkDirectResponse(
  response: HTTPDirectResponseJson | undefined,
  report: Report,
): void {
  if (response === undefined) return;
  report.at("status").check(statusProblem(response.status));
  const { string, bytes } = response.body ?? {};
  const length =
    string === undefined
      ? Buffer.from(bytes ?? "", "base64").length
      : Buffer.byteLength(string, "utf8");
  if (length > bodyBytesMax) report.at("body").problem("is longer than 1 MiB");
  else if (length > bodyWarnBytes) {
    report.at("body").warning("is longer than 100 KiB, and sent to every proxy");
  }
}

export function checkRewrite(rewrite: HTTPRewriteJson | undefined, report: Report): void {
  if (rewrite === undefined) return;
  const { uri, authority, uriRegexRewrite } = rewrite;
  if (uri && uriRegexRewrite !== undefined) {
    report.at("uriRegexRewrite").problem("cannot be given together with uri");
  }
  if (!(uri || authority) && uriRegexRewrite === undefined) {
    report.problem("one of uri, uriRegexRewrite and authority is required");
  }
  if (uriRegexRewrite === undefined) return;
  const here = report.at("uriRegexRewrite");
  const { match = "", rewrite: replacement = "" } = uriRegexRewrite;
  if (replacement === "") here.at("rewrite").problem("is required");
  here.at("match").check(match === "" ? "is required" : patternProblem(match));
}
