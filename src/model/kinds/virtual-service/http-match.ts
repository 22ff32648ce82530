import type {
  HTTPMatchRequestJson,
  StringMatchJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { headerNameProblem, patternProblem, portProblem } from "../checks.ts";
import { isLabel } from "../hosts.ts";
import { checkLabels } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkGatewayNames } from "./gateways.ts";

export interface MatchContext {
  /** A root's or a delegate's, which are merged field by field: patterns cannot be. */
  readonly merged: boolean;
  readonly throughGateway: boolean;
}

export function checkHttpMatch(
  match: HTTPMatchRequestJson,
  report: Report,
  context: MatchContext,
): void {
  checkPattern(match.uri, report.at("uri"), context);
  for (const field of ["scheme", "method", "authority"] as const) {
    checkStringMatch(match[field], report.at(field), context);
  }
  for (const field of ["headers", "withoutHeaders"] as const) {
    for (const [name, value] of Object.entries(match[field] ?? {})) {
      const here = report.at(field, name);
      checkMatchedHeader(name, here, context);
      // Not RE2: Istio's own word for a header that is there.
      if (value.regex === "*")
        here.at("regex").warning('"*" means that the header is there; write {}');
      else checkStringMatch(value, here, context);
      if (field === "headers") warnOfPseudoHeader(name, here);
    }
  }
  for (const [name, value] of Object.entries(match.queryParams ?? {})) {
    checkStringMatch(value, report.at("queryParams", name), context);
  }
  if (match.ignoreUriCase === true && match.uri?.regex !== undefined) {
    report.at("ignoreUriCase").warning("has no effect on a regex; write (?i) in it");
  }
  if (match.port) report.at("port").check(portProblem(match.port));
  checkLabels(match.sourceLabels, report.at("sourceLabels"));
  checkGatewayNames(match.gateways, report.at("gateways"));
  const { sourceNamespace = "" } = match;
  if (sourceNamespace !== "" && !isLabel(sourceNamespace)) {
    report.at("sourceNamespace").problem(`"${sourceNamespace}" is not a namespace`);
  }
}

/** `@request.auth.claims.group`, `@request.auth.claims[group]`: not a header, a claim of the caller's token. */
const claim = /^@request\.auth\.claims(?:\.[^[\]]+|(?:\[[^[\]]+\])+)$/i;

function checkMatchedHeader(name: string, report: Report, { throughGateway }: MatchContext): void {
  if (!claim.test(name)) {
    report.check(headerNameProblem(name));
  } else if (!throughGateway) {
    report.problem("claims of a token are matched in gateways only: name gateways");
  }
}

function warnOfPseudoHeader(name: string, report: Report): void {
  if (/^(?:uri|scheme|method|authority)$/i.test(name)) {
    report.warning(`is ignored; match.${name.toLowerCase()} matches it`);
  } else if (name !== name.toLowerCase() && !name.startsWith("@")) {
    report.warning("headers are matched in lower case");
  }
}

export function checkStringMatch(
  match: StringMatchJson | undefined,
  report: Report,
  context: Pick<MatchContext, "merged">,
): void {
  // Of a path an empty prefix is every path; of others Envoy has no such match.
  if (match?.prefix === "") report.at("prefix").problem("must not be empty");
  checkPattern(match, report, context);
}

function checkPattern(
  match: StringMatchJson | undefined,
  report: Report,
  { merged }: Pick<MatchContext, "merged">,
): void {
  if (match?.regex === undefined) return;
  const here = report.at("regex");
  here.check(patternProblem(match.regex));
  if (merged) {
    here.warning("of a delegate and its root only one may match this field when one is a regex");
  }
}
