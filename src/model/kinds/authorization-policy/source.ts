import type {
  OperationJson,
  SourceJson,
} from "#gen/istio/security/v1beta1/authorization_policy_pb.js";
import { subnetProblem } from "../hosts.ts";
import type { Report } from "../report.ts";

const accountsMax = 16;
const accountLengthMax = 320;

export function checkSource(source: SourceJson, report: Report): void {
  checkLists(Object.entries(source), report);
  for (const field of ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"] as const) {
    for (const [index, block] of (source[field] ?? []).entries()) {
      if (block !== "") report.at(field, index).check(subnetProblem(block));
    }
  }
  for (const field of ["serviceAccounts", "notServiceAccounts"] as const) {
    const accounts = source[field];
    if (accounts === undefined) continue;
    checkAccounts(accounts, report.at(field));
    for (const other of ["principals", "notPrincipals", "namespaces", "notNamespaces"] as const) {
      if ((source[other] ?? []).length > 0) {
        report.at(other).problem(`cannot be given together with ${field}`);
      }
    }
  }
}

/** `name` of the policy's own namespace, or `namespace/name`; no wildcards. */
function checkAccounts(accounts: readonly string[], report: Report): void {
  if (accounts.length > accountsMax) report.problem(`has more than ${accountsMax} entries`);
  for (const [index, account] of accounts.entries()) {
    const here = report.at(index);
    const parts = account.split("/");
    if (account.includes("*")) here.problem(`"${account}": a service account has no wildcards`);
    else if (parts.length > 2 || (parts.includes("") && account !== "")) {
      here.problem(`"${account}" is not name or namespace/name`);
    } else if (account.length > accountLengthMax) {
      here.problem(`is longer than ${accountLengthMax} characters`);
    }
  }
}

export function checkOperation(operation: OperationJson, report: Report): void {
  checkLists(Object.entries(operation), report);
  for (const field of ["ports", "notPorts"] as const) {
    for (const [index, port] of (operation[field] ?? []).entries()) {
      if (port !== "") report.at(field, index).check(portTextProblem(port));
    }
  }
  for (const field of ["paths", "notPaths"] as const) {
    for (const [index, path] of (operation[field] ?? []).entries()) {
      report.at(field, index).check(templateProblem(path));
    }
  }
}

/** Something is asked, and nothing empty. */
function checkLists(
  entries: readonly (readonly [field: string, values: readonly string[]])[],
  report: Report,
): void {
  if (entries.length === 0) report.problem("is empty: give at least one field");
  for (const [field, values] of entries) {
    for (const [index, value] of values.entries()) {
      if (value === "") report.at(field, index).problem("must not be empty");
    }
  }
}

export function portTextProblem(port: string): string | undefined {
  return /^\d{1,5}$/.test(port) && Number(port) <= 65_535 ? undefined : `"${port}" is not a port`;
}

/** Templates have `{*}` for one part and `{**}` for the rest, and neither names nor other wildcards. */
function templateProblem(path: string): string | undefined {
  if (!path.includes("{*}") && !path.includes("{**}")) return undefined;
  const parts = path.split("/");
  const stars = parts.filter((part) => part === "{**}").length;
  const bad = parts.find((part) => part !== "{*}" && part !== "{**}" && /[*{}]/.test(part));
  if (bad !== undefined)
    return `"${path}": in a template a part is {*}, {**} or plain, not "${bad}"`;
  if (stars > 1 || (stars === 1 && parts.includes("{*}", parts.indexOf("{**}")))) {
    return `"${path}": after {**} nothing else can be left open`;
  }
  return undefined;
}
