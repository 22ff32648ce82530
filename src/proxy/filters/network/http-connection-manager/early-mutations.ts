import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { HeaderMutationJson } from "#gen/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { compileFieldMutations, type FieldMutation } from "../../../field-mutations.ts";
import { typeOf } from "./make-filter.ts";

const mutationType =
  "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation";

/** `early_header_mutation_extensions`: changes of a request before its route, its client's address and its id are looked at. */
export function compileEarlyMutations(
  config: HttpConnectionManagerJson["earlyHeaderMutationExtensions"],
): readonly FieldMutation[] {
  return compileEach("early_header_mutation_extensions", config, ({ typedConfig }) => {
    const type = typeOf(typedConfig);
    if (type !== mutationType)
      throw refuse("typed_config", `Heddle has no early header mutation for ${type}`);
    // Proof: "@type" says which message it is, and the configuration was checked against it.
    const { mutations } = typedConfig as unknown as HeaderMutationJson;
    return within("typed_config", () => compileFieldMutations("mutations", mutations));
  }).flat();
}
