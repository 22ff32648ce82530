import { isHttp, isHttp2 } from "#model/protocol.ts";
import type { Protocol } from "#model/service.ts";
import { packed } from "../any.ts";
import { type ClusterDraft, setClientProtocol, setHttp2 } from "./draft.ts";
import type { Flavour } from "./flavour.ts";

/** What the port's protocol asks for, before any rule. */
export function applyProtocol(
  draft: ClusterDraft,
  protocol: Protocol,
  {
    isGateway,
    keepsHeaderCase,
  }: Pick<Flavour, "keepsHeaderCase"> & { readonly isGateway: boolean },
): void {
  if (isHttp2(protocol)) {
    setHttp2(draft);
    return;
  }
  if (keepsHeaderCase && (isHttp(protocol) || protocol === "auto")) {
    draft.http = { explicitHttpConfig: { httpProtocolOptions: { headerKeyFormat: keepCase } } };
  }
  // A gateway's clients agree on HTTP/2 with the gateway; that says nothing of the service behind it.
  if (protocol === "auto" && !isGateway) setClientProtocol(draft);
}

const keepCase = {
  statefulFormatter: {
    name: "preserve_case",
    typedConfig: packed(
      "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
      {},
    ),
  },
};
