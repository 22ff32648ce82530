/** WebAssembly in WasmPlugin and TrafficExtension. */
import type { EnvVarJson, VmConfigJson } from "#gen/istio/extensions/v1alpha1/wasm_pb.js";
import { portProblem, reportDuplicates } from "./checks.ts";
import type { Report } from "./report.ts";

export interface Wasm {
  readonly url?: string;
  readonly sha256?: string;
  readonly imagePullSecret?: string;
  readonly pluginName?: string;
  readonly vmConfig?: VmConfigJson;
}

const schemes: ReadonlySet<string> = new Set(["file:", "http:", "https:", "oci:"]);

export function checkWasm(wasm: Wasm, report: Report): void {
  const { url = "", sha256 = "", imagePullSecret = "", pluginName = "" } = wasm;
  report.at("url").check(url === "" ? "is required" : urlProblem(url));
  if (sha256 !== "" && !/^[a-f0-9]{64}$/.test(sha256)) {
    report.at("sha256").problem("is not 64 digits of 0-9 and a-f");
  }
  if (imagePullSecret.length > 253) {
    report.at("imagePullSecret").problem("is longer than 253 characters");
  }
  if (pluginName.length > 256) report.at("pluginName").problem("is longer than 256 characters");
  checkEnvironment(wasm.vmConfig?.env ?? [], report.at("vmConfig", "env"));
}

/** Without a scheme it is an image's name. */
function urlProblem(url: string): string | undefined {
  const scheme = /^([a-z][a-z0-9+.-]*:)\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== undefined && !schemes.has(scheme)) {
    return `"${url}": the scheme is none of file, http, https and oci`;
  }
  const whole = scheme === undefined ? `http://${url}` : url;
  return URL.canParse(whole) && !/\s/.test(url) ? undefined : `"${url}" is not a URL`;
}

const environmentMax = 256;

function checkEnvironment(env: readonly EnvVarJson[], report: Report): void {
  if (env.length > environmentMax) report.problem(`has more than ${environmentMax} entries`);
  for (const [index, { name = "", value = "", valueFrom = "INLINE" }] of env.entries()) {
    const here = report.at(index);
    if (name === "") here.at("name").problem("is required");
    if (name.length > 256) here.at("name").problem("is longer than 256 characters");
    if (value.length > 2048) here.at("value").problem("is longer than 2048 characters");
    if (valueFrom !== "INLINE" && value !== "") {
      here.at("value").problem(`cannot be given with valueFrom ${valueFrom}`);
    }
  }
  reportDuplicates(report, env, {
    key: ({ name }) => name,
    message: (name) => `"${name}" is there already`,
  });
}

/** `match[].ports[].number` */
export function checkTraffic(
  match: readonly { readonly ports?: readonly { readonly number?: number }[] }[] | undefined,
  report: Report,
): void {
  for (const [index, { ports = [] }] of (match ?? []).entries()) {
    for (const [place, { number }] of ports.entries()) {
      report.at(index, "ports", place, "number").check(portProblem(number));
    }
  }
}
