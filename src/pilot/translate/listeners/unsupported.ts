import type { ProxyView } from "../../view.ts";
import type { ListenerProblem } from "./problems.ts";
import type { ListenerTraits } from "./traits.ts";

/** Settings of the mesh and the proxy that listeners ought to follow and do not: better said than found out. */
export function unsupportedSettings(
  { node, scope: { mesh } }: ProxyView,
  { proxyConfig }: ListenerTraits,
): readonly ListenerProblem[] {
  const { metadata } = node;
  const settings: readonly (readonly [boolean, string])[] = [
    [mesh.enableEnvoyAccessLogService === true, "MeshConfig.enableEnvoyAccessLogService"],
    [proxyConfig.connectionSettings !== undefined, "ProxyConfig.connectionSettings"],
    [proxyConfig.privateKeyProvider !== undefined, "ProxyConfig.privateKeyProvider"],
    [isOn(metadata["INBOUND_LISTENER_EXACT_BALANCE"]), "metadata INBOUND_LISTENER_EXACT_BALANCE"],
    [isOn(metadata["OUTBOUND_LISTENER_EXACT_BALANCE"]), "metadata OUTBOUND_LISTENER_EXACT_BALANCE"],
  ];
  return settings.flatMap(([written, name]) =>
    written
      ? [{ listener: node.id, message: `${name} is not supported yet: it changes nothing` }]
      : [],
  );
}

const isOn = (value: unknown): boolean => value === true || value === "true";
