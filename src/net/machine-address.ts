import { networkInterfaces } from "node:os";

let known: string | undefined;

/** This machine's first IPv4 address that others can reach; undefined when it has none. Read once: interfaces rarely change. */
export function machineAddress(): string | undefined {
  known ??= Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === "IPv4")?.address;
  return known;
}
