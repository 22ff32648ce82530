import { createRequire } from "node:module";
import { getSystemErrorName } from "node:util";

/** System calls that the runtime does not offer. Each returns -1 when it failed; `lastError` says why. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fileDescriptor: number, address: Buffer, size: number): number;
  setsockopt(
    fileDescriptor: number,
    level: number,
    name: number,
    value: Buffer,
    size: number,
  ): number;
  getsockopt(
    fileDescriptor: number,
    level: number,
    name: number,
    value: Buffer,
    size: Uint32Array,
  ): number;
  dup(fileDescriptor: number): number;
  close(fileDescriptor: number): number;
  /** The name of errno: "EPERM". */
  lastError(): string;
}

const declarations = {
  socket: "int socket(int, int, int)",
  bind: "int bind(int, const uint8_t *address, uint32_t)",
  setsockopt: "int setsockopt(int, int, int, const uint8_t *value, uint32_t)",
  getsockopt: "int getsockopt(int, int, int, _Out_ uint8_t *value, _Inout_ uint32_t *size)",
  dup: "int dup(int)",
  close: "int close(int)",
} as const;

let loaded: Libc | undefined;

/** By FFI, loaded with the first configuration that needs it: 3 MB that nobody else pays for. Throws where it cannot be. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

function load(): Libc {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const library = koffi.load(null);
  const functions = Object.fromEntries(
    Object.entries(declarations).map(([name, declaration]) => [name, library.func(declaration)]),
  );
  // Proof: the declarations above say the same in C.
  return {
    ...functions,
    lastError: () => getSystemErrorName(-koffi.errno()),
  } as unknown as Libc;
}
