import type { FilterStateValueJson } from "#gen/envoy/extensions/filters/common/set_filter_state/v3/value_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type { Formatter } from "../access-log/access-log.ts";
import { compileSubstitutionFormatString } from "../access-log/formatter.ts";
import type { StreamInfo } from "../stream-info.ts";
import { type ObjectFactory, objectFactories } from "./objects.ts";

/** One value that a filter sets. */
export interface StateValue {
  readonly key: string;
  readonly format: Formatter;
  readonly make: ObjectFactory;
  readonly skipIfEmpty: boolean;
}

export function compileStateValues(
  path: string,
  configs: readonly FilterStateValueJson[] | undefined,
): readonly StateValue[] {
  return compileEach(path, configs, (config) => {
    const { objectKey = "", factoryKey = "", formatString, skipIfEmpty = false } = config;
    const factory = factoryKey === "" ? objectKey : factoryKey;
    const make = objectFactories.get(factory);
    if (make === undefined)
      throw refuse(
        factoryKey === "" ? "object_key" : "factory_key",
        `'${factory}' does not have an object factory`,
      );
    if (formatString === undefined) throw refuse("format_string", "is required");
    const { format } = within("format_string", () => compileSubstitutionFormatString(formatString));
    return { key: objectKey, format, make, skipIfEmpty };
  });
}

/** For the requests of a connection. As in Envoy, what the connection's filters have set stays. */
export function setStreamState(values: readonly StateValue[], info: StreamInfo): void {
  const { connectionStateKeys } = info.downstream;
  for (const value of values)
    if (connectionStateKeys?.has(value.key) !== true) setValue(value, info);
}

export function setConnectionState(values: readonly StateValue[], info: StreamInfo): void {
  const { downstream } = info;
  for (const value of values) {
    if (!setValue(value, info)) continue;
    downstream.connectionStateKeys ??= new Set();
    downstream.connectionStateKeys.add(value.key);
  }
}

function setValue({ key, format, make, skipIfEmpty }: StateValue, info: StreamInfo): boolean {
  const bytes = format(info);
  if (bytes === "" && skipIfEmpty) return false;
  const object = make(bytes);
  if (object === undefined) return false;
  info.filterState ??= new Map();
  info.filterState.set(key, object);
  return true;
}
