/** Problems of the configuration, as proxies have them: many proxies have the same ones. */
import type { MetricsRegistry } from "#lib/prometheus.ts";
import { type ViewProblem, viewProblems } from "../view-problems.ts";
import type { ConnectedProxy } from "./connected-proxy.ts";

const metrics: readonly (readonly [NonNullable<ViewProblem["metric"]>, string])[] = [
  [
    "pilot_conflict_inbound_listener",
    "Ports of workloads that speak another protocol for each of two services.",
  ],
  [
    "pilot_conflict_outbound_listener_tcp_over_current_tcp",
    "TCP services that want connections which an older one already takes.",
  ],
  [
    "pilot_conflict_outbound_listener_http_over_current_tcp",
    "HTTP services on the port of an older one whose server speaks first.",
  ],
  [
    "pilot_conflict_outbound_listener_tcp_over_current_http",
    "TCP services whose server speaks first on the port of an older one.",
  ],
  ["pilot_vservice_dup_domain", "Hosts that an older rule or service has already."],
  ["pilot_total_rejected_configs", "Objects, or parts of them, without effect on some proxy."],
];

/** A message is logged once while some proxy has it; more than these are only counted. */
const messagesMax = 1000;

export class ProblemLog {
  readonly #log: (message: string) => void;
  /** Which proxies have a message. */
  readonly #proxies: Map<string, Set<ConnectedProxy>> = new Map();
  readonly #messages: WeakMap<ConnectedProxy, readonly string[]> = new WeakMap();

  constructor(log: (message: string) => void) {
    this.#log = log;
  }

  /** The proxy has another view. */
  note(proxy: ConnectedProxy): void {
    const messages = problemsOf(proxy).map(({ message }) => message);
    const before = this.#messages.get(proxy) ?? [];
    this.#messages.set(proxy, messages);
    for (const message of before) if (!messages.includes(message)) this.#drop(proxy, message);
    for (const message of messages) this.#add(proxy, message);
  }

  forget(proxy: ConnectedProxy): void {
    for (const message of this.#messages.get(proxy) ?? []) this.#drop(proxy, message);
    this.#messages.delete(proxy);
  }

  #add(proxy: ConnectedProxy, message: string): void {
    const known = this.#proxies.get(message);
    if (known !== undefined) {
      known.add(proxy);
      return;
    }
    if (this.#proxies.size >= messagesMax) return;
    this.#proxies.set(message, new Set([proxy]));
    this.#log(`${proxy.id}: ${message}`);
  }

  #drop(proxy: ConnectedProxy, message: string): void {
    const proxies = this.#proxies.get(message);
    proxies?.delete(proxy);
    if (proxies?.size === 0) this.#proxies.delete(message);
  }
}

function problemsOf({ snapshot }: ConnectedProxy): readonly ViewProblem[] {
  return snapshot === undefined ? [] : viewProblems(snapshot.view);
}

/** Gauges of Istio's names: problems that are different from each other, however many proxies have them. */
export function addProblemMetrics(
  registry: MetricsRegistry,
  proxies: () => Iterable<ConnectedProxy>,
): void {
  for (const [name, help] of metrics) {
    registry.gauge(name, help, (gauge) => {
      const messages = new Set<string>();
      for (const proxy of proxies()) {
        for (const { metric, message } of problemsOf(proxy))
          if (metric === name) messages.add(message);
      }
      gauge.set(messages.size);
    });
  }
}

/** `/debug/push_status`, in Istio's form: by metric and by what it is about, which proxy and why. */
export function pushStatus(proxies: Iterable<ConnectedProxy>): object {
  const status: Record<string, Record<string, { proxy: string; message: string }>> = {};
  for (const proxy of proxies) {
    for (const { metric, where, message } of problemsOf(proxy)) {
      const name = metric ?? "other";
      status[name] = { [where]: { proxy: proxy.id, message }, ...status[name] };
    }
  }
  return status;
}
