import type { ConfigJson } from "#gen/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js";
import { compileStateValues } from "../../../filter-state/set-values.ts";
import type { NetworkFilterFactory } from "../filter.ts";
import { SetFilterState } from "./set-filter-state.ts";

export const factory: NetworkFilterFactory = {
  name: "envoy.filters.network.set_filter_state",
  configType: "envoy.extensions.filters.network.set_filter_state.v3.Config",
  compile(config) {
    // The loader checked it against the descriptor of this very type.
    const { onNewConnection } = config as ConfigJson;
    const values = compileStateValues("on_new_connection", onNewConnection);
    return ({ info }) => new SetFilterState(values, info);
  },
};
