import type {
  HTTPRouteDestinationJson,
  HTTPRouteJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { durationProblem, percentProblem } from "../checks.ts";
import { isLabel } from "../hosts.ts";
import { nameProblem } from "../names.ts";
import type { Report } from "../report.ts";
import { checkCors, checkDirectResponse, checkRedirect, checkRewrite } from "./actions.ts";
import { checkDestination, checkWeights } from "./destination.ts";
import { checkFault } from "./fault.ts";
import { checkHeaders, isAuthority } from "./headers.ts";
import { checkHttpMatch } from "./http-match.ts";
import { checkRetries } from "./retries.ts";

export interface HttpContext {
  readonly delegate: boolean;
  readonly throughGateway: boolean;
}

export function checkHttpRoute(
  route: HTTPRouteJson,
  report: Report,
  { delegate, throughGateway }: HttpContext,
): void {
  checkAction(route, report, delegate);
  const merged = delegate || route.delegate !== undefined;
  for (const [index, match] of (route.match ?? []).entries()) {
    checkHttpMatch(match, report.at("match", index), { merged, throughGateway });
  }
  checkHeaders(route.headers, report.at("headers"));
  checkAuthority(route, report);
  checkCors(route.corsPolicy, report.at("corsPolicy"));
  checkFault(route.fault, report.at("fault"));
  checkMirrors(route, report);
  checkRedirect(route.redirect, report.at("redirect"));
  checkDirectResponse(route.directResponse, report.at("directResponse"));
  checkRetries(route.retries, report.at("retries"));
  checkRewrite(route.rewrite, report.at("rewrite"));
  checkDestinations(route.route ?? [], report.at("route"));
  report.at("timeout").check(durationProblem(route.timeout));
}

/** A route does one thing. */
function checkAction(route: HTTPRouteJson, report: Report, delegate: boolean): void {
  if (route.delegate !== undefined) {
    checkDelegate(route, report, delegate);
    return;
  }
  const { redirect, directResponse } = route;
  const routed = (route.route ?? []).length > 0;
  const action = redirect ? "redirect" : directResponse ? "directResponse" : undefined;
  if (action === undefined) {
    if (!routed) report.problem("one of route, redirect, directResponse and delegate is required");
    return;
  }
  const beside = [
    routed && "route",
    redirect && directResponse && "directResponse",
    route.fault && "fault",
    route.rewrite && "rewrite",
  ].filter((name) => typeof name === "string");
  for (const name of beside) report.at(name).problem(`cannot be given together with ${action}`);
}

function checkDelegate(route: HTTPRouteJson, report: Report, delegate: boolean): void {
  const here = report.at("delegate");
  if (delegate) here.problem("a delegate cannot have a delegate");
  for (const name of ["route", "redirect"] as const) {
    if (route[name] !== undefined) {
      report.at(name).problem("cannot be given together with delegate");
    }
  }
  const { name = "", namespace = "" } = route.delegate ?? {};
  here.at("name").check(name === "" ? "is required" : nameProblem(name));
  if (namespace !== "" && !isLabel(namespace)) {
    here.at("namespace").problem(`"${namespace}" is not a namespace`);
  }
}

/** The authority can be changed in one place only. */
function checkAuthority(route: HTTPRouteJson, report: Report): void {
  const places: string[] = [];
  if (route.rewrite?.authority) places.push("rewrite.authority");
  for (const operation of ["set", "add"] as const) {
    for (const name of Object.keys(route.headers?.request?.[operation] ?? {})) {
      if (!isAuthority(name)) continue;
      if (places[0] !== undefined) {
        const here = report.at("headers", "request", operation, name);
        here.problem(`the authority is changed by ${places[0]} already`);
      }
      places.push(`headers.request.${operation}`);
    }
  }
}

function checkDestinations(list: readonly HTTPRouteDestinationJson[], report: Report): void {
  for (const [index, { destination, headers }] of list.entries()) {
    checkDestination(destination, report.at(index, "destination"));
    checkHeaders(headers, report.at(index, "headers"));
  }
  checkWeights(list, report);
}

function checkMirrors(route: HTTPRouteJson, report: Report): void {
  const { mirror, mirrors = [], mirrorPercent, mirrorPercentage } = route;
  if (mirror !== undefined) checkDestination(mirror, report.at("mirror"));
  if (mirror !== undefined && mirrors.length > 0) {
    report.at("mirrors").problem("cannot be given together with mirror");
  }
  for (const [index, { destination, percentage }] of mirrors.entries()) {
    const here = report.at("mirrors", index);
    checkDestination(destination, here.at("destination"));
    here.at("percentage", "value").check(percentProblem(percentage?.value));
  }
  if (mirrorPercent !== undefined) {
    const here = report.at("mirrorPercent");
    here.warning("is deprecated; use mirrorPercentage");
    here.check(percentProblem(mirrorPercent));
  }
  report.at("mirrorPercentage", "value").check(percentProblem(mirrorPercentage?.value));
}
