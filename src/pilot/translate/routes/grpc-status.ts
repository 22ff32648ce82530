import { GrpcCode } from "#grpc/status.ts";

const codes: ReadonlyMap<string, number> = new Map(
  Object.entries(GrpcCode).map(([name, code]) => [upperSnakeCase(name), code]),
);

/** `UNAVAILABLE`: 14 */
export function grpcStatusCode(name: string): number | undefined {
  return codes.get(name.toUpperCase());
}

function upperSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, "_$&").toUpperCase();
}
