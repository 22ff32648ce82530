import { parityArea } from "./harness/area.ts";
import { extension, type JsonObject } from "./harness/config.ts";
import { exchange, own } from "./harness/forwarded.ts";

const id = "x-request-id: <uuid>";
const http1 = "x-forwarded-proto: http";
const inside = "x-envoy-internal: true";
const tens = {
  internal_address_config: { cidr_ranges: [{ address_prefix: "10.0.0.0", prefix_len: 8 }] },
};

const xff = (config: JsonObject) =>
  extension(
    "envoy.http.original_ip_detection.xff",
    "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig",
    config,
  );
const detect = (config: JsonObject) => ({ original_ip_detection_extensions: [xff(config)] });
const customHeader = (config: JsonObject) => ({
  original_ip_detection_extensions: [
    extension(
      "envoy.http.original_ip_detection.custom_header",
      "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig",
      config,
    ),
  ],
});

parityArea("connection-manager-client-address", [
  exchange({
    name: "the xff extension",
    manager: detect({ xff_num_trusted_hops: 1 }),
    sent: ["x-forwarded-for: 9.9.9.9,1.2.3.4"],
    seen: ["x-forwarded-for: 9.9.9.9,1.2.3.4", http1, id],
    remote: "9.9.9.9",
  }),
  exchange({
    name: "the xff extension appends the peer unless told to skip",
    manager: detect({ xff_num_trusted_hops: 1, skip_xff_append: false }),
    sent: ["x-forwarded-for: 9.9.9.9,1.2.3.4"],
    seen: [`x-forwarded-for: 9.9.9.9,1.2.3.4,${own}`, http1, id],
    remote: "9.9.9.9",
  }),
  exchange({
    name: "the xff extension with trusted ranges",
    manager: detect({
      xff_trusted_cidrs: {
        cidrs: [
          { address_prefix: "127.0.0.0", prefix_len: 8 },
          { address_prefix: "10.0.0.0", prefix_len: 8 },
        ],
      },
    }),
    sent: ["x-forwarded-for: 9.9.9.9,1.2.3.4, 10.0.0.1"],
    seen: ["x-forwarded-for: 9.9.9.9,1.2.3.4, 10.0.0.1", http1, id],
    remote: "1.2.3.4",
  }),
  exchange({
    name: "the xff extension, all of the list trusted",
    manager: detect({
      xff_trusted_cidrs: {
        cidrs: [
          { address_prefix: "127.0.0.0", prefix_len: 8 },
          { address_prefix: "10.0.0.0", prefix_len: 8 },
        ],
      },
    }),
    sent: ["x-forwarded-for: 10.0.0.2, 10.0.0.1"],
    seen: ["x-forwarded-for: 10.0.0.2, 10.0.0.1", http1, id],
    remote: "10.0.0.2",
  }),
  exchange({
    name: "the xff extension, peer not trusted",
    manager: detect({
      xff_trusted_cidrs: { cidrs: [{ address_prefix: "10.0.0.0", prefix_len: 8 }] },
    }),
    sent: ["x-forwarded-for: 9.9.9.9"],
    seen: [`x-forwarded-for: 9.9.9.9,${own}`, http1, id],
    remote: "127.0.0.1",
  }),
  exchange({
    name: "extensions are asked in turn until one knows the address",
    manager: {
      original_ip_detection_extensions: [
        xff({ xff_trusted_cidrs: { cidrs: [{ address_prefix: "10.0.0.0", prefix_len: 8 }] } }),
        ...customHeader({ header_name: "x-client" }).original_ip_detection_extensions,
      ],
    },
    sent: ["x-forwarded-for: 9.9.9.9", "x-client: 3.3.3.3"],
    seen: [`x-forwarded-for: 9.9.9.9,${own}`, "x-client: 3.3.3.3", http1, id],
    remote: "3.3.3.3",
  }),
  exchange({
    name: "the custom header extension",
    manager: customHeader({
      header_name: "x-client",
      allow_extension_to_set_address_as_trusted: true,
    }),
    sent: ["x-client: 10.0.0.1"],
    seen: ["x-client: 10.0.0.1", http1, id],
    remote: "10.0.0.1",
  }),
  exchange({
    name: "the custom header extension, internal",
    manager: {
      ...customHeader({ header_name: "x-client", allow_extension_to_set_address_as_trusted: true }),
      ...tens,
    },
    sent: ["x-client: 10.0.0.1"],
    seen: ["x-client: 10.0.0.1", http1, inside, id],
    remote: "10.0.0.1",
  }),
  exchange({
    name: "the custom header extension without the header",
    manager: customHeader({ header_name: "x-client" }),
    sent: ["x-forwarded-for: 1.2.3.4"],
    seen: ["x-forwarded-for: 1.2.3.4", http1, id],
    remote: "127.0.0.1",
  }),
]);
