import type { TypedExtensionConfigJson } from "#gen/envoy/config/core/v3/extension_pb.js";
import { compileEach, refuse } from "#lib/config-error.ts";
import type { Operator, OperatorSpec, OperatorTable } from "./operator.ts";
import { requestHeader } from "./operators-http.ts";

const prefix = "type.googleapis.com/envoy.extensions.formatter.";

/** Operators that a format has only where its `formatters` name them. */
export function compileFormatters(
  configs: readonly TypedExtensionConfigJson[] | undefined,
): OperatorTable {
  const tables = compileEach("formatters", configs, ({ typedConfig }): OperatorTable => {
    const type = String(typedConfig?.["@type"]);
    switch (type) {
      case `${prefix}req_without_query.v3.ReqWithoutQuery`:
        return { REQ_WITHOUT_QUERY: withoutQuery };
      // METADATA is there without it, as in Envoy.
      case `${prefix}metadata.v3.Metadata`:
        return {};
      default:
        throw refuse("typed_config", `formatter ${type} is not supported`);
    }
  });
  return Object.assign({}, ...tables) as OperatorTable;
}

/** REQ, up to the query. */
const withoutQuery: OperatorSpec = {
  ...requestHeader,
  compile: (parameter, environment): Operator => {
    const operator = requestHeader.compile(parameter, environment);
    if (operator.kind !== "string") return operator;
    return { ...operator, read: (info) => operator.read(info)?.replace(/\?.*$/s, "") };
  },
};
