import type { MeshConfig_ExtensionProviderJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { durationProblem, portProblem, reportDuplicates } from "../checks.ts";
import { fqdnProblem, isAddress, isLabel, wildcardHostProblem } from "../hosts.ts";
import type { Report } from "../report.ts";

type Provider = MeshConfig_ExtensionProviderJson;

/** Providers that are a service of the mesh. */
const services = [
  "envoyExtAuthzHttp",
  "envoyExtAuthzGrpc",
  "zipkin",
  "lightstep",
  "datadog",
  "opencensus",
  "skywalking",
  "opentelemetry",
  "envoyHttpAls",
  "envoyTcpAls",
  "envoyOtelAls",
  "sds",
] as const;

const others = ["stackdriver", "prometheus", "envoyFileAccessLog"] as const;

/** Istio only warns of a bad one, because it does no harm until a rule names it. */
export function checkProviders(providers: readonly Provider[], report: Report): void {
  for (const [index, provider] of providers.entries()) {
    const here = report.at(index);
    if (!provider.name) here.at("name").problem("is required");
    const kind = services.find((field) => provider[field] !== undefined);
    const other = others.some((field) => provider[field] !== undefined);
    if (kind !== undefined) checkService(provider[kind] ?? {}, here.at(kind));
    else if (!other) here.problem(`has no provider: one of ${[...services, ...others].join(", ")}`);
    checkAuthorization(provider, here);
    checkDeprecated(provider, here);
  }
  reportDuplicates(report, providers, {
    key: ({ name }) => name,
    message: (name) => `there is a provider "${name}" already`,
  });
}

interface Service {
  readonly service?: string;
  readonly port?: number;
}

function checkService({ service = "", port }: Service, report: Report): void {
  report.at("port").check(portProblem(port));
  report.at("service").check(serviceProblem(service));
}

/** `host` or `namespace/host`. */
function serviceProblem(service: string): string | undefined {
  if (service === "") return "is required";
  const slash = service.indexOf("/");
  if (slash < 0) return isAddress(service) ? undefined : fqdnProblem(service);
  const namespace = service.slice(0, slash);
  if (namespace !== "*" && namespace !== "." && !isLabel(namespace)) {
    return `"${service}" is not namespace/host`;
  }
  return wildcardHostProblem(service.slice(slash + 1));
}

function checkAuthorization(provider: Provider, report: Report): void {
  for (const field of ["envoyExtAuthzHttp", "envoyExtAuthzGrpc"] as const) {
    const authz = provider[field];
    if (authz === undefined) continue;
    const here = report.at(field);
    const { statusOnError = "" } = authz;
    if (statusOnError !== "" && !/^[1-5]\d\d$/.test(statusOnError)) {
      here.at("statusOnError").problem(`"${statusOnError}" is not a status of HTTP`);
    }
    here.at("timeout").check(durationProblem(authz.timeout));
    const body = authz.includeRequestBodyInCheck;
    if (body !== undefined && !body.maxRequestBytes) {
      here.at("includeRequestBodyInCheck", "maxRequestBytes").problem("is required");
    }
  }
  const { pathPrefix = "" } = provider.envoyExtAuthzHttp ?? {};
  if (pathPrefix !== "" && !pathPrefix.startsWith("/")) {
    report.at("envoyExtAuthzHttp", "pathPrefix").problem(`"${pathPrefix}" does not begin with /`);
  }
}

function checkDeprecated(provider: Provider, report: Report): void {
  for (const field of ["lightstep", "opencensus"] as const) {
    if (provider[field] !== undefined) report.at(field).warning("is deprecated; use opentelemetry");
  }
  if (provider.lightstep !== undefined && !provider.lightstep.accessToken) {
    report.at("lightstep", "accessToken").problem("is required");
  }
  const { grpc, http } = provider.opentelemetry ?? {};
  if (grpc !== undefined && http !== undefined) {
    report.at("opentelemetry", "http").problem("cannot be given together with grpc");
  }
  if ((provider.envoyExtAuthzHttp?.includeHeadersInCheck ?? []).length > 0) {
    const here = report.at("envoyExtAuthzHttp", "includeHeadersInCheck");
    here.warning("is deprecated; use includeRequestHeadersInCheck");
  }
}
