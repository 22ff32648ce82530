import type { SocketOptionJson } from "#gen/envoy/config/core/v3/socket_option_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type { Address } from "#net/address.ts";
import { libc } from "#net/libc.ts";
import { intOption, type SocketOption } from "#net/socket-options.ts";

/** The options that listeners and clusters spell out as fields of their own. */
export interface SocketSettings {
  readonly family: Address["family"];
  readonly options: readonly SocketOptionJson[] | undefined;
  readonly transparent?: boolean | undefined;
  readonly freebind?: boolean | undefined;
  readonly fastOpenQueue?: number | undefined;
}

const stream = "stream";
// linux/in.h, in6.h and tcp.h.
const ipLevel = 0;
const ipv6Level = 41;
const tcpLevel = 6;
const ipTransparent = 19;
const ipv6Transparent = 75;
const ipFreebind = 15;
const ipv6Freebind = 78;
const tcpFastOpen = 23;

const states: Readonly<Record<string, SocketOption["state"]>> = {
  STATE_PREBIND: "prebind",
  STATE_BOUND: "bound",
  STATE_LISTENING: "listening",
};

/** Throws ConfigError. An empty list is what everybody has who configures none of it, and costs nothing. */
export function compileSocketOptions(settings: SocketSettings): readonly SocketOption[] {
  const options = [
    ...named(settings),
    ...compileEach("socket_options", settings.options, compileOption).flat(),
  ];
  if (options.length > 0)
    within("socket_options", () => {
      try {
        libc();
      } catch (cause) {
        throw refuse("", `libc is out of reach: ${String(cause)}`);
      }
    });
  return options;
}

function named(settings: SocketSettings): readonly SocketOption[] {
  const { family, transparent, freebind, fastOpenQueue } = settings;
  const isIpv6 = family === 6;
  const level = isIpv6 ? ipv6Level : ipLevel;
  const options: SocketOption[] = [];
  const add = (
    state: SocketOption["state"],
    description: string,
    option: Pick<SocketOption, "level" | "name" | "value">,
  ): void => {
    options.push({ state, description, ...option });
  };
  if (family === "pipe") return options;
  if (transparent !== undefined)
    add("prebind", isIpv6 ? "IPV6_TRANSPARENT" : "IP_TRANSPARENT", {
      level,
      name: isIpv6 ? ipv6Transparent : ipTransparent,
      value: intOption(transparent ? 1 : 0),
    });
  if (freebind !== undefined)
    add("prebind", isIpv6 ? "IPV6_FREEBIND" : "IP_FREEBIND", {
      level,
      name: isIpv6 ? ipv6Freebind : ipFreebind,
      value: intOption(freebind ? 1 : 0),
    });
  if (fastOpenQueue !== undefined)
    add("listening", "TCP_FASTOPEN", {
      level: tcpLevel,
      name: tcpFastOpen,
      value: intOption(fastOpenQueue),
    });
  return options;
}

/** None for an option of datagram sockets only. */
function compileOption(config: SocketOptionJson): readonly SocketOption[] {
  const { level = "0", name = "0", intValue, bufValue, description = "" } = config;
  if (config.type !== undefined && config.type[stream] === undefined) return [];
  const state = states[config.state ?? "STATE_PREBIND"] ?? "prebind";
  const value = bufValue === undefined ? integer(intValue) : Buffer.from(bufValue, "base64");
  const text = description === "" ? `${level}/${name}` : description;
  return [{ state, level: Number(level), name: Number(name), value, description: text }];
}

function integer(text: string | undefined): Buffer {
  if (text === undefined) throw refuse("value", "is required");
  const value = Number(text);
  if (value !== (value | 0)) throw refuse("int_value", `${text} is no C int`);
  return intOption(value);
}
