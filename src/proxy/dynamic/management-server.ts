import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { MakeConnection } from "#grpc/channel.ts";
import { durationMs } from "#lib/duration.ts";
import { connect } from "#net/connect.ts";
import type { AccessLogSinks } from "../access-log/sinks.ts";
import { compileConnect } from "../cluster/connect-options.ts";
import type { ClusterMembers } from "../cluster/host.ts";
import { makeHost } from "../cluster/make-host.ts";
import type { Services } from "../services.ts";
import type { StatsScope } from "../stats/stats.ts";
import { SecretStore } from "../tls/secrets.ts";
import { compileUpstreamTransport } from "../tls/transport-socket.ts";
import type { HttpOffer } from "../tls/upstream.ts";

export interface ManagementContext {
  readonly clock: Services["clock"];
  /** The main thread's root scope. */
  readonly stats: StatsScope;
  readonly log: Services["log"];
  readonly logSinks: AccessLogSinks;
  /** Undefined: they are not known yet. */
  readonly members: (cluster: string) => ClusterMembers | undefined;
}

/** A static cluster as the main thread reaches it: its control plane's. */
export interface ManagementCluster {
  readonly name: string;
  readonly connect: MakeConnection;
  readonly connectTimeoutMs: number;
  readonly scheme: "http" | "https";
}

/** Undefined: the bootstrap has no such cluster. */
export function managementCluster(
  bootstrap: BootstrapJson,
  { name, offer }: { readonly name: string; readonly offer: HttpOffer },
  context: ManagementContext,
): ManagementCluster | undefined {
  const config = bootstrap.staticResources?.clusters?.find((cluster) => cluster.name === name);
  if (config === undefined) return undefined;
  const transport = compileUpstreamTransport(config, {
    services: tlsServices(bootstrap, context),
    scope: context.stats.scope(`cluster.${(config.altStatName || name).replaceAll(":", "_")}.`),
  });
  return {
    name,
    connect: connector({ config, offer }, transport, context),
    connectTimeoutMs: durationMs(config.connectTimeout, 5000),
    scheme: config.transportSocket === undefined ? "http" : "https",
  };
}

/** One host after the other: a control plane that is away is not asked again before the others were. */
function connector(
  { config, offer }: { readonly config: ClusterJson; readonly offer: HttpOffer },
  transport: ReturnType<typeof compileUpstreamTransport>,
  { members }: ManagementContext,
): MakeConnection {
  const options = compileConnect(config);
  let next = 0;
  return (callbacks) => {
    const endpoints = members(config.name ?? "")?.endpoints ?? [];
    const endpoint = endpoints[next++ % Math.max(1, endpoints.length)];
    const fail = (why: string): { cancel(): void } => {
      const timer = setImmediate(() => callbacks.onError(why));
      return { cancel: () => clearImmediate(timer) };
    };
    if (endpoint === undefined) return fail(`cluster '${config.name}' has no endpoint`);
    const tls = transport?.settingsFor(makeHost(endpoint), offer);
    if (tls === "not-ready") return fail("secrets are not ready");
    return connect(endpoint.address, options, callbacks, { tls });
  };
}

function tlsServices(bootstrap: BootstrapJson, { clock, log, logSinks }: ManagementContext) {
  const secrets = new SecretStore();
  secrets.addStatic(bootstrap.staticResources?.secrets ?? []);
  return {
    clock,
    secrets,
    log,
    logSinks,
    tlsContexts: new Set<never>(),
    ticketSecret: new Uint8Array(0),
    // Not the first worker: what is said once, that one says.
    workerIndex: Number.MAX_SAFE_INTEGER,
  };
}
