import type { Clock } from "#lib/clock.ts";
import type { Address } from "#net/address.ts";
import type { AccessLogSink } from "../access-log/sinks.ts";
import type { Host } from "../cluster/host.ts";
import type { FailureType, ProbeFactory } from "./probe.ts";

/** envoy.data.core.v3.HealthCheckEvent, a JSON object a line; default values are written out. */
export class CheckEventLog {
  readonly #sinks: readonly AccessLogSink[];
  readonly #clock: Clock;
  readonly #type: ProbeFactory["type"];
  readonly #cluster: string;

  constructor(
    sinks: readonly AccessLogSink[],
    context: {
      readonly clock: Clock;
      readonly type: ProbeFactory["type"];
      readonly cluster: string;
    },
  ) {
    this.#sinks = sinks;
    this.#clock = context.clock;
    this.#type = context.type;
    this.#cluster = context.cluster;
  }

  ejectUnhealthy(host: Host, type: FailureType): void {
    const event = { failure_type: type, http_status_code: 0 };
    this.#write(host, { first: { eject_unhealthy_event: event } });
  }

  addHealthy(host: Host, firstCheck: boolean): void {
    this.#write(host, { first: { add_healthy_event: { first_check: firstCheck } } });
  }

  failed(host: Host, type: FailureType, firstCheck: boolean): void {
    const event = { failure_type: type, first_check: firstCheck, http_status_code: 0 };
    this.#write(host, { second: { health_check_failure_event: event } });
  }

  passed(host: Host): void {
    this.#write(host, { last: { successful_health_check_event: {} } });
  }

  degraded(host: Host): void {
    this.#write(host, { second: { degraded_healthy_host: {} } });
  }

  noLongerDegraded(host: Host): void {
    this.#write(host, { second: { no_longer_degraded_host: {} } });
  }

  /** As in all ProtoJSON the fields stand in the order of their numbers. */
  #write(host: Host, event: { first?: object; second?: object; last?: object }): void {
    const { region, zone, subZone } = host.locality;
    const line = JSON.stringify({
      health_checker_type: this.#type,
      host: addressJson(host.address),
      cluster_name: this.#cluster,
      ...event.first,
      timestamp: new Date(this.#clock.wallMs()).toISOString(),
      ...event.second,
      ...(host.metadata === undefined ? {} : { metadata: metadataJson(host.metadata) }),
      locality: { region, zone, sub_zone: subZone },
      ...event.last,
    });
    for (const sink of this.#sinks) sink.write(`${line}\n`);
  }
}

function metadataJson(metadata: NonNullable<Host["metadata"]>): object {
  return { filter_metadata: metadata, typed_filter_metadata: {} };
}

function addressJson({ family, ip, port }: Address): object {
  if (family === "pipe") return { pipe: { path: ip, mode: 0 } };
  return {
    socket_address: {
      protocol: "TCP",
      address: ip,
      port_value: port,
      resolver_name: "",
      ipv4_compat: false,
      network_namespace_filepath: "",
    },
  };
}
