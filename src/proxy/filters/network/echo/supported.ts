export const supported = { "envoy.extensions.filters.network.echo.v3.Echo": [] } as const;
