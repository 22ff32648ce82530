import { reportDuplicates } from "../checks.ts";
import { fqdnProblem, isAddress } from "../hosts.ts";
import type { Validated } from "../kind.ts";
import { labelProblem } from "../names.ts";
import type { Report } from "../report.ts";
import type { ServiceSpec } from "./type.ts";

const types: ReadonlySet<string> = new Set([
  "ClusterIP",
  "NodePort",
  "LoadBalancer",
  "ExternalName",
]);

export function validate({ metadata, spec }: Validated<ServiceSpec>, report: Report): void {
  const here = report.at("spec");
  const { type = "ClusterIP", ports = [], clusterIP = "", externalName = "" } = spec;
  if (metadata.name !== "") report.at("metadata", "name").check(labelProblem(metadata.name));
  if (!types.has(type)) here.at("type").problem(`"${type}" is none of ${[...types].join(", ")}`);
  if (type === "ExternalName") {
    here.at("externalName").check(externalName === "" ? "is required" : fqdnProblem(externalName));
  } else if (ports.length === 0 && clusterIP !== "None") {
    here.at("ports").problem("is required");
  }
  if (clusterIP !== "" && clusterIP !== "None" && !isAddress(clusterIP)) {
    here.at("clusterIP").problem(`"${clusterIP}" is neither None nor an IP address`);
  }
  for (const [index, { name = "", port }] of ports.entries()) {
    if (port === undefined) here.at("ports", index, "port").problem("is required");
    if (name === "" && ports.length > 1) {
      here.at("ports", index, "name").problem("is required, because there are several ports");
    }
    if (name !== "") here.at("ports", index, "name").check(labelProblem(name));
  }
  reportDuplicates(here.at("ports"), ports, {
    key: ({ name }) => name || undefined,
    message: (name) => `there is a port "${name}" already`,
  });
  reportDuplicates(here.at("ports"), ports, {
    key: ({ port, protocol = "TCP" }) => (port === undefined ? port : `${port} of ${protocol}`),
    message: (port) => `there is a port ${port} already`,
  });
}
