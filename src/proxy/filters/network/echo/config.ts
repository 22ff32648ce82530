import type { NetworkFilterFactory } from "../filter.ts";
import { Echo } from "./echo.ts";

export const factory: NetworkFilterFactory = {
  name: "envoy.filters.network.echo",
  configType: "envoy.extensions.filters.network.echo.v3.Echo",
  terminal: true,
  compile: () => (stream) => new Echo(stream.connection),
};
