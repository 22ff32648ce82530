import type { Counter, Gauge, Histogram, MetricsRegistry } from "#lib/prometheus.ts";

const seconds = [0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30];
const bytes = [1000, 10_000, 100_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000];

/** Istio's names, so that its dashboards read them. */
export interface PushMetrics {
  readonly pushes: Counter;
  readonly pushTime: Histogram;
  readonly queueTime: Histogram;
  readonly convergenceTime: Histogram;
  readonly debounceTime: Histogram;
  readonly configSize: Histogram;
  readonly triggers: Counter;
  readonly updates: Counter;
  readonly rejects: Counter;
  readonly rejectsOf: ReadonlyMap<string, Gauge>;
  readonly internalErrors: Counter;
  readonly clients: Gauge;
}

export function pushMetrics(
  registry: MetricsRegistry,
  { clients }: { readonly clients: () => number },
): PushMetrics {
  const reject = (type: string) =>
    [
      type,
      registry.gauge(`pilot_xds_${type}_reject`, `Proxies that refuse their ${type}.`),
    ] as const;
  return {
    pushes: registry.counter("pilot_xds_pushes", "Responses sent, by type."),
    pushTime: registry.histogram("pilot_xds_push_time", "Seconds to generate a type.", seconds),
    queueTime: registry.histogram(
      "pilot_proxy_queue_time",
      "Seconds that a proxy waits in the push queue.",
      seconds,
    ),
    convergenceTime: registry.histogram(
      "pilot_proxy_convergence_time",
      "Seconds from a change to the last acknowledgement of a proxy.",
      seconds,
    ),
    debounceTime: registry.histogram(
      "pilot_debounce_time",
      "Seconds from the first change to the push of all.",
      seconds,
    ),
    configSize: registry.histogram("pilot_xds_config_size_bytes", "Size of a response.", bytes),
    triggers: registry.counter("pilot_push_triggers", "Pushes, by what caused them."),
    updates: registry.counter("pilot_inbound_updates", "Changes seen, by what they are about."),
    rejects: registry.counter("pilot_total_xds_rejects", "Responses that proxies refused."),
    rejectsOf: new Map(["cds", "eds", "lds", "rds"].map(reject)),
    internalErrors: registry.counter(
      "pilot_total_xds_internal_errors",
      "Resources that could not be generated.",
    ),
    clients: registry.gauge("pilot_xds", "Streams connected.", (gauge) => gauge.set(clients())),
  };
}
