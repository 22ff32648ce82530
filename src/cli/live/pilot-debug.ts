import { ApiError } from "../objects/api-client.ts";

/** A proxy that is connected, as `/debug/adsz` names it. */
export interface ConnectedProxy {
  readonly nodeId: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Pilot's debug pages. Methods reject with ApiError. */
export class PilotDebug {
  readonly #server: string;

  constructor(server: string) {
    this.#server = server;
  }

  async proxies(): Promise<readonly ConnectedProxy[]> {
    const answer = await this.#page("/debug/syncz");
    const list: readonly unknown[] = Array.isArray(answer) ? answer : [];
    const labels = await this.#labels();
    return list.flatMap((entry) => {
      const nodeId = member(entry, "proxy");
      return typeof nodeId === "string" ? [{ nodeId, labels: labels.get(nodeId) ?? {} }] : [];
    });
  }

  async #labels(): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
    const clients = member(await this.#page("/debug/adsz"), "clients");
    const list: readonly unknown[] = Array.isArray(clients) ? clients : [];
    return new Map(
      list.map((client) => {
        // `node id-number of the connection`
        const id = String(member(client, "connectionId") ?? "").replace(/-\d+$/, "");
        const entries = Object.entries(member(client, "labels") ?? {});
        return [id, Object.fromEntries(entries.map(([name, value]) => [name, String(value)]))];
      }),
    );
  }

  explain(nodeId: string): Promise<unknown> {
    return this.#page(`/debug/explainz?${new URLSearchParams({ proxyID: nodeId })}`);
  }

  async #page(path: string): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(`${this.#server}${path}`);
    } catch (cause) {
      const hint = "start one with heddle up or heddle pilot, or name it with --server";
      throw new ApiError(`no control plane answers at ${this.#server}: ${hint}`, {
        status: 0,
        cause,
      });
    }
    const text = await response.text();
    if (!response.ok) throw new ApiError(text.trim(), { status: response.status });
    return JSON.parse(text);
  }
}

export function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.getOwnPropertyDescriptor(value, name)?.value
    : undefined;
}

/** By node id, `name.namespace`, name, service (`app`), or the name's beginning: the first of these that any proxy has. */
export function findProxies(
  proxies: readonly ConnectedProxy[],
  wanted: string,
): readonly ConnectedProxy[] {
  const nameOf = ({ nodeId }: ConnectedProxy): string => nodeId.split("~")[2] ?? "";
  const tries: readonly ((proxy: ConnectedProxy) => boolean)[] = [
    ({ nodeId }) => nodeId === wanted,
    (proxy) => nameOf(proxy) === wanted,
    (proxy) => nameOf(proxy).replace(/\.[^.]*$/, "") === wanted,
    ({ labels }) => labels["app"] === wanted,
    (proxy) => nameOf(proxy).startsWith(`${wanted}-`),
    // A gateway by what it is for.
    ({ nodeId, labels }) => nodeId.startsWith("router~") && labels["istio"] === wanted,
  ];
  for (const fits of tries) {
    const found = proxies.filter(fits);
    if (found.length > 0) return found;
  }
  return [];
}
