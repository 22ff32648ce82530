import type { AnyJson } from "@bufbuild/protobuf/wkt";

/** A message inside of another: `{"@type": "type.googleapis.com/…", …}`. */
export function packed<T extends object>(type: string, message: T): AnyJson {
  return { "@type": `type.googleapis.com/${type}`, ...message };
}
