type Message = Readonly<Record<string, unknown>>;

/**
 * Keep the fields of a google.protobuf.FieldMask ("a.b,c"), and every "@type". Undefined when the mask cannot be applied: none of its
 * paths begins with one of `fields`, or one goes on behind a repeated or a plain field.
 */
export function applyMask(
  message: Message,
  mask: string,
  fields: readonly string[] = Object.keys(message),
): Message | undefined {
  const paths = mask.split(",").map((path) => path.trim().split("."));
  const known = paths.filter(([first = ""]) => fields.includes(first));
  if (known.length === 0) return undefined;
  return masked(message, known);
}

function masked(message: Message, paths: readonly (readonly string[])[]): Message | undefined {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(message)) {
    if (key === "@type") kept[key] = value;
    const deeper = paths.filter(([first]) => first === key).map(([, ...rest]) => rest);
    if (deeper.length === 0) continue;
    if (deeper.some((rest) => rest.length === 0)) {
      kept[key] = value;
      continue;
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    // Proof of the cast: an object that is neither null nor an array.
    const inner = masked(value as Message, deeper);
    if (inner === undefined) return undefined;
    kept[key] = inner;
  }
  return kept;
}
