import type { TlsSessionTicketKeysJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import { compileEach, refuse } from "#lib/config-error.ts";
import type { TicketKeys } from "#net/tls-context.ts";
import { readDataSource } from "./data-source.ts";

/**
 * Envoy's keys have 80 bytes: name 16, HMAC 32, AES 32. The runtime takes 16 of each, so tickets pass between Heddles that share
 * keys, not between Heddle and Envoy.
 */
export function compileTicketKeys(config: TlsSessionTicketKeysJson): TicketKeys {
  return compileEach("keys", config.keys, (source) => {
    const bytes = readDataSource(source)?.bytes;
    if (bytes?.length !== 80) {
      throw refuse(
        "",
        `Incorrect TLS session ticket key length. Length ${bytes?.length ?? 0}, expected length 80.`,
      );
    }
    return Buffer.concat([bytes.subarray(0, 16), bytes.subarray(16, 32), bytes.subarray(48, 64)]);
  });
}
