import { isDeepStrictEqual } from "node:util";
import type { XdsConnection } from "#xds/source.ts";
import type { ConnectedProxy } from "./connected-proxy.ts";

/** Proxies that are remembered after they have gone; the oldest are forgotten. */
const departedMax = 10_000;

/** Those who went a moment ago: when they come back, and nothing has changed, what they had need not be made again. */
export class Departed {
  readonly #byId = new Map<string, ConnectedProxy>();

  add(proxy: ConnectedProxy): void {
    this.#byId.delete(proxy.id);
    if (this.#byId.size >= departedMax) {
      const [oldest = ""] = this.#byId.keys();
      this.#byId.delete(oldest);
    }
    this.#byId.set(proxy.id, proxy);
  }

  /** The proxy that this one was, if it says the same of itself. */
  take({ node }: XdsConnection): ConnectedProxy | undefined {
    const departed = this.#byId.get(node.id ?? "");
    if (departed === undefined) return undefined;
    this.#byId.delete(departed.id);
    return isDeepStrictEqual(departed.connection.node, node) ? departed : undefined;
  }

  /** Something has changed. */
  clear(): void {
    this.#byId.clear();
  }
}
