import type { ResetReason } from "#http/message.ts";
import { ResponseFlag } from "../../../response-flags.ts";

/** Why the codec ended a request that has no answer any more. */
export function resetFlag(reason: ResetReason): number {
  switch (reason) {
    case "protocol":
      return ResponseFlag.downstreamProtocolError;
    // A field section over the limits too: Envoy takes it for a reset by the client.
    case "overflow":
    case "remote-reset":
      return ResponseFlag.downstreamRemoteReset;
    default:
      return ResponseFlag.downstreamConnectionTermination;
  }
}
