/** Kubernetes' rules for names (RFC 1123) and labels: undefined, or what is wrong. */

const label = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const labelName = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/;

/** Of most objects: a DNS subdomain. */
export function nameProblem(name: string): string | undefined {
  if (name.length > 253) return "is longer than 253 characters";
  if (name.split(".").every((part) => label.test(part))) return undefined;
  return `"${name}" is not a name: lower-case letters, digits, "-" and ".", with a letter or digit at both ends`;
}

/** Of namespaces, subsets and what becomes a part of a name: a DNS label. */
export function labelProblem(name: string): string | undefined {
  if (name.length > 63) return `"${name}" is longer than 63 characters`;
  if (label.test(name)) return undefined;
  return `"${name}" is not a name: lower-case letters, digits and "-", with a letter or digit at both ends`;
}

export const namespaceProblem: (name: string) => string | undefined = labelProblem;

/** `app`, `app.kubernetes.io/name`. */
export function labelKeyProblem(key: string): string | undefined {
  const parts = key.split("/");
  const name = parts.at(-1) ?? "";
  const prefix = parts.length === 2 ? parts[0] : undefined;
  const valid =
    parts.length <= 2 &&
    name.length <= 63 &&
    labelName.test(name) &&
    (prefix === undefined || nameProblem(prefix) === undefined);
  return valid ? undefined : `"${key}" is not a label's name`;
}

export function labelValueProblem(value: string): string | undefined {
  if (value === "" || (value.length <= 63 && labelName.test(value))) return undefined;
  return `"${value}" is not a label's value: at most 63 letters, digits, "-", "_" and ".", with a letter or digit at both ends`;
}
