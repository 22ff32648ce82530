/** `app=reviews,version!=v1,team in (a, b),!old` */
export interface LabelSelector {
  readonly requirements: readonly Requirement[];
}

interface Requirement {
  readonly key: string;
  readonly operator: "in" | "not-in" | "exists" | "absent";
  readonly values: readonly string[];
}

const name = "[A-Za-z0-9][A-Za-z0-9./_-]*";
const listed = new RegExp(String.raw`^(${name})\s+(in|notin)\s*\(([^()]*)\)$`);
const equal = new RegExp(String.raw`^(${name})\s*(==|=|!=)\s*([A-Za-z0-9._-]*)$`);
const present = new RegExp(String.raw`^(!?)\s*(${name})$`);

/** Kubernetes' form, as `-l` takes it; empty: everything. */
export function parseSelector(text: string): LabelSelector | { readonly problem: string } {
  const requirements: Requirement[] = [];
  // A comma inside parentheses belongs to a list.
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  for (const part of parts) {
    if (part === "") continue;
    const requirement = parseRequirement(part);
    if (requirement === undefined)
      return {
        problem: `"${part}" is none of key=value, key!=value, key in (a, b), key notin (a), key, !key`,
      };
    requirements.push(requirement);
  }
  return { requirements };
}

function parseRequirement(part: string): Requirement | undefined {
  const inList = listed.exec(part);
  if (inList !== null) {
    const [, key = "", word, values = ""] = inList;
    const operator = word === "in" ? "in" : "not-in";
    return { key, operator, values: values.split(",").map((value) => value.trim()) };
  }
  const comparison = equal.exec(part);
  if (comparison !== null) {
    const [, key = "", sign, value = ""] = comparison;
    return { key, operator: sign === "!=" ? "not-in" : "in", values: [value] };
  }
  const presence = present.exec(part);
  if (presence === null) return undefined;
  const [, not, key = ""] = presence;
  return { key, operator: not === "!" ? "absent" : "exists", values: [] };
}

export function matchesSelector(
  { requirements }: LabelSelector,
  labels: Readonly<Record<string, string>>,
): boolean {
  return requirements.every(({ key, operator, values }) => {
    const value = labels[key];
    switch (operator) {
      case "in":
        return value !== undefined && values.includes(value);
      case "not-in":
        return value === undefined || !values.includes(value);
      case "exists":
        return value !== undefined;
      default:
        return value === undefined;
    }
  });
}
