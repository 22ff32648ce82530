import type {
  HeaderMutationJson,
  HeaderMutationPerRouteJson,
  MutationsJson,
} from "#gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js";
import { within } from "#lib/config-error.ts";
import { compileFieldMutations } from "../../../field-mutations.ts";
import type { HttpFilterFactory } from "../filter.ts";
import { HeaderMutationFilter, type Mutations } from "./header-mutation.ts";
import { compileQueryMutations } from "./query-mutations.ts";

// The loader checked each configuration against the descriptor of the type that is named here.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.header_mutation",
  configType: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
  routeConfigType: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
  compile(config, { filterName }) {
    const { mutations = {}, mostSpecificHeaderMutationsWins = false } =
      config as HeaderMutationJson;
    const filter = new HeaderMutationFilter({
      filterName,
      mutations: within("mutations", () => compileMutations(mutations)),
      mostSpecificWins: mostSpecificHeaderMutationsWins,
    });
    return () => filter;
  },
  compileRoute(config) {
    const { mutations = {} } = config as HeaderMutationPerRouteJson;
    return within("mutations", () => compileMutations(mutations));
  },
};

function compileMutations(config: MutationsJson): Mutations {
  return {
    request: compileFieldMutations("request_mutations", config.requestMutations),
    query: compileQueryMutations("query_parameter_mutations", config.queryParameterMutations),
    requestTrailers: compileFieldMutations(
      "request_trailers_mutations",
      config.requestTrailersMutations,
    ),
    response: compileFieldMutations("response_mutations", config.responseMutations),
    responseTrailers: compileFieldMutations(
      "response_trailers_mutations",
      config.responseTrailersMutations,
    ),
  };
}
