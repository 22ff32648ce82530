import { covers, overlap } from "#model/hostname.ts";
import type { Service } from "#model/service.ts";
import type { VirtualService } from "../view.ts";

/**
 * The `hosts` of an egress listener: `namespace/name`, where the namespace may be `*` (any) or `.` (the Sidecar's own), `~` means none,
 * and `~namespace/name` takes something out again.
 */
export class EgressHosts {
  readonly #included: Map<string, string[]> = new Map();
  readonly #excluded: Map<string, string[]> = new Map();

  constructor(hosts: readonly string[], namespace: string) {
    for (const host of hosts) {
      const [of = "", name = ""] = host.toLowerCase().split("/", 2);
      if (of === "~") continue;
      const lists = of.startsWith("~") ? this.#excluded : this.#included;
      const token = of.startsWith("~") ? of.slice(1) : of;
      const key = token === "." ? namespace : token;
      const list = lists.get(key);
      if (list === undefined) lists.set(key, [name]);
      else list.push(name);
    }
  }

  imports({ namespace, hostname }: Pick<Service, "namespace" | "hostname">): boolean {
    const holds = (pattern: string): boolean => covers(pattern, hostname);
    return anyOf(this.#included, namespace, holds) && !anyOf(this.#excluded, namespace, holds);
  }

  /** A VirtualService comes in when one of its hosts may be meant. */
  importsRule({ metadata: { namespace }, spec }: VirtualService): boolean {
    const hosts = spec.hosts ?? [];
    const touches = (pattern: string): boolean => hosts.some((host) => overlap(host, pattern));
    const holds = (pattern: string): boolean => hosts.every((host) => covers(pattern, host));
    return anyOf(this.#included, namespace, touches) && !anyOf(this.#excluded, namespace, holds);
  }
}

function anyOf(
  lists: ReadonlyMap<string, readonly string[]>,
  namespace: string,
  test: (pattern: string) => boolean,
): boolean {
  return (lists.get(namespace)?.some(test) || lists.get("*")?.some(test)) ?? false;
}
