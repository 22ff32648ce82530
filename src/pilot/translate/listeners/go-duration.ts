const unitNanos: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g;

/** A duration as Go writes it ("1m30s", "500ms") in ProtoJSON ("90s"); undefined for what is none. */
export function goDuration(text: string): string | undefined {
  if (text === "" || text.replaceAll(part, "") !== "") return undefined;
  let nanos = 0;
  for (const [, value = "", unit = ""] of text.matchAll(part))
    nanos += Number(value) * (unitNanos[unit] ?? 0);
  return `${Math.round(nanos) / 1e9}s`;
}
