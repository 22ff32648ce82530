import { isIPv4 } from "node:net";
import type { ProxyView } from "../../view.ts";

/** What clusters depend on of the proxy itself, beyond its kind (the scope). */
export interface Flavour {
  /** Of the proxy's own addresses: what it can reach. */
  readonly family: "V4" | "V6" | "both";
  /** HTTP/1 header names go upstream spelt as they came. */
  readonly keepsHeaderCase: boolean;
}

export function flavourOf({ node, scope }: ProxyView): Flavour {
  const { ipAddresses } = node;
  const v4 = ipAddresses.filter((address) => isIPv4(address)).length;
  const family =
    v4 === 0 && ipAddresses.length > 0 ? "V6" : v4 < ipAddresses.length ? "both" : "V4";
  const ofMesh = scope.mesh.defaultConfig?.proxyHeaders?.preserveHttp1HeaderCase ?? false;
  return { family, keepsHeaderCase: ownHeaderCase(node.metadata["PROXY_CONFIG"]) ?? ofMesh };
}

/** `PROXY_CONFIG` of the node's metadata: JSON that anybody may have written. */
function ownHeaderCase(config: unknown): boolean | undefined {
  const headers = fieldOf(config, "proxyHeaders");
  const value = fieldOf(headers, "preserveHttp1HeaderCase");
  return typeof value === "boolean" ? value : undefined;
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return new Map<string, unknown>(Object.entries(value)).get(name);
}
