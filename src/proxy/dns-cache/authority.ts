const pattern = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/;

/** `name:port`, whether or not the authority says a port. */
export function authorityKey(authority: string, defaultPort: number): string {
  return hasPort(authority) ? authority : `${authority}:${defaultPort}`;
}

function hasPort(authority: string): boolean {
  const port = pattern.exec(authority)?.[3];
  return port !== undefined && Number(port) <= 65_535;
}

/** What is no authority is a name all the same: nobody will find it. */
export function splitAuthority(
  authority: string,
  defaultPort: number,
): { readonly name: string; readonly port: number } {
  const [, bracketed, plain, port] = pattern.exec(authority) ?? [];
  const number = port === undefined ? defaultPort : Number(port);
  const name = bracketed ?? plain;
  if (name === undefined || number > 65_535) return { name: authority, port: defaultPort };
  return { name, port: number };
}
