const userinfo = "[-A-Za-z0-9_.!~*'()%;:&=+$,]*@";
const host = "[-A-Za-z0-9.]+|\\[[0-9A-Fa-f:.]+\\]";
const url = new RegExp(
  `^[A-Za-z][-+.A-Za-z0-9]*://(?:${userinfo})?((?:${host})(?::([0-9]+))?)(?:[/?][!-\\xff]*)?$`,
);
const portMax = 65_535;

/** `host:port` of a URL, as it is written: no case is folded, no default port dropped. What is no URL stays as it is. */
export function hostAndPort(text: string): string {
  const [, found, port] = url.exec(text) ?? [];
  if (found === undefined || (port !== undefined && Number(port) > portMax)) return text;
  return found;
}
