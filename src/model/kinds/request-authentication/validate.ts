import type {
  JWTRuleJson,
  RequestAuthenticationJson,
} from "#gen/istio/security/v1beta1/request_authentication_pb.js";
import { durationProblem, headerNameProblem, isHttpUrl } from "../checks.ts";
import type { Validated } from "../kind.ts";
import { checkTargets } from "../policy.ts";
import type { Report } from "../report.ts";

export function validate({ spec }: Validated<RequestAuthenticationJson>, report: Report): void {
  const here = report.at("spec");
  checkTargets(spec, here);
  for (const [index, rule] of (spec.jwtRules ?? []).entries()) {
    checkRule(rule, here.at("jwtRules", index));
  }
}

const claimsMax = 64;

function checkRule(rule: JWTRuleJson, report: Report): void {
  const { issuer = "", jwksUri = "", jwks = "" } = rule;
  if (issuer === "") report.at("issuer").problem("is required");
  checkNonEmpty(rule.audiences, report.at("audiences"));
  if (jwksUri !== "" && jwks !== "") {
    report.at("jwks").problem("cannot be given together with jwksUri");
  }
  if (jwksUri !== "" && !isHttpUrl(jwksUri)) {
    report.at("jwksUri").problem(`"${jwksUri}" is not a URL of http or https`);
  } else if (jwksUri.length > 2048) {
    report.at("jwksUri").problem("is longer than 2048 characters");
  }
  if (jwks !== "") report.at("jwks").check(keysProblem(jwks));
  for (const [index, { name = "" }] of (rule.fromHeaders ?? []).entries()) {
    report.at("fromHeaders", index, "name").check(headerNameProblem(name));
  }
  checkNonEmpty(rule.fromParams, report.at("fromParams"));
  checkNonEmpty(rule.fromCookies, report.at("fromCookies"));
  for (const [index, { claim = "", header = "" }] of (rule.outputClaimToHeaders ?? []).entries()) {
    const here = report.at("outputClaimToHeaders", index);
    if (claim === "") here.at("claim").problem("is required");
    here.at("header").check(headerNameProblem(header));
  }
  const { outputPayloadToHeader = "" } = rule;
  if (outputPayloadToHeader !== "") {
    report.at("outputPayloadToHeader").check(headerNameProblem(outputPayloadToHeader));
  }
  checkNonEmpty(rule.spaceDelimitedClaims, report.at("spaceDelimitedClaims"));
  if ((rule.spaceDelimitedClaims ?? []).length > claimsMax) {
    report.at("spaceDelimitedClaims").problem(`has more than ${claimsMax} entries`);
  }
  report.at("timeout").check(durationProblem(rule.timeout));
}

function checkNonEmpty(list: readonly string[] | undefined, report: Report): void {
  for (const [index, text] of (list ?? []).entries()) {
    if (text === "") report.at(index).problem("must not be empty");
  }
}

/** A JSON Web Key Set, or one key. */
function keysProblem(text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (typeof value !== "object" || value === null) return "is not a JSON Web Key Set";
  if ("kty" in value) return undefined;
  const keys: unknown = "keys" in value ? value.keys : undefined;
  if (!Array.isArray(keys)) return 'is not a JSON Web Key Set: it has no "keys"';
  const bad = keys.findIndex(
    (key: unknown) => typeof key !== "object" || key === null || !("kty" in key),
  );
  return bad < 0 ? undefined : `is not a JSON Web Key Set: key ${bad} has no "kty"`;
}
