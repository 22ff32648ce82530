import type { ConfigJson } from "#gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.js";
import { compileStateValues, type StateValue } from "../../../filter-state/set-values.ts";
import type { HttpFilterFactory } from "../filter.ts";
import { SetFilterState } from "./set-filter-state.ts";

const type = "envoy.extensions.filters.http.set_filter_state.v3.Config";

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.set_filter_state",
  configType: type,
  routeConfigType: type,
  compile(config, { filterName }) {
    const filter = new SetFilterState(filterName, valuesOf(config));
    return () => filter;
  },
  compileRoute: valuesOf,
};

function valuesOf(config: unknown): readonly StateValue[] {
  // The loader checked it against the descriptor of this very type.
  const { onRequestHeaders } = config as ConfigJson;
  return compileStateValues("on_request_headers", onRequestHeaders);
}
