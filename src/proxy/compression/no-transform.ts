import type { HeaderList } from "#http/headers.ts";

/** RFC 9111 §5.2.2.6: the body is to stay as it is. */
export function hasNoTransform(headers: HeaderList): boolean {
  const control = headers.get("cache-control");
  return (
    control?.split(",").some((token) => token.trim().toLowerCase() === "no-transform") ?? false
  );
}
